"""Roofs of kernels: shapes and FLOPs are those of the model, crossovers are where brute force finds them."""

import math
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trtbench.errors import SpecError
from trtbench.export.flops import analytic_flops
from trtbench.export.forward import image_calls, sequence_calls
from trtbench.export.linear_layers import call_all_linear_layers
from trtbench.export.model import meta_model
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.predict.roofline import compute_bound_from, l2_stay, roofline, under_roofs
from trtbench.predict.structure import Kernel, kernels_of
from trtbench.specs import ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe

PRO = find_gpu("rtx-pro-6000")
R5 = ModelSpec(overrides=(("depth", 2), ("embed_dim", 960), ("mlp_ratio", 2.6666667), ("num_heads", 15)))
VIT_B = ModelSpec(overrides=(("depth", 2),))
RECIPES = ("fp32", "fp16", "int8", "fp8+fp8attn", "mxfp8", "nvfp4", "nvfp4:qkv=fp8,head=fp16")
LARGE = 10**7


@cache
def kernels(recipe, model=VIT_B, tokens=None):
    blueprint = meta_model(model)
    call_all_linear_layers(blueprint)
    calls = image_calls(blueprint) if tokens is None else sequence_calls(blueprint, tokens)
    return kernels_of(calls, parse_recipe(recipe))


def exports(recipes="fp16", batches=(1,), model=VIT_B):
    return [
        ExportSpec(model=model, recipe=recipe, batch=batch) for batch in batches for recipe in recipes.split()
    ]


def named(kernels, name):
    return next(kernel for kernel in kernels if kernel.name == name)


def product(rows, n, k, size=2.0):
    return Kernel(
        name="x",
        kind="gemm",
        precision="fp16",
        rows=rows,
        n=n,
        k=k,
        image_flops=2.0 * rows * n * k,
        image_bytes=(rows * k + rows * n) * size,
        result_bytes=rows * n * 2.0,
        weight_bytes=k * n * size,
    )


@pytest.mark.parametrize(
    "model",
    [
        VIT_B,
        ModelSpec(name="eva02_tiny_patch14_224", overrides=(("depth", 2),)),
        ModelSpec(name="vit_base_patch16_siglip_224", overrides=(("depth", 1),)),
    ],
    ids=lambda model: model.name,
)
def test_products_are_all_that_torch_counts(model):
    by_role = {}
    for kernel in kernels("fp16", model):
        if kernel.kind != "pointwise":
            by_role[kernel.name] = by_role.get(kernel.name, 0.0) + kernel.flops(3)
    blueprint = meta_model(model)
    assert by_role == analytic_flops(blueprint, 3)


@pytest.mark.parametrize(("recipe", "size"), [("fp16", 2), ("fp8", 1), ("nvfp4", 0.5 + 1 / 16)])
def test_intensity_is_two_mkn_over_the_bytes_of_operands_and_a_result_in_16_bits(recipe, size):
    fc1 = named(kernels(recipe, R5, 1024), "fc1")
    found = under_roofs(fc1, 1, 1, PRO)
    m, k, n = 1024, 960, 2560
    assert (found.m, found.n, found.k) == (m, n, k)
    assert found.intensity == pytest.approx(2 * m * k * n / ((m * k + k * n) * size + 2 * m * n))


def test_sequences_enter_the_first_block():
    names = {kernel.name for kernel in kernels("fp16", R5, 50)}
    assert names == {"norm", "qkv", "attention", "proj", "residual", "fc1", "activation", "fc2"}


def test_a_bias_that_a_block_adds_is_no_residual():
    parallel = ModelSpec(name="vit_base_patch16_xp_224", overrides=(("depth", 1),))
    names = [kernel.name for kernel in kernels("fp16", parallel)]
    assert names.count("residual") == 2  # attention and MLP are added, then both to the stream


def test_layers_that_share_their_input_share_its_quantizer():
    eva = ModelSpec(name="eva02_base_patch14_224", overrides=(("depth", 1),))
    found = kernels("fp8", eva)
    quantized = [kernel for kernel in found if kernel.kind == "gemm" and kernel.precision == "fp8"]
    names = [kernel.name for kernel in quantized]
    assert names == ["qkv", "qkv", "qkv", "proj", "fc1", "fc1", "fc2"]
    assert [kernel.name for kernel in found].count("quantize") == len(set(names))


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_crossover_is_the_first_batch_under_the_flat_roof(recipe):
    for kernel in kernels(recipe):
        crossover = compute_bound_from([kernel], PRO)
        if crossover is None:
            assert under_roofs(kernel, 1, LARGE, PRO).bound == "memory"
        else:
            bounds = [under_roofs(kernel, 1, batch, PRO).bound for batch in range(1, crossover + 3)]
            assert bounds == ["memory"] * (crossover - 1) + ["compute"] * 3


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 2048),
    n=st.integers(16, 4096),
    k=st.integers(16, 4096),
    gpu=st.sampled_from(known_gpus()),
)
def test_the_crossover_of_any_product(rows, n, k, gpu):
    kernel = product(rows, n, k)
    crossover = compute_bound_from([kernel], gpu)
    ridge = under_roofs(kernel, 1, 1, gpu).ridge
    if crossover is None:
        assert under_roofs(kernel, 1, LARGE, gpu).intensity <= ridge
    else:
        assert under_roofs(kernel, 1, crossover, gpu).intensity >= ridge * (1 - 1e-12)
        assert crossover == 1 or under_roofs(kernel, 1, crossover - 1, gpu).intensity < ridge * (1 + 1e-12)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_gemms_together_cross_where_their_flops_outlast_their_bytes(recipe):
    gemms = [kernel for kernel in kernels(recipe) if kernel.kind == "gemm"]

    def is_compute_bound(batch):
        roofs = [under_roofs(kernel, 1, batch, PRO) for kernel in gemms]
        compute_s = sum(roof.flops / (roof.ridge * PRO.dram_gb_per_s * 1e9) for roof in roofs)
        return compute_s >= sum(roof.bytes for roof in roofs) / (PRO.dram_gb_per_s * 1e9)

    assert compute_bound_from(gemms, PRO) == next(filter(is_compute_bound, range(1, 1000)), None)


