"""The contract of runtimes on a GPU, and what holds of torch's and onnxruntime's alone.

One call proves all of it: ``pytest -n 0 -m gpu tests/gpu/test_runtimes.py -s``. It needs torch, timm, onnx
and cuda-bindings; without onnxruntime-gpu its part is skipped. What torch compiles takes a minute or two.
"""

import time
from functools import cache, partial
from statistics import median

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("timm")
pytest.importorskip("cuda.bindings")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no CUDA device"),
    # Compilers and CUDA libraries warn of what is none of our business.
    pytest.mark.filterwarnings("default"),
]

from support import runtime_contract as contract  # noqa: E402
from support.in_process import InProcessArm  # noqa: E402
from support.runtime_contract import Case, loaded  # noqa: E402

from trtbench.errors import MeasureError, TrtbenchError  # noqa: E402
from trtbench.export.model import build_model  # noqa: E402
from trtbench.measure.device import open_device  # noqa: E402
from trtbench.measure.process import ArmProcess  # noqa: E402
from trtbench.runtimes import open_runtime, runtime_entry  # noqa: E402
from trtbench.specs import BenchSpec, ModelSpec  # noqa: E402
from trtbench.units import format_bytes  # noqa: E402

WHOLE = ModelSpec(name="vit_tiny_patch16_224")
BENCH = BenchSpec(warmup_ms=200, warmup_iterations=3, block_ms=100)
LEAST_COSINE = {"fp32": 0.999999, "fp16": 0.999, "bf16": 0.99, "fp8": 0.98, "fp16+sparse": 0.999}
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}  # float16 for all others
CASES = [
    "torch fp32",
    "torch fp16",
    "torch bf16",
    "torch fp8",
    "torch fp16+sparse",
    "torch-eager fp16",
    "torch-compile fp16",
    "torch-compile fp8",
    "torch-compile fp16+sparse",
    "onnxruntime fp32",
    "onnxruntime fp16",
    "onnxruntime fp32 graph",
    "onnxruntime fp16 graph",
]


def _needs_onnxruntime():
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA")


def _pruned_reference():
    from trtbench.runtimes.torch_model import prune

    model = build_model(contract.MODEL).requires_grad_(False)
    prune(model)

    def compute(values):
        with torch.inference_mode():
            return model(torch.from_numpy(values)).numpy()

    return compute


@cache
def _reference(recipe):
    return _pruned_reference() if "sparse" in recipe else contract.torch_reference()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def _arm(runtime, recipe, folder, model=contract.MODEL, batch=contract.BATCH):
    if runtime != "onnxruntime":
        return contract.model_arm(recipe, runtime, model, batch)
    path = folder / f"{model.name}-{recipe}-{batch}.onnx"
    if not path.exists():
        contract.export_onnx(path, recipe, model, batch)
    return contract.file_arm(path, recipe, runtime, model, batch)


@pytest.fixture(scope="module", params=CASES)
def opened(request, folder):
    runtime, recipe, *graph = request.param.split()
    if runtime == "onnxruntime":
        _needs_onnxruntime()
    arm = _arm(runtime, recipe, folder)
    with loaded(arm, cuda_graph=bool(graph)) as one:
        print(f"\n{request.param}: {one.runtime.version}, {one.runtime.notes}")  # noqa: T201
        yield one, Case(arm, _reference(recipe), LEAST_COSINE[recipe])


def test_records(opened):
    one, case = opened
    contract.check_records(one, DTYPES.get(str(case.arm.recipe), "float16"))
    assert one.runtime.device == "cuda"


def test_outputs_follow_inputs(opened):
    one, case = opened
    contract.check_outputs_follow_inputs(one, case)


def test_binding_to_other_memory(opened):
    one, _ = opened
    contract.check_binding_to_other_memory(one)


def test_an_empty_query(opened):
    one, _ = opened
    contract.check_empty_query(one, cuda_graph=one.runtime.graph != "none")


def test_capture(opened):
    one, case = opened
    if one.runtime.graph != "capture":
        assert (case.arm.runtime, one.runtime.graph) in {
            ("torch-eager", "none"),
            ("onnxruntime", "none"),
            ("onnxruntime", "own"),
        }
        pytest.skip("no graph of ours")
    assert runtime_entry(case.arm.runtime).may_have_graph
    contract.check_capture(one)


