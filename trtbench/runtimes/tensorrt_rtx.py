"""Runtime ``tensorrt_rtx``: an engine of TensorRT-RTX, which compiles its kernels for the GPU when loaded."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trtbench.build.targets import import_tensorrt_rtx
from trtbench.errors import ArtifactError
from trtbench.host.untrusted_files import RECORD_BYTES, read_untrusted
from trtbench.runtimes.trt_engine import EngineRuntime, LoadedEngine, create_context, load_engine
from trtbench.specs import ArmSpec
from trtbench.store.artifacts import results_beside
from trtbench.store.files import write_whole
from trtbench.store.seal import sealed, unsealed
from trtbench.units import format_bytes


def open_runtime(arm: ArmSpec, stream: int, cuda_graph: bool) -> EngineRuntime:
    """Deserialise the engine; whether a CUDA graph is wanted does not matter, since our capture makes it.

    Raises:
        RuntimeUnavailable: TensorRT-RTX is not installed, or its libraries do not load.
        MeasureError: the engine cannot be loaded, or has not the arm's batch.
    """
    trt = import_tensorrt_rtx()
    loaded = load_engine(trt, "TensorRT-RTX", arm)
    config = loaded.engine.create_runtime_config()
    config.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED
    # By default kernels for the current shapes take over when they are ready: amid a measurement, and past a
    # captured graph.
    config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
    cache = _kernel_cache(config.create_runtime_cache(), loaded, arm)
    cache_note = cache.load()
    config.set_runtime_cache(cache.cache)
    context = create_context(loaded, config)
    return EngineRuntime(
        loaded,
        context,
        arm,
        stream,
        is_capturable=lambda: bool(context.is_stream_capturable(stream)),
        notes=(cache_note,),
        on_exit=cache.save,
    )


@dataclass(frozen=True)
class KernelCache:
    """Kernels that TensorRT-RTX compiled for this GPU, kept for the next process.

    ``in_store``: the engine lies in a store, so they need the user's seal; any other engine is loaded on
    trust, and so are they.
    """

    cache: Any
    path: Path
    engine_sha256: str
    in_store: bool

    def load(self) -> str:
        """Fill the cache from the file; return a line on whether this load is cold or warm."""
        try:
            data = read_untrusted(self.path, RECORD_BYTES)
        except OSError:
            return "runtime cache: cold, the kernels are compiled as the engine is loaded"
        content = self._trusted(data)
        if content is None:
            return "runtime cache: cold, since the one that is there has no seal of yours"
        if not self.cache.deserialize(content):
            return "runtime cache: cold, since that of an earlier run is of another GPU, driver or version"
        return f"runtime cache: warm, {format_bytes(len(content))} of kernels from an earlier run"

    def save(self) -> None:
        """Write the file, all at once."""
        kernels = self.cache.serialize()
        if kernels is None:
            return
        # Where nothing can be written or sealed the next load is a cold one too, and its note says so.
        with suppress(OSError, ArtifactError):
            data = sealed(self.engine_sha256, bytes(kernels)) if self.in_store else kernels
            if data is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(self.path, data)

    def _trusted(self, data: bytes) -> bytes | None:
        if not self.in_store:
            return data
        with suppress(ArtifactError):
            return unsealed(self.engine_sha256, data)
        return None


def _kernel_cache(cache: Any, loaded: LoadedEngine, arm: ArmSpec) -> KernelCache:
    """In the store's results, or beside an engine that lies in no store."""
    directory = loaded.path.absolute().parent
    in_store = directory.parent.name == "engines" and (directory / "manifest.json").is_file()
    folder = results_beside(directory) / "runtime-caches" if in_store else directory
    engine_sha256 = str(arm.artifact_sha256)
    path = folder / f"{engine_sha256[:16]}-{loaded.trt.__version__}.cache"
    return KernelCache(cache, path, engine_sha256, in_store)
