"""The CPU kernels of trtbench.export.cpu_kernels against ModelOpt's own CUDA kernels, bit by bit.

The Triton kernel of NVFP4 divides with the GPU's approximate reciprocal: with that reciprocal not one value
may differ; with the exact one a value may, where it lies within 2 units in the last place of a border.
"""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("modelopt")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no CUDA device"),
]

from trtbench.export import cpu_kernels  # noqa: E402

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
SHAPES = [(1, 16), (4, 32), (197, 768), (2, 197, 192), (3, 5, 64), (7, 37), (2, 3, 5, 48), (1000, 3072)]
E2M1_BORDERS = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0]
DISTRIBUTIONS = {
    "normal": lambda normal, uniform: normal,
    "heavy tail": lambda normal, uniform: normal**5,
    "few bits": lambda normal, uniform: (normal * 8).round().div(4),
    "tiny": lambda normal, uniform: normal * 1e-6,
    "wide range": lambda normal, uniform: torch.ldexp(normal, (uniform * 45 - 30).floor()),
    "sparse": lambda normal, uniform: normal * (uniform > 0.7),
}


def _values(name, shape, dtype):
    generator = torch.Generator().manual_seed(sum(name.encode()) * 1009 + math.prod(shape))
    normal = torch.randn(shape, generator=generator)
    return DISTRIBUTIONS[name](normal, torch.rand(shape, generator=generator)).to(dtype)


def _all_16_bit_patterns(dtype, special):
    values = torch.arange(65536, dtype=torch.int32).to(torch.int16).view(dtype)
    if not special:
        values = values[values.isfinite()]
    return values[torch.randperm(values.numel(), generator=torch.Generator().manual_seed(1))].view(-1, 32)


def _borders(dtype):
    """Blocks of values on the borders between E2M1 values, under largest values that give various scales."""
    row = torch.tensor([*E2M1_BORDERS, 1, 2, 3, 4, 6, 0.5, 1.5, 0.0, 0.1] * 2)
    rows = []
    for exponent in range(-20, 12):
        for largest in (448.0, 6.0, 1.0, 1.75, 3.5):
            row[-1] = largest
            rows.append(torch.ldexp(row, torch.tensor(exponent)))
    return torch.stack(rows).to(dtype)


def _on_gpu(x, amax):
    operator = torch.ops.tensorrt.dynamic_block_quantize_op
    if amax is None:
        return operator(x.cuda(), 32, None, 8, 4, 9, 8).cpu()
    return operator(x.cuda(), 16, amax.cuda(), 4, 2, 8, 4).cpu()


def _reciprocal_of_gpu(x):
    import triton
    import triton.language as tl

    @triton.jit
    def kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):  # noqa: N803
        i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(y_ptr + i, 1.0 / tl.load(x_ptr + i, mask=i < n, other=1.0), mask=i < n)

    on_gpu = x.contiguous().cuda()
    result = torch.empty_like(on_gpu)
    kernel[(triton.cdiv(x.numel(), 1024),)](on_gpu, result, x.numel(), BLOCK=1024)
    return result.cpu()


def _different(cpu, gpu):
    return ~((cpu == gpu) | (cpu.isnan() & gpu.isnan()))


def _near_a_border(x, amax):
    """Whether a value or its block's scale lies within 2 units in the last place of a rounding border."""
    blocks = cpu_kernels._blocks(x, 16).double().abs()
    global_scale = amax.double() / 2688
    exact = blocks.amax(-1, keepdim=True) / (6 * global_scale)
    low, high = ((exact * factor).float().to(torch.float8_e4m3fn).double() for factor in (1 - 1e-6, 1 + 1e-6))
    ratio = blocks / (high * global_scale)
    on_border = sum((ratio / border - 1).abs() < 1e-6 for border in E2M1_BORDERS) > 0
    near = on_border | (low != high)
    return near.view(near.shape[0], -1)[:, : x.shape[-1]].reshape(x.shape)


def _check(x, label, record_property, monkeypatch, amax=None):
    gpu = _on_gpu(x, amax)
    if amax is None:
        count = int(_different(cpu_kernels.fake_quantize_mxfp8(x), gpu).sum())
        _report(record_property, f"mxfp8 {label}", x.numel(), different=count)
        assert count == 0
        return
    different = _different(cpu_kernels.fake_quantize_nvfp4(x, amax), gpu)
    away = int((different & ~_near_a_border(x, amax)).sum())
    with monkeypatch.context() as patch:
        patch.setattr(cpu_kernels, "_reciprocal", _reciprocal_of_gpu)
        same_reciprocal = int(_different(cpu_kernels.fake_quantize_nvfp4(x, amax), gpu).sum())
    counts = {
        "different": int(different.sum()),
        "away_from_a_border": away,
        "different_with_the_reciprocal_of_the_gpu": same_reciprocal,
    }
    _report(record_property, f"nvfp4 {label}", x.numel(), **counts)
    assert same_reciprocal == 0
    assert away == 0


def _report(record_property, label, values, **counts):
    for name, count in counts.items():
        record_property(name, count)
    print(f"{label}: {values} values, {counts}")  # noqa: T201  (the numbers are the point of the run)


@pytest.fixture(autouse=True)
def _operators():
    cpu_kernels.register()


@pytest.mark.parametrize("quantized", ["nvfp4", "mxfp8"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_random_values(quantized, dtype, shape, distribution, record_property, monkeypatch):
    x = _values(distribution, shape, dtype)
    amax = x.float().abs().max() if quantized == "nvfp4" else None
    _check(x, f"{dtype} {shape} {distribution}", record_property, monkeypatch, amax)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("special", [False, True], ids=["finite", "with inf and nan"])
@pytest.mark.parametrize("amax", [None, 0.0, 1e-3, 6.0, 2688.0, 65504.0])
def test_every_16_bit_pattern(dtype, special, amax, record_property, monkeypatch):
    amax = None if amax is None else torch.tensor(amax)
    x = _all_16_bit_patterns(dtype, special)
    _check(x, f"{dtype} every pattern, amax {amax}", record_property, monkeypatch, amax)


@pytest.mark.parametrize("amax", [None, 2688.0])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_on_borders(dtype, amax, record_property, monkeypatch):
    amax = None if amax is None else torch.tensor(amax)
    _check(_borders(dtype), f"{dtype} borders, amax {amax}", record_property, monkeypatch, amax)
