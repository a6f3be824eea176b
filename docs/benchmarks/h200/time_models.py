"""Time whole Vision Transformers in torch's CUDA graphs, and list the kernels that they run.

    python docs/benchmarks/h200/time_models.py models.json

Needs one NVIDIA GPU, torch 2.11 or later and timm. Random weights, FP16. Of each model and batch it writes

    us, clock_mhz     median time of a graph in a short burst, and the SM clock during it
    operations        what torch computed, in order: tensors, number of kernels, and their time in the graph

``docs/benchmarks/check_h200.py`` predicts these times from the operations alone.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pynvml
import timm
import torch
from arguments import check_gpu, parser
from time_kernels import replay_us
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils._python_dispatch import TorchDispatchMode

MODELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vit_tiny_patch16_224", {}),
    ("vit_small_patch16_224", {}),
    ("vit_base_patch16_224", {}),
    ("vit_base_patch32_224", {}),
    ("vit_base_patch16_384", {}),
    ("vit_large_patch16_224", {}),
    ("vit_huge_patch14_224", {}),
    ("deit3_medium_patch16_224", {}),
    ("vit_base_patch16_224", {"depth": 6, "embed_dim": 512, "num_heads": 8}),
    ("vit_base_patch16_224", {"depth": 4, "embed_dim": 1536, "num_heads": 24}),
    ("vit_small_patch14_dinov2", {}),
)
BATCHES = (1, 8, 64)
PROFILED = 5
BURST_MS = 30.0
PAUSE_S = 0.3


class Memories:
    """Numbers the memory that tensors lie in."""

    def __init__(self, weights: set[int]) -> None:
        self._weights = weights
        self._numbers: dict[int, int] = {}

    def describe(self, tensors: list[Any]) -> list[list[Any]]:
        """Of each tensor on the GPU: memory, shape, element type, and whether it is a weight."""
        found = []
        for tensor in tensors:
            if torch.is_tensor(tensor) and tensor.is_cuda and tensor.numel():
                pointer = tensor.untyped_storage().data_ptr()
                number = self._numbers.setdefault(pointer, len(self._numbers))
                kind = str(tensor.dtype).removeprefix("torch.")
                found.append([number, list(tensor.shape), kind, pointer in self._weights])
        return found


def weights_of(model: Any) -> set[int]:
    """Addresses of all weights."""
    return {each.untyped_storage().data_ptr() for each in (*model.parameters(), *model.buffers())}


class Recorder(TorchDispatchMode):
    """Keeps each operation; ranges of the profiler bear its number."""

    def __init__(self, memories: Memories) -> None:
        super().__init__()
        self.operations: list[dict[str, Any]] = []
        self._memories = memories

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        with record_function(f"operation {len(self.operations)}"):
            result = function(*args, **(kwargs or {}))
        self.operations.append(
            {
                "op": function.overloadpacket.__name__,
                "inputs": self._memories.describe(flat((args, kwargs))),
                "outputs": self._memories.describe(flat(result)),
                "kernels": 0,
                "us": 0.0,
            }
        )
        return result


def flat(value: Any) -> list[Any]:
    """All that is inside of tuples, lists and mappings."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, (tuple, list)):
        return [value]
    return [each for part in value for each in flat(part)]


