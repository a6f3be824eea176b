"""What torch's runtimes make of a recipe, as far as a CPU can show it; the rest is in tests/gpu."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trtbench.errors import Code, MeasureError, RuntimeUnavailable
from trtbench.export.model import build_model
from trtbench.runtimes import open_runtime
from trtbench.runtimes.torch_model import Fp8Linear, check_recipe, load_model, prune
from trtbench.specs import ArmSpec, CalibrationSpec, ExportSpec, ModelSpec, Scalar
from trtbench.specs.recipe import parse_recipe

CPU = torch.device("cpu")
OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\n2 GiB")


def tiny(name: str = "vit_tiny_patch16_224", **overrides: Scalar) -> ModelSpec:
    arguments = {"depth": 2, **overrides}
    return ModelSpec(name=name, overrides=tuple(sorted(arguments.items())), img_size=64)


def spec_of(recipe: str, model: ModelSpec | None = None) -> ExportSpec:
    return ExportSpec(model=model or tiny(), recipe=parse_recipe(recipe), batch=2)


def images(count: int = 2) -> Tensor:
    return torch.randn((count, 3, 64, 64), generator=torch.Generator().manual_seed(1))


def cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a.double(), b.double()).min())


def computed(module: nn.Module, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode():
        output: Tensor = module(images().to(dtype))
    return output.float()


def reference(model: ModelSpec) -> Tensor:
    return computed(build_model(model), torch.float32)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("int8", r"int8 Linear layers: tensorrt, tensorrt_rtx and onnxruntime run its ONNX model"),
        ("mxfp8", r"mxfp8 Linear layers: tensorrt runs it, tensorrt_rtx emulates it"),
        ("nvfp4", r"nvfp4 Linear layers: tensorrt and tensorrt_rtx run it"),
        ("fp8:qkv=nvfp4", r"nvfp4 Linear layers: tensorrt and tensorrt_rtx run it"),
        ("fp8+fp8attn", r"no FP8 attention: tensorrt and tensorrt_rtx have it; drop \+fp8attn"),
        ("fp16@stock", r"which @stock is about: drop @stock"),
        ("fp8+sparse", r"sparse kernels for fp16 and bf16, not for fp8\+sparse: tensorrt has them"),
        ("fp32+sparse", r"sparse kernels for fp16 and bf16, not for fp32\+sparse: tensorrt has them"),
    ],
)
def test_what_torch_cannot_run_is_said_with_what_can(recipe: str, message: str) -> None:
    with pytest.raises(MeasureError, match=rf"^torch [^\n]*{message}[^\n]*$"):
        check_recipe(parse_recipe(recipe))


@pytest.mark.parametrize(
    "recipe", ["fp32", "fp16", "bf16", "fp8", "fp8:qkv=fp16", "fp16+sparse", "bf16+sparse"]
)
def test_what_torch_can_run(recipe: str) -> None:
    check_recipe(parse_recipe(recipe))


@pytest.mark.parametrize(
    ("recipe", "dtype", "least"),
    [("fp32", torch.float32, 0.9999999), ("fp16", torch.float16, 0.9999), ("bf16", torch.bfloat16, 0.999)],
)
def test_the_model_in_a_plain_precision(recipe: str, dtype: torch.dtype, least: float) -> None:
    model = load_model(spec_of(recipe), CPU)
    assert (model.dtype, model.image_shape, model.output_names) == (dtype, (3, 64, 64), ("logits",))
    assert {parameter.dtype for parameter in model.module.parameters()} == {dtype}
    assert cosine(computed(model.module, dtype), reference(tiny())) > least
    assert model.notes == ()


def test_a_model_without_a_classifier_gives_features() -> None:
    assert load_model(spec_of("fp16", tiny(num_classes=0)), CPU).output_names == ("features",)


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ("fp8", {"attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"}),
        ("fp8:qkv=fp16,fc2=fp16", {"attn.proj", "mlp.fc1"}),
        ("fp16:fc1=fp8", {"mlp.fc1"}),
    ],
)
def test_fp8_layers_are_those_of_the_recipe(recipe: str, names: set[str]) -> None:
    model = load_model(spec_of(recipe), CPU)
    fp8 = {name for name, layer in model.module.named_modules() if isinstance(layer, Fp8Linear)}
    assert fp8 == {f"blocks.{index}.{name}" for index in range(2) for name in names}
    assert model.notes[0] == "FP8 inputs: static scales from 8 images; fast accumulation"
    assert cosine(computed(model.module, torch.float16), reference(tiny())) > 0.995


def test_a_layer_that_torchs_fp8_kernels_do_not_take_stays_in_16_bits() -> None:
    model = load_model(spec_of("fp8"), CPU)
    assert model.notes[1:] == ("head: left in 16 bits: torch's FP8 kernels take multiples of 16",)
    assert type(model.module.get_submodule("head")) is nn.Linear
    whole = load_model(spec_of("fp8", tiny(num_classes=16)), CPU)
    assert isinstance(whole.module.get_submodule("head"), Fp8Linear)


def test_fp8_layers_of_a_model_that_uses_its_qkv_weight_without_calling_the_layer() -> None:
    spec = tiny("eva02_tiny_patch14_224").model_copy(update={"img_size": 56})
    model = load_model(spec_of("fp8", spec), CPU)
    assert isinstance(model.module.get_submodule("blocks.0.attn.qkv"), Fp8Linear)
    pixels = images()[:, :, :56, :56]
    with torch.inference_mode():
        output = model.module(pixels.half()).float()
        expected = build_model(spec)(pixels)
    assert cosine(output, expected) > 0.995


def test_the_calibration_images_of_the_spec_decide_the_scales() -> None:
    others = ExportSpec(model=tiny(), recipe="fp8", batch=2, calibration=CalibrationSpec(seed=5))
    scales = [
        load_model(spec, CPU).module.get_submodule("blocks.0.mlp.fc2").to_input_scale.item()  # type: ignore[operator,union-attr]
        for spec in (spec_of("fp8"), spec_of("fp8"), others)
    ]
    assert scales[0] == scales[1] != scales[2]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_an_fp8_layer_on_inputs_of_any_size_and_beyond_its_range(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(64, 32).half()
    x = (torch.randn((3, 5, 64), generator=generator) * scale).half()
    layer = Fp8Linear(linear, float(x.abs().max()))
    with torch.inference_mode():
        expected, output = linear(x), layer(x)
        assert output.shape == (3, 5, 32)
        assert output.dtype == torch.float16
        assert cosine(output.flatten(1), expected.flatten(1)) > 0.995
        assert layer(x[:, 0]).shape == (3, 32)
        assert layer(4 * x).isfinite().all()


def test_pruning_keeps_the_larger_two_of_four() -> None:
    model = nn.Sequential(nn.Linear(32, 8), nn.Linear(8, 4))
    before = [layer.weight.detach().clone() for layer in model]  # type: ignore[operator,union-attr]
    prune(model)
    after = model[0].weight.view(8, -1, 4)  # type: ignore[operator,union-attr]
    assert after.count_nonzero(-1).unique().tolist() == [2]
    kept = after.abs().sum(-1)
    assert torch.allclose(kept, before[0].view(8, -1, 4).abs().topk(2, dim=-1).values.sum(-1))
    assert torch.equal(model[1].weight, before[1])


def arm_of(recipe: str, runtime: str = "torch", **changes: Any) -> ArmSpec:
    fields = {"export": spec_of(recipe), "recipe": recipe, **changes}
    return ArmSpec(label=f"{recipe} in torch", runtime=runtime, artifact=None, artifact_sha256=None, **fields)


def test_errors_name_the_arm() -> None:
    with pytest.raises(MeasureError, match=r"^nvfp4 in torch: torch has no kernels for nvfp4"):
        open_runtime(arm_of("nvfp4"), 1, True)
    with pytest.raises(MeasureError, match=r"^fp16 in torch: torch makes the model itself: the arm must say"):
        open_runtime(arm_of("fp16", export=None), 1, True)


def test_the_pruning_of_sparsegpt_is_refused() -> None:
    spec = spec_of("fp16+sparse").model_copy(update={"sparsity_method": "sparsegpt"})
    with pytest.raises(MeasureError, match="the spec says sparsegpt: use sparse_magnitude"):
        load_model(spec, CPU)


@pytest.mark.parametrize(
    ("error", "code"),
    [(OUT_OF_MEMORY, Code.GPU_OUT_OF_MEMORY), (RuntimeError("no kernel"), Code.MEASURE_FAILED)],
)
def test_running_out_of_memory_has_a_code(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError, code: Code
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("trtbench.runtimes.torch._check_device", lambda recipe: None)
    monkeypatch.setattr("trtbench.runtimes.torch.load_model", fail)
    with pytest.raises(MeasureError, match=r"^fp16 in torch: torch \S+: ") as caught:
        open_runtime(arm_of("fp16"), 1, True)
    assert (caught.value.code, "\n" in str(caught.value)) == (code, False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="shows what is said without a GPU")
@pytest.mark.parametrize("runtime", ["torch", "torch-eager", "torch-compile"])
def test_without_a_gpu_there_is_one_line(runtime: str) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"^torch [^ ]* sees no CUDA device: it needs a GPU"):
        open_runtime(arm_of("fp16", runtime), 1, True)
