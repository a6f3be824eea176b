"""The GPU's device on a scripted CUDA runtime: what is enqueued in which order, and what events then show.

tests/gpu has the same on a real GPU. Here GPU memory is memory of this process, and the GPU has a clock of
its own: a kernel takes its time once the stream gets to it, and every call takes the host some time.
"""

import ctypes
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

pytest.importorskip("cuda.bindings")

from cuda.bindings import runtime as real_cudart

from trtbench.errors import Code, MeasureError
from trtbench.measure import cuda
from trtbench.measure.cuda_device import CudaDevice
from trtbench.measure.loop import Load, prepare
from trtbench.results import TensorRecord
from trtbench.runtimes import Tensor
from trtbench.specs import BenchSpec

SUCCESS = real_cudart.cudaError_t.cudaSuccess
CALL_MS = 0.01
QUERY_MS = 1.5
COPY_MS = 0.25
FREE_BYTES = 10**12
BENCH = BenchSpec(warmup_ms=20, warmup_iterations=2, block_ms=60)


class ScriptedCudart:
    """One stream of one GPU; ``log`` names what the stream was given while ``logging``."""

    def __init__(self):
        self.host_ms = self.gpu_ms = 0.0
        self.memory, self.captured, self.log = {}, None, []
        self.destroyed = []

    def __getattr__(self, name):
        return getattr(real_cudart, name)

    def enqueue(self, name, work, duration_ms):
        if self.captured is not None:
            self.captured.append((name, work, duration_ms))
            return (SUCCESS,)
        self.log.append(name)
        self.host_ms += CALL_MS
        self.gpu_ms = max(self.gpu_ms, self.host_ms) + duration_ms
        work()
        return (SUCCESS,)

    def cudaStreamCreateWithFlags(self, flags):  # noqa: N802
        return SUCCESS, 77

    def cudaStreamSynchronize(self, stream):  # noqa: N802
        self.host_ms = max(self.host_ms, self.gpu_ms)
        return (SUCCESS,)

    def cudaDeviceSynchronize(self):  # noqa: N802
        return (SUCCESS,)

    def cudaGetDevice(self):  # noqa: N802
        return SUCCESS, 0

    def cudaDeviceGetAttribute(self, attribute, device):  # noqa: N802
        return SUCCESS, 4096

    def cudaMemGetInfo(self):  # noqa: N802
        return SUCCESS, FREE_BYTES - sum(len(memory) for memory in self.memory.values()), FREE_BYTES

    def cudaMalloc(self, nbytes):  # noqa: N802
        if nbytes > FREE_BYTES:
            return real_cudart.cudaError_t.cudaErrorMemoryAllocation, None
        memory = (ctypes.c_uint8 * nbytes)()
        self.memory[ctypes.addressof(memory)] = memory
        return SUCCESS, ctypes.addressof(memory)

    cudaMallocHost = cudaMalloc  # noqa: N815

    def cudaFree(self, pointer):  # noqa: N802
        del self.memory[pointer]
        return (SUCCESS,)

    cudaFreeHost = cudaFree  # noqa: N815

    def cudaMemcpyAsync(self, target, source, nbytes, kind, stream):  # noqa: N802
        return self.enqueue("copy", lambda: ctypes.memmove(target, source, nbytes), COPY_MS)

    def cudaMemsetAsync(self, pointer, byte, nbytes, stream):  # noqa: N802
        return self.enqueue("memset", lambda: ctypes.memset(pointer, byte, nbytes), 0.1)

    def cudaEventCreate(self):  # noqa: N802
        return SUCCESS, {}

    def cudaEventRecord(self, event, stream):  # noqa: N802
        self.enqueue("event", lambda: event.update(ms=self.gpu_ms), 0.0)
        return (SUCCESS,)

    def cudaEventElapsedTime(self, start, stop):  # noqa: N802
        return SUCCESS, stop["ms"] - start["ms"]

    def cudaStreamBeginCapture(self, stream, mode):  # noqa: N802
        self.captured = []
        return (SUCCESS,)

    def cudaStreamEndCapture(self, stream):  # noqa: N802
        graph, self.captured = self.captured, None
        return SUCCESS, graph

    def cudaGraphGetNodes(self, graph, count=0):  # noqa: N802
        return SUCCESS, graph[:count], len(graph)

    def cudaGraphNodeGetType(self, node):  # noqa: N802
        kinds = real_cudart.cudaGraphNodeType
        return SUCCESS, kinds.cudaGraphNodeTypeKernel if node[
            0
        ] == "kernel" else kinds.cudaGraphNodeTypeMemset

    def cudaGraphInstantiate(self, graph, flags):  # noqa: N802
        return SUCCESS, graph

    def cudaGraphLaunch(self, graph, stream):  # noqa: N802
        self.log.append("launch")
        for node in graph:
            self.enqueue(*node)
        return (SUCCESS,)

    def _destroy(self, what):
        self.destroyed.append(what)
        return (SUCCESS,)

    cudaGraphDestroy = cudaGraphExecDestroy = cudaEventDestroy = cudaStreamDestroy = _destroy  # noqa: N815