def test_fp32_is_not_tf32(opened):
    one, case = opened
    if str(case.arm.recipe) != "fp32":
        pytest.skip("about fp32")
    tensors = one.allocate()
    one.runtime.bind(tensors)
    values = contract.images(one.runtime.inputs[0], 1)
    expected = case.expected(values)
    error = np.abs(one.query(tensors, values) - expected).max() / expected.std()
    print(f"largest error: {error:.2e} of the standard deviation")  # noqa: T201
    assert error < 1e-4  # TF32 keeps 11 bits: 5e-4 in each product


@pytest.mark.parametrize("runtime", ["torch", "torch-compile"])
def test_a_captured_query_outlives_torchs_cache(runtime, folder):
    with loaded(_arm(runtime, "fp16", folder)) as one:
        tensors = one.allocate()
        one.runtime.bind(tensors)
        values = contract.images(one.runtime.inputs[0], 1)
        plain = one.query(tensors, values)
        graph = one.device.capture(one.runtime)
        torch.cuda.empty_cache()
        taken = torch.full((1 << 26,), -1, dtype=torch.int32, device="cuda")
        for _ in range(3):
            np.testing.assert_allclose(one.query(tensors, values, graph.launch), plain, rtol=1e-3, atol=1e-4)
        assert bool((taken == -1).all())


def test_sparse_layers_are_sparse_and_fp8_layers_are_fp8():
    from trtbench.runtimes.torch_model import Fp8Linear, load_model

    device = torch.device("cuda")
    sparse = load_model(contract.model_arm("fp16+sparse", "torch").export, device)
    linear = [layer for layer in sparse.module.modules() if isinstance(layer, torch.nn.Linear)]
    kinds = [type(layer.weight).__name__ for layer in linear]
    assert kinds.count("SparseSemiStructuredTensorCUSPARSELT") == 8
    assert sparse.notes == ("head: dense: torch's sparse kernels take multiples of 16",)
    fp8 = load_model(contract.model_arm("fp8", "torch").export, device)
    assert sum(isinstance(layer, Fp8Linear) for layer in fp8.module.modules()) == 8
    x = torch.randn((2, 17, 192), dtype=torch.float16, device="cuda")
    with torch.inference_mode():
        output = sparse.module.get_submodule("blocks.0.attn.qkv")(x)
    assert output.is_contiguous()  # or attention falls back to a kernel of many passes


def _times_ms(one, queries):
    """What the host spends on a query, and what a query takes, with many queued."""
    tensors = one.allocate()
    one.runtime.bind(tensors)
    one.query(tensors, contract.images(one.runtime.inputs[0], 1))
    for _ in range(10):
        one.runtime.enqueue(one.device.stream)
    one.device.finish()
    started_s = time.perf_counter()
    for _ in range(queries):
        one.runtime.enqueue(one.device.stream)
    enqueued_s = time.perf_counter()
    one.device.finish()
    ended_s = time.perf_counter()
    return 1e3 * (enqueued_s - started_s) / queries, 1e3 * (ended_s - started_s) / queries


def test_onnxruntime_does_not_wait_for_its_own_graph(folder, record_property):
    _needs_onnxruntime()
    with loaded(_arm("onnxruntime", "fp16", folder, WHOLE, 64), cuda_graph=True) as one:
        assert one.runtime.graph == "own"
        host_ms, query_ms = _times_ms(one, 20)
    record_property("host_ms", host_ms)
    record_property("query_ms", query_ms)
    print(f"onnxruntime, own graph: {host_ms:.4f} ms to enqueue, {query_ms:.4f} ms a query")  # noqa: T201
    assert host_ms < 0.5 * query_ms


def test_onnxruntime_replays_a_graph_of_each_set_in_turns(folder, record_property):
    """As ``l2 rotated`` does: outputs follow the inputs of their own set, and turns cost no new capture."""
    _needs_onnxruntime()
    arm = _arm("onnxruntime", "fp16", folder, WHOLE, 8)
    host_ms = {}
    for cuda_graph in (False, True):
        with loaded(arm, cuda_graph=cuda_graph) as one:
            sets = [one.allocate() for _ in range(5)]
            values = [contract.images(one.runtime.inputs[0], seed) for seed in range(len(sets))]
            first = []
            for tensors, images in zip(sets, values, strict=True):
                one.runtime.bind(tensors)
                first.append(one.query(tensors, images))
            for turn in range(1, 4):
                for index, tensors in enumerate(sets):
                    which = (index + turn) % len(sets)
                    one.runtime.bind(tensors)
                    output = one.query(tensors, values[which])
                    np.testing.assert_allclose(output, first[which], rtol=1e-2, atol=1e-2)
            host_ms[cuda_graph] = _turns_ms(one, sets, 20)
            waits = any("waits for each replay" in note for note in one.runtime.notes)
    record_property("host_ms", host_ms)
    print(f"onnxruntime in turns, ms a query on the host: {host_ms}")  # noqa: T201
    assert waits or host_ms[True] < 0.5 * host_ms[False]


