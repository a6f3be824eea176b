"""Runtime ``tensorrt``: an engine of standard TensorRT, 10.8 or later."""

from importlib import import_module
from typing import Any

from trtbench.host.installation import needing, tensorrt_remedy
from trtbench.runtimes.trt_engine import EngineRuntime, create_context, load_engine
from trtbench.specs import ArmSpec


def open_runtime(arm: ArmSpec, stream: int, cuda_graph: bool) -> EngineRuntime:
    """Deserialise the engine; whether a CUDA graph is wanted does not matter, since ours is captured.

    Raises:
        RuntimeUnavailable: TensorRT is not installed, or its libraries do not load.
        MeasureError: the engine cannot be loaded, or has not the arm's batch.
    """
    loaded = load_engine(_import_tensorrt(), "TensorRT", arm, plugins=True)
    return EngineRuntime(loaded, create_context(loaded), arm, stream)


def _import_tensorrt() -> Any:
    with needing("TensorRT", remedy=tensorrt_remedy):
        return import_module("tensorrt")
