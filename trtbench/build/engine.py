"""From an ONNX model to an engine in the store."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from trtbench.artifacts import EngineArtifact, OnnxArtifact, Store, file_record
from trtbench.build import child
from trtbench.build.log_reader import read_compiled_layers, read_memory
from trtbench.build.source import OnnxSource, load_onnx, source_of
from trtbench.build.supervise import supervise
from trtbench.build.targets import import_tensorrt_rtx, parse_targets
from trtbench.errors import BuildError
from trtbench.progress import OnStep, silent
from trtbench.results import CompiledEngine, EngineManifest
from trtbench.specs import BuildSpec, spec_id

BACKEND = "tensorrt_rtx"

# Part of every engine's identity: raise it when the same spec shall give another engine or other files.
_BUILD_REVISION = "1"

# Patterns of the compiler's own words, and what to do about them.
_ADVICE = {
    r"HW-specific datatypes: .*fp4": "NVFP4 needs targets sm120 or sm121",
    r"HW-specific datatypes: .*fp8": "FP8 and MXFP8 need targets sm89, sm120 or sm121",
    r"no optimization profile": "export with a static batch; dynamic dimensions are not supported",
    r"UNSUPPORTED_NODE|INVALID_NODE|is not supported in": "rewrite this node in other operators",
}


def build(
    onnx: OnnxArtifact | Path, spec: BuildSpec, store: Store, on_step: OnStep = silent, rebuild: int = 0
) -> tuple[EngineArtifact, bool]:
    """Compile for ``spec.targets`` unless the store has the engine; also tell whether it was built now.

    The artifact holds ``model.engine``, ``build.log`` and ``layers.json`` (``CompiledEngine``). Several
    targets make one engine with one program for all of them, and ``layers.json`` describes it. It need not be
    the program that a target gets alone: FP16 for ``sm75`` and ``sm120`` has the fewer fusions of ``sm75``,
    FP8 for ``sm89`` and ``sm120`` has the kernels of ``sm120``. To learn what a target gets alone, build for
    it alone. (Seen in 1.7.1: one list of layers, the kernels of that list and no others in the engine, no
    larger engine, the same bytes in whatever order the targets are given.)

    Args:
        onnx: an exported model, or the path of one or of a bare ``.onnx`` file.
        spec: targets and limits; the limits do not change which engine it is.
        store: where the engine is looked up and kept, and the log of a build that fails.
        on_step: told of each step.
        rebuild: counts engines built anew from the same model, each an engine of its own in the store.

    Raises:
        SpecError: TensorRT-RTX has no such target.
        ArtifactError: the model is missing or damaged, or the store cannot be written.
        RuntimeUnavailable: TensorRT-RTX is not installed.
        BuildError: the compiler refused, crashed, or passed a limit; the text has its own words.
    """
    spec = spec.model_copy(update={"targets": parse_targets(spec.targets)})
    version = str(import_tensorrt_rtx().__version__)
    source = source_of(load_onnx(onnx) if isinstance(onnx, Path) else onnx)
    identity = engine_id(spec, source.identity, version, rebuild)
    slug = f"{source.label}-{'+'.join(spec.targets)}" + f"-rebuild{rebuild}" * bool(rebuild)
    make = partial(
        _make_or_keep_log,
        keep_log=partial(store.keep_failed_log, "build", slug, identity),
        source=source,
        spec=spec,
        identity=identity,
        version=version,
        on_step=on_step,
    )
    return store.get_or_make(EngineManifest, slug, identity, make, on_step)


def engine_id(spec: BuildSpec, source_identity: str, version: str, rebuild: int = 0) -> str:
    """Identify the engine by all that determines it, limits on the build do not; each rebuild is another."""
    determining = spec.model_copy(update={"timeout_s": 1.0, "memory_limit_bytes": None})
    upstream = f"{source_identity} rebuild {rebuild}" if rebuild else source_identity
    return spec_id(determining, upstream, _tool_versions(version))


def _tool_versions(version: str) -> dict[str, str]:
    return {BACKEND: version, "trtbench.build": _BUILD_REVISION}


def _make_or_keep_log(
    directory: Path,
    keep_log: Callable[[Path], str],
    source: OnnxSource,
    spec: BuildSpec,
    identity: str,
    version: str,
    on_step: OnStep,
) -> EngineManifest:
    """Build in ``directory``; when that fails, move the log out of it and say where it is."""
    try:
        return _make(directory, source, spec, identity, version, on_step)
    except BuildError as error:
        kept = keep_log(directory / "build.log")
        raise BuildError(
            f"{source.path.name}: build for {', '.join(spec.targets)} with TensorRT-RTX {version} failed: "
            f"{error}{_advice(str(error))} (log: {kept})"
        ) from error


def _make(
    directory: Path, source: OnnxSource, spec: BuildSpec, identity: str, version: str, on_step: OnStep
) -> EngineManifest:
    engine_path, log_path = directory / "model.engine", directory / "build.log"
    on_step(f"compile for {', '.join(spec.targets)} with TensorRT-RTX {version}")
    job = child.BuildJob(
        onnx_path=str(source.path),
        engine_path=str(engine_path.absolute()),
        log_path=str(log_path.absolute()),
        targets=spec.targets,
        sparsity=spec.sparsity,
    )
    command = [sys.executable, child.__file__, json.dumps(asdict(job))]
    usage = supervise(command, log_path, spec.timeout_s, spec.memory_limit_bytes)
    on_step("read the compiled layers")
    layers_path = _write_layers(directory, log_path, spec.targets, version)
    memory = read_memory(log_path)
    return EngineManifest(
        spec_id=identity,
        spec=spec,
        export=source.export,
        onnx_path=str(source.path),
        onnx_sha256=source.sha256,
        files=tuple(file_record(path) for path in (engine_path, log_path, layers_path)),
        backend=BACKEND,
        backend_version=version,
        activation_bytes=memory.activation_bytes,
        weight_bytes=memory.weight_bytes,
        scratch_bytes=memory.scratch_bytes,
        peak_rss_bytes=usage.peak_rss_bytes,
        tool_versions=_tool_versions(version),
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        build_s=usage.duration_s,
    )


def _write_layers(directory: Path, log_path: Path, targets: tuple[str, ...], version: str) -> Path:
    compiled = CompiledEngine(
        backend=BACKEND, backend_version=version, targets=targets, layers=read_compiled_layers(log_path)
    )
    path = directory / "layers.json"
    path.write_text(compiled.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def _advice(words: str) -> str:
    return next((f"; {advice}" for pattern, advice in _ADVICE.items() if re.search(pattern, words)), "")