class Tripling:
    """A runtime of one kernel."""

    device, version, notes = "cuda", "1", ()
    inputs = (TensorRecord(name="x", dtype="float16", shape=(2, 3, 8, 8)),)
    outputs = (TensorRecord(name="y", dtype="float16", shape=(2, 3, 8, 8)),)

    def __init__(self, cudart, graph="capture", raises=False):
        self.cudart, self.graph, self.raises = cudart, graph, raises
        self.bound = set()

    def bind(self, tensors):
        self.bound.add((tensors["x"].pointer, tensors["y"].pointer))
        self.x, self.y = (
            np.ctypeslib.as_array((ctypes.c_uint8 * tensors[name].nbytes).from_address(tensors[name].pointer))
            for name in "xy"
        )

    def enqueue(self, stream):
        assert stream == 77
        if self.raises and self.cudart.captured is not None:
            raise RuntimeError("operation not\npermitted")
        x, y = self.x.view(np.float16), self.y.view(np.float16)
        self.cudart.enqueue("kernel", lambda: np.multiply(x, 3, out=y), QUERY_MS)

    def empty(self):
        return None

    @contextmanager
    def capturing(self):
        yield


@pytest.fixture
def cudart(monkeypatch):
    scripted = ScriptedCudart()
    monkeypatch.setattr(cuda, "_cudart", scripted)
    monkeypatch.setattr(CudaDevice, "now_ms", lambda device: scripted.host_ms)
    return scripted


@contextmanager
def _prepared(cudart, runtime=None, **bench):
    with CudaDevice() as device:
        runtime = runtime or Tripling(cudart)
        yield prepare(device, runtime, BENCH.model_copy(update=bench), Load(0.0, device.free_bytes()))


@pytest.mark.parametrize("cuda_graph", [True, False])
def test_no_query_waits_for_the_host(cudart, cuda_graph):
    with _prepared(cudart, cuda_graph=cuda_graph) as arm:
        samples = arm.block()
    assert arm.facts.cuda_graph == ("captured" if cuda_graph else "none")
    assert arm.facts.graph_kernels == (1 if cuda_graph else None)
    assert samples["gpu_compute_ms"] == pytest.approx([QUERY_MS] * len(samples["gpu_compute_ms"]))
    assert samples["h2d_ms"] == samples["d2h_ms"] == pytest.approx([COPY_MS] * len(samples["h2d_ms"]))
    assert len(samples["enqueue_ms"]) == len(samples["host_wall_ms"]) >= 1
    assert arm.facts.l2_bytes == 4096
    assert arm.facts.device_memory_bytes == 2 * 2 * 2 * 3 * 8 * 8


