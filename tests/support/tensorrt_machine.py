"""Makes this machine look like one with a Blackwell GPU and standard TensorRT, or trtexec, of any version."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from support.scripted_builder import Script, load_scripted
from support.trtexec_stand_in import write_trtexec

from trtbench.measure.messages import Samples
from trtbench.results import ArmFacts, TensorRecord
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.trtexec.tool import Trtexec

Run = Callable[..., tuple[int, str, str]]

TESTS = Path(__file__).parents[1]
TENSORRT_STAND_IN = """
import os
import sys
sys.path.insert(0, os.environ["TRTBENCH_FOLDER"])
from support.scripted_builder import Script, load_scripted
layers = open(os.environ["TRTBENCH_LAYERS"]).read()
script = Script(builds=os.environ["TRTBENCH_BUILDS"] == "1", layers=layers)
script.totals = script.totals if os.environ["TRTBENCH_TELLS_MEMORY"] == "1" else ()
api = load_scripted(os.environ["TRTBENCH_VERSION"], script)
sys.modules[__name__].__dict__.update(vars(api.module))
"""


class _NVMLError(Exception):
    pass


class _Nvml(ModuleType):
    """The module ``pynvml`` of a machine with GPUs; the driver has no answer to anything else.

    ``gpus``: name and compute capability of each.
    """

    NVMLError = _NVMLError
    NVMLError_NotSupported = _NVMLError
    gpus: Sequence[tuple[str, str]]

    @property
    def answers(self) -> dict[str, Callable[..., Any]]:
        return {
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlDeviceGetCount": lambda: len(self.gpus),
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetCudaComputeCapability": lambda gpu: tuple(map(int, self.gpus[gpu][1].split("."))),
            "nvmlDeviceGetName": lambda gpu: self.gpus[gpu][0],
            "nvmlDeviceGetUUID": lambda gpu: f"GPU-{gpu:04}",
            "nvmlSystemGetDriverVersion": lambda: "580.1",
        }

    def __getattr__(self, name: str) -> Any:
        if name.startswith("NVML_") and not name.startswith("NVML_FI_"):
            return 0
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def ask(*arguments: Any) -> Any:
            if name not in self.answers:
                raise _NVMLError("Not Supported")
            return self.answers[name](*arguments)

        return ask


def install_gpu(monkeypatch: pytest.MonkeyPatch, **gpus: str) -> None:
    """Have NVML report ``gpus`` (``NVIDIA_H200="9.0"``), or else of one ``RTX PRO 6000`` (sm120)."""
    module = _Nvml("pynvml")
    module.gpus = [(name.replace("_", " "), capability) for name, capability in gpus.items()]
    module.gpus = module.gpus or [("RTX PRO 6000", "12.0")]
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def install_tensorrt(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    version: str,
    builds: bool = True,
    tells_memory: bool = True,
) -> None:
    """Have ``import tensorrt`` give the double of ``tensorrt-10.14.1.48``, here and where it builds."""
    site = folder / "site"
    site.mkdir()
    (site / "tensorrt.py").write_text(TENSORRT_STAND_IN)
    generation = "10" if version.startswith("tensorrt-10.") else "11"
    for name, value in {
        "PYTHONPATH": str(site),
        "TRTBENCH_FOLDER": str(TESTS),
        "TRTBENCH_LAYERS": str(TESTS / "data" / "tensorrt" / f"inspector-{generation}.json"),
        "TRTBENCH_VERSION": version,
        "TRTBENCH_BUILDS": str(int(builds)),
        "TRTBENCH_TELLS_MEMORY": str(int(tells_memory)),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "tensorrt", load_scripted(version, Script()).module)


def install_trtexec(monkeypatch: pytest.MonkeyPatch, folder: Path, version: str, **behaviour: Any) -> Trtexec:
    """Put the stand-in of a version on PATH; ``behaviour`` as ``trtexec_stand_in`` takes it."""
    path = write_trtexec(folder / "trtexec", version, **behaviour)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Trtexec(path, version)


def write_model(path: Path, batch: int | str = 4) -> Path:
    """One Relu of half precision, 4 x 64, as the stand-ins build."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, (batch, 64)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), path)
    return path


def trtexec_of(version: str) -> str:
    """The version that trtexec has beside the package ``tensorrt-10.14.1.48.post1``."""
    return version.partition("-")[2].removesuffix(".post1")


def engine_of(trtbench: Run, *arguments: object) -> Path:
    code, _, err = trtbench("build", "m.onnx", *arguments)
    assert code == 0, err
    (engine,) = Path("engines").glob("m-*")
    return engine


class ScriptedWorker:
    """In place of a worker process, which would need a GPU: every query takes 5.5 ms in our loop."""

    def __init__(self, arm: ArmSpec, bench: BenchSpec, log_path: Path, process: int) -> None:
        self.pid = 0
        self._arm = arm

    def __enter__(self) -> "ScriptedWorker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def prepare(self) -> ArmFacts:
        batch = self._arm.export.batch if self._arm.export else 4
        return ArmFacts(
            runtime_version="TensorRT 10.14.1.48",
            main_series="gpu_compute_ms",
            inputs=(TensorRecord(name="x", dtype="float16", shape=(batch, 64)),),
            outputs=(),
            cuda_graph="captured",
            graph_kernels=1,
            output_sample=(),
            device_memory_bytes=None,
            load_s=0.1,
            pid=0,
        )

    def block(self) -> Samples:
        return {"gpu_compute_ms": (5.5, 5.5), "enqueue_ms": (0.1, 0.1)}