def kernels_of(trace: dict[str, Any], launches: bool) -> list[tuple[str, float, int | None]]:
    """Kernels, copies and memsets in order: name, us, and the number of the operation that launched it."""
    events = [event for event in trace["traceEvents"] if event.get("ph") == "X"]
    device = [event for event in events if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    device.sort(key=lambda event: event["ts"])
    if not launches:
        return [(event["name"], event["dur"], None) for event in device]
    calls = {
        event["args"]["correlation"]: event["ts"]
        for event in events
        if event.get("cat") in ("cuda_runtime", "cuda_driver") and "correlation" in event.get("args", {})
    }
    ranges = [
        (event["ts"], event["ts"] + event["dur"], int(event["name"].split()[1]))
        for event in events
        if event.get("cat") == "user_annotation" and event["name"].startswith("operation ")
    ]
    found = []
    for event in device:
        at = calls[event["args"]["correlation"]]
        number = next((number for start, end, number in ranges if start <= at <= end), None)
        found.append((event["name"], event["dur"], number))
    return found


def traced(profiled: Any) -> dict[str, Any]:
    """The profiler's events as its trace file has them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(path))
        return dict(json.loads(path.read_text(encoding="utf-8")))


def time_model(name: str, overrides: dict[str, Any], batch: int, gpu: Any) -> dict[str, Any]:
    """One model at one batch."""
    torch.manual_seed(0)
    model, images = model_and_images(name, overrides, batch)
    with torch.inference_mode():
        warm_up(model, images)
        recorder = Recorder(Memories(weights_of(model)))
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled, recorder:
            model(images)
            torch.cuda.synchronize()
        eager = kernels_of(traced(profiled), launches=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            model(images)
        us, clock = burst(graph, gpu)
        durations = profiled_us(graph, [kernel for kernel, _, _ in eager])
    operations = recorder.operations
    for (_, _, number), duration in zip(eager, durations, strict=True):
        if number is not None:
            operations[number]["kernels"] += 1
            operations[number]["us"] = round(operations[number]["us"] + duration, 3)
    return {
        "model": name, "overrides": overrides, "batch": batch, "img_size": images.shape[-1], "us": us,
        "clock_mhz": clock, "operations": [each for each in operations if each["kernels"]],
    }  # fmt: skip


def model_and_images(name: str, overrides: dict[str, Any], batch: int) -> tuple[Any, torch.Tensor]:
    """Random weights and images in FP16."""
    model = timm.create_model(name, **overrides).half().cuda().eval()
    size = model.patch_embed.img_size[0]
    return model, torch.randn(batch, 3, size, size, device="cuda", dtype=torch.float16)


def warm_up(model: Any, images: torch.Tensor) -> None:
    """Let libraries choose their kernels."""
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(3):
            model(images)
    torch.cuda.synchronize()


def burst(graph: torch.cuda.CUDAGraph, gpu: Any) -> tuple[float, int]:
    """Median us of back-to-back replays after a rest, and the SM clock while they ran."""
    guess = statistics.median(replay_us(graph, 3))
    count = max(8, int(1e3 * BURST_MS / guess))
    rounds = []
    for _ in range(3):
        time.sleep(PAUSE_S)
        for _ in range(max(2, count // 4)):
            graph.replay()
        clock = pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM)
        rounds.append((statistics.median(replay_us(graph, count)), clock))
    return sorted(rounds)[1]


def profiled_us(graph: torch.cuda.CUDAGraph, names: list[str]) -> list[float]:
    """Median duration of each kernel in the graph.

    Raises:
        RuntimeError: the graph runs other kernels than eager code.
    """
    runs = []
    for _ in range(PROFILED):
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CUDA]) as profiled:
            for _ in range(3):
                graph.replay()
            torch.cuda.synchronize()
        found = kernels_of(traced(profiled), launches=False)
        last = found[-len(names) :]
        if [name for name, _, _ in last] != names:
            raise RuntimeError(f"the graph does not run the {len(names)} kernels of eager code")
        runs.append([duration for _, duration, _ in last])
    return [round(statistics.median(each), 3) for each in zip(*runs, strict=True)]


def write_models(
    path: Path,
    models: Iterable[tuple[str, dict[str, Any]]],
    time_one: Callable[[str, dict[str, Any], int, Any], dict[str, Any]],
) -> None:
    """Write all models at all batches; each is kept as soon as it is timed."""
    pynvml.nvmlInit()
    gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
    machine = {
        "gpu": torch.cuda.get_device_name(), "driver": pynvml.nvmlSystemGetDriverVersion(),
        "torch": torch.__version__, "timm": timm.__version__, "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    results = []
    for name, overrides in models:
        for batch in BATCHES:
            results.append(time_one(name, overrides, batch, gpu))
            print(name, overrides, batch, round(results[-1]["us"]), flush=True)
            text = ",\n".join(json.dumps(each, separators=(",", ":")) for each in results)
            machine_text = json.dumps(machine)
            path.write_text(f'{{"machine":{machine_text},\n"models":[\n{text}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("file", type=Path)
    file = arguments.parse_args().file
    check_gpu()
    write_models(file, MODELS, time_model)