def test_a_chunk_is_one_untimed_query_and_then_timed_ones(cudart):
    with _prepared(cudart) as arm:
        cudart.log.clear()
        arm.block()
    lead_in = ["launch", "kernel"]
    timed = ["event", "launch", "kernel", "event"]
    assert cudart.log[: len(lead_in + timed)] == lead_in + timed


def test_the_cache_is_flushed_outside_of_the_timed_part(cudart):
    with _prepared(cudart, l2="flushed") as arm:
        cudart.log.clear()
        samples = arm.block()
    untimed = ["memset", "launch", "kernel"]
    timed = ["memset", "event", "launch", "kernel", "event"]
    assert cudart.log[: len(untimed + timed)] == untimed + timed
    assert samples["gpu_compute_ms"] == pytest.approx([QUERY_MS] * len(samples["gpu_compute_ms"]))


@pytest.mark.parametrize("graph", ["capture", "own", "none"])
def test_rotated_sets_each_compute_their_own_outputs(cudart, graph):
    runtime = Tripling(cudart, graph)
    with _prepared(cudart, runtime, l2="rotated") as arm:
        arm.block()
        arrays = [tuple(np.frombuffer(cudart.memory[p], np.float16) for p in pair) for pair in runtime.bound]
    # 8192 bytes in sets of an input and an output of 768 bytes each.
    assert len(arrays) == 6
    assert len({x.tobytes() for x, _ in arrays}) == 6
    assert all(np.array_equal(y, 3 * x) for x, y in arrays)


def test_a_graph_of_the_runtimes_own_takes_turns_outside_of_the_timed_part(cudart):
    with _prepared(cudart, Tripling(cudart, "own"), l2="rotated") as arm:
        cudart.log.clear()
        samples = arm.block()
    assert (arm.facts.cuda_graph, arm.facts.graph_kernels) == ("runtime", None)
    assert cudart.log[:4] == ["kernel", "event", "kernel", "event"]
    assert samples["gpu_compute_ms"] == pytest.approx([QUERY_MS] * len(samples["gpu_compute_ms"]))


class ScriptedOnnxruntime:
    """Its CUDA graphs: the first run of a ``gpu_graph_id`` captures its binding, others replay it."""

    __version__ = "1.31.1"

    def __init__(self, cudart, ids_work=True):
        self.cudart, self.ids_work, self.graphs = cudart, ids_work, {}

    class RunOptions(dict):
        add_run_config_entry = dict.__setitem__

    class Binding(dict):
        def bind_input(self, name, device, device_id, element_type, shape, pointer):
            assert (device, device_id) == ("cuda", 0)
            self[name] = pointer

        bind_output = bind_input

    io_binding = Binding

    def run_with_iobinding(self, binding, options):
        assert options["disable_synchronize_execution_providers"] == "1"
        graph_id = options["gpu_graph_id"] if self.ids_work else "0"
        captured = self.graphs.setdefault(graph_id, dict(binding))
        x, y = (np.frombuffer(self.cudart.memory[captured[name]], np.float16) for name in "xy")
        self.cudart.enqueue("kernel", lambda: np.multiply(x, 3, out=y), QUERY_MS)


def _onnxruntime(scripted, device="cuda"):
    from trtbench.runtimes.onnxruntime import OnnxModel, OnnxRuntime, Session

    model = OnnxModel(Path("x.onnx"), Tripling.inputs, Tripling.outputs, {"x": 10, "y": 10})
    return OnnxRuntime(
        Session(scripted, scripted, device, ()), model, 77, "own" if device == "cuda" else "none"
    )


def test_run_options_are_for_cuda_alone():
    """On a CPU they have no effect but their time, 20 to 40 us a query."""

    class Session(MagicMock):
        __version__ = "1.31.1"

    session = Session()
    runtime = _onnxruntime(session, "cpu")
    records = (*Tripling.inputs, *Tripling.outputs)
    runtime.bind({record.name: Tensor(record, 64, 768) for record in records})
    runtime.enqueue(77)
    session.run_with_iobinding.assert_called_once_with(session.io_binding.return_value)
    session.RunOptions.assert_not_called()