@pytest.mark.parametrize("recipe", RECIPES)
def test_intensity_grows_with_the_batch_only_where_there_are_weights(recipe):
    for kernel in kernels(recipe):
        intensities = [under_roofs(kernel, 1, batch, PRO).intensity for batch in (1, 2, 7, 64, 1024)]
        if kernel.weight_bytes:
            assert all(low < high for low, high in pairwise(intensities))
        else:
            assert intensities == pytest.approx([intensities[0]] * 5)


def test_a_gpu_twice_as_fast_in_everything_moves_no_crossover():
    twice = PRO.model_copy(update={"clock_mhz": 2 * PRO.clock_mhz, "dram_gb_per_s": 2 * PRO.dram_gb_per_s})
    for kernel in kernels("nvfp4"):
        slow, fast = under_roofs(kernel, 1, 8, PRO), under_roofs(kernel, 1, 8, twice)
        same = ("intensity", "ridge", "bound", "compute_bound_from", "bytes")
        assert [getattr(slow, field) for field in same] == [getattr(fast, field) for field in same]
        assert fast.roof_us == pytest.approx(slow.roof_us / 2)


def test_no_kernel_is_above_either_roof():
    bandwidth = PRO.dram_gb_per_s * 1e9
    for kernel in kernels("nvfp4"):
        found = under_roofs(kernel, 1, 64, PRO)
        roofs = (found.ridge * bandwidth, found.intensity * bandwidth)
        assert 1e12 * found.attainable_tflops == pytest.approx(min(roofs))
        assert found.roof_us == pytest.approx(1e6 * max(found.flops / roofs[0], found.bytes / bandwidth))


def test_the_longest_wait_of_the_residual_stream_is_the_mlp():
    stay = l2_stay(kernels("fp16"), PRO)
    stream = 197 * 768 * 2
    # The stream, norm, fc1 and its activation (four wide each), fc2, and the new stream.
    assert stay.image_bytes == (1 + 1 + 4 + 4 + 1 + 1) * stream
    assert stay.weight_bytes == 2 * 768 * 3072 * 2
    assert stay.batch * stay.image_bytes + stay.weight_bytes <= PRO.l2_bytes
    assert (stay.batch + 1) * stay.image_bytes + stay.weight_bytes > PRO.l2_bytes


def test_weights_beyond_l2_leave_room_for_no_batch():
    small = PRO.model_copy(update={"l2_bytes": 2.0**20})
    assert l2_stay(kernels("fp16"), small).batch == 0


def test_equal_m_makes_equal_gemms_and_other_attention():
    found = roofline(exports(model=R5), PRO, (1024, 50))
    (equal,) = found.equal_m
    long, short = equal.batches
    assert (equal.m, long.batch, short.batch) == (1024, 1, 20.48)
    for kernel, other in zip(long.kernels, short.kernels, strict=True):
        if kernel.kind == "gemm":
            assert other.m == pytest.approx(kernel.m)
            assert other.intensity == pytest.approx(kernel.intensity)
    attention, other = named(long.kernels, "attention"), named(short.kernels, "attention")
    assert (attention.intensity, other.intensity) == (1024 / 2, 50 / 2)
    assert other.flops == pytest.approx(attention.flops * 50 / 1024)


def test_one_length_has_nothing_of_equal_m():
    assert roofline(exports("fp16 fp8"), PRO).equal_m == ()


def test_sections_hold_every_recipe_length_and_batch():
    found = roofline(exports("fp16 nvfp4", (1, 8)), PRO, (50, 197))
    assert [(str(part.recipe), part.tokens) for part in found.sections] == [
        ("fp16", 50),
        ("nvfp4", 50),
        ("fp16", 197),
        ("nvfp4", 197),
    ]
    assert all([batch.batch for batch in part.batches] == [1, 8] for part in found.sections)


def test_sums_of_a_batch():
    (section,) = roofline(exports("fp16", (4,)), PRO).sections
    (batch,) = section.batches
    assert batch.roof_ms == pytest.approx(sum(k.count * k.roof_us for k in batch.kernels) / 1e3)
    assert batch.per_s == pytest.approx(4e3 / batch.roof_ms)
    flops = {k.name: k.count * k.flops for k in batch.kernels if k.kind == "gemm"}
    compute = [k.name for k in batch.kernels if k.kind == "gemm" and k.bound == "compute"]
    assert 0 < batch.compute_bound_share < 1
    assert batch.compute_bound_share == pytest.approx(
        sum(map(flops.get, compute)) / math.fsum(flops.values())
    )


@pytest.mark.parametrize(
    ("recipe", "gpu", "problem"),
    [
        ("nvfp4+sparse", "rtx-pro-6000", "recipe nvfp4.sparse: the roofs are those of dense products"),
        ("nvfp4@stock", "rtx-pro-6000", "recipe nvfp4@stock: roofs follow from the model"),
        ("nvfp4", "h200", "H200 SXM has no tensor cores for fp4"),
    ],
)
def test_what_has_no_roof_is_refused(recipe, gpu, problem):
    with pytest.raises(SpecError, match=problem):
        roofline(exports(recipe), find_gpu(gpu))