def _turns_ms(one, sets, turns):
    """What the host spends to bind and enqueue a query, each with an idle GPU, in the median."""
    times_s = []
    for _ in range(turns):
        for tensors in sets:
            started_s = time.perf_counter()
            one.runtime.bind(tensors)
            one.runtime.enqueue(one.device.stream)
            times_s.append(time.perf_counter() - started_s)
            one.device.finish()
    return 1e3 * median(times_s)


def test_onnxruntime_runs_nothing_on_the_cpu(tmp_path):
    _needs_onnxruntime()
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", (2, 3, 3)), ("y", (2,)))
    ]
    nodes = [onnx.helper.make_node("Det", ["x"], ["y"], name="/Det")]
    graph = onnx.helper.make_graph(nodes, "graph", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "det.onnx")
    arm = contract.file_arm(tmp_path / "det.onnx", "fp32", "onnxruntime").model_copy(update={"export": None})
    words = r"det\.onnx: onnxruntime [^ ]* cannot run it on CUDA: "
    with open_device(arm, 0) as device, pytest.raises(MeasureError, match=words) as failure:
        open_runtime(arm, device.stream, False)
    print(failure.value)  # noqa: T201
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("runtime", "recipe"),
    [("torch", "nvfp4"), ("torch-compile", "mxfp8"), ("torch-eager", "int8"), ("torch", "fp8+sparse")],
)
def test_what_torch_cannot_run_is_one_line(runtime, recipe):
    with pytest.raises(MeasureError, match=r"^[^\n]*in torch[^\n]*: torch has [^\n]*tensorrt[^\n]*$"):
        open_runtime(contract.model_arm(recipe, runtime), 0, True)


def test_too_little_memory_is_one_line():
    with loaded(contract.model_arm("fp16", "torch-eager")) as one:
        huge = contract.model_arm("fp32", "torch-eager", batch=10_000_000)
        with pytest.raises(TrtbenchError, match="out of memory") as failure:
            open_runtime(huge, one.device.stream, False)
    assert "\n" not in str(failure.value)


# One mode where another row has the same memory and the same kind of graph. Sparse layers have none: at this
# size, cuSPARSELt does not return from its first product (docs/results/h200.md).
BLOCKS = [
    (word, use, l2)
    for word, use, modes in (
        ("torch-eager fp16", "none", "warm flushed rotated"),
        ("torch fp16", "captured", "warm flushed rotated"),
        ("torch fp8", "captured", "rotated"),
        ("torch-compile fp16", "captured", "rotated"),
        ("onnxruntime fp16", "runtime", "warm flushed rotated"),
    )
    for l2 in modes.split()
]


@pytest.mark.parametrize(("word", "use", "l2"), BLOCKS)
def test_a_block(word, use, l2, folder, tmp_path, record_property):
    bench = BENCH.model_copy(update={"l2": l2})
    # The compiler has state of its own in a process.
    make = partial(ArmProcess, prepare_timeout_s=180) if "compile" in word else InProcessArm
    _check_block(word, make(_whole(word, folder), bench, tmp_path / "log"), use, record_property)


def test_a_block_in_a_worker(folder, tmp_path, record_property):
    word = "torch fp16"
    _check_block(word, ArmProcess(_whole(word, folder), BENCH, tmp_path / "log"), "captured", record_property)


def _whole(word, folder):
    runtime, recipe = word.split()
    if runtime == "onnxruntime":
        _needs_onnxruntime()
    return _arm(runtime, recipe, folder, WHOLE, 8)


def _check_block(word, process, use, record_property):
    with process:
        facts = process.prepare()
        samples = process.block()
    medians = {series: median(times_ms) for series, times_ms in samples.items()}
    numbers = {**medians, "load_s": facts.load_s}
    for name, value in numbers.items():
        record_property(name, value)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
    memory = "unknown" if facts.device_memory_bytes is None else format_bytes(facts.device_memory_bytes)
    print(f"{word}: {shown}, memory {memory}, kernels in the graph: {facts.graph_kernels}")  # noqa: T201
    assert facts.cuda_graph == use
    assert 0.05 < medians["gpu_compute_ms"] < 100