def test_onnxruntime_has_a_graph_for_each_set_that_takes_turns(cudart):
    scripted = ScriptedOnnxruntime(cudart)
    with _prepared(cudart, _onnxruntime(scripted), l2="rotated") as arm:
        for _ in range(3):
            arm.block()
        arrays = [
            [np.frombuffer(cudart.memory[g[name]], np.float16) for name in "xy"]
            for g in scripted.graphs.values()
        ]
        assert all(np.array_equal(y, 3 * x) for x, y in arrays)
    assert arm.facts.cuda_graph == "runtime"
    # Id 0 is onnxruntime's own; 8192 bytes in sets of an input and an output of 768 bytes each.
    assert sorted(scripted.graphs, key=int) == ["1", "2", "3", "4", "5", "6"]
    assert len({(graph["x"], graph["y"]) for graph in scripted.graphs.values()}) == 6


def test_an_onnxruntime_without_graph_ids_is_refused(cudart):
    runtime = _onnxruntime(ScriptedOnnxruntime(cudart, ids_work=False))
    text = "^output y: the runtime's own CUDA graph left 384 of 384 values unwritten"
    with pytest.raises(MeasureError, match=text) as caught, _prepared(cudart, runtime, l2="rotated"):
        pass
    assert caught.value.code == Code.GRAPH_EMPTY


def test_a_runtimes_graph_that_stays_with_its_first_memory_cannot_rotate(cudart):
    class FirstMemory(Tripling):
        def bind(self, tensors):
            if not self.bound:
                super().bind(tensors)

    text = "^output y: the runtime's own CUDA graph left 384 of 384 values unwritten"
    runtime = FirstMemory(cudart, "own")
    with pytest.raises(MeasureError, match=text) as caught, _prepared(cudart, runtime, l2="rotated"):
        pass
    assert caught.value.code == Code.GRAPH_EMPTY


@pytest.mark.parametrize("graph", ["capture", "own", "none"])
def test_zeros_are_in_every_set_while_they_are_timed_and_images_after(cudart, graph):
    runtime = Tripling(cudart, graph)
    with _prepared(cudart, runtime, l2="rotated") as arm:
        arm.block()

        def inputs():
            return [np.frombuffer(cudart.memory[x], np.float16).copy() for x, _ in sorted(runtime.bound)]

        images = inputs()
        arm.fill_constants()
        cudart.log.clear()
        samples = arm.constant_block()
        assert not np.any(inputs())
        assert "copy" not in cudart.log
        arm.restore_inputs()
        np.testing.assert_array_equal(inputs(), images)
        after = arm.block()
        np.testing.assert_array_equal(inputs(), images)
    assert set(samples) == {"gpu_compute_ms"}
    assert set(after) == {"gpu_compute_ms", "enqueue_ms", "host_wall_ms", "h2d_ms", "d2h_ms"}


def test_everything_is_given_back(cudart):
    with _prepared(cudart, l2="flushed") as arm:
        arm.block()
        assert cudart.memory
    assert cudart.memory == {}
    assert 77 in cudart.destroyed


def test_a_runtime_error_during_capture_is_reported(cudart):
    text = r"^operation not permitted: measure without graphs \(--no-graph\)$"
    runtime = Tripling(cudart, raises=True)
    with pytest.raises(MeasureError, match=text) as caught, _prepared(cudart, runtime):
        pass
    assert caught.value.code == Code.GRAPH_CAPTURE_FAILED
    assert cudart.captured is None


def test_out_of_memory_is_reported_with_the_requested_size(cudart):
    text = r"^out of GPU memory: .* \(cudaErrorMemoryAllocation in cudaMalloc of 5\.00 TB\)$"
    with CudaDevice() as device, pytest.raises(MeasureError, match=text) as caught:
        device.allocate(5 * 10**12)
    assert caught.value.code == Code.GPU_OUT_OF_MEMORY
