"""What a build leaves, read the same way whichever backend did it, and the command of the Python API's."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from trtbench.build import child
from trtbench.build.dialect import build_job
from trtbench.build.readers.inspector import read_inspector
from trtbench.build.readers.log import read_compiled_layers, read_memory, read_trtexec_memory
from trtbench.errors import BuildError
from trtbench.results import CompiledLayer
from trtbench.results.artifacts import EngineMemory
from trtbench.specs import BuildSpec
from trtbench.specs.build import BuildPaths


@dataclass(frozen=True)
class Built:
    """What a build reports about the engine."""

    layers: tuple[CompiledLayer, ...]
    memory: EngineMemory


def child_command(spec: BuildSpec, version: str, paths: BuildPaths, python: Sequence[str]) -> tuple[str, ...]:
    """Build by TensorRT's Python API of that version, in the interpreter that ``python`` starts.

    Raises:
        SpecError: this compiler has no such option.
    """
    return (*python, child.__file__, json.dumps(asdict(build_job(spec, version, paths))))


def read_built(backend: str, paths: BuildPaths) -> Built:
    """Read the layers and the memory of the engine, from the log or from what the inspector says.

    Raises:
        BuildError: the layers are missing, or have no more than names.
    """
    if backend == "tensorrt_rtx":
        return Built(read_compiled_layers(paths.log), read_memory(paths.log))
    engine = read_inspector(paths.inspector)
    if not engine.is_detailed:
        raise BuildError(f"{paths.inspector.name}: lists only the names of layers, not their datatypes")
    if backend == "trtexec":
        memory = read_trtexec_memory(paths.log.read_text(encoding="utf-8", errors="replace"))
    else:
        memory = read_memory(paths.log)
    return Built(engine.layers, memory)
