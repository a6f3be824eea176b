"""From an ONNX model to an engine in the store."""

import re
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from hashlib import sha256
from pathlib import Path

from trtbench.build.backends import Built, read_built
from trtbench.build.compiler import Compiler, compiler_of
from trtbench.build.dialect import check_options
from trtbench.build.profiles import check_profiles, with_own_profile
from trtbench.build.readers.log import read_peak_rss
from trtbench.build.source import OnnxSource, source_of
from trtbench.build.targets import parse_targets
from trtbench.environments.container_errors import trouble_in_log
from trtbench.errors import BuildError
from trtbench.host.last_words import last_words
from trtbench.host.processes import supervise
from trtbench.progress import OnStep, Step, silent
from trtbench.results import CompiledEngine, EngineManifest, FileRecord
from trtbench.specs import BuildSpec, spec_id
from trtbench.specs.build import BuildPaths
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact, Store
from trtbench.store.files import file_name, file_record
from trtbench.store.paths import load_onnx
from trtbench.trtexec.log import refusal_words

# Part of every engine's identity: raise it when the same spec is to give another engine or other files.
_BUILD_REVISION = "1"

# Patterns of TensorRT-RTX's own words, and what to do about them.
_ADVICE = {
    r"HW-specific datatypes: .*fp4": "NVFP4 needs targets sm120 or sm121",
    r"HW-specific datatypes: .*fp8": "FP8 and MXFP8 need targets sm89, sm120 or sm121",
    r"convertOnnxWeights|convertDtype": "TensorRT has no such type: cast the tensor in the exporter",
    r"UNSUPPORTED_NODE|Plugin not found|is not supported in": "rewrite this node in other operators",
}


def build(
    onnx: OnnxArtifact | Path,
    spec: BuildSpec,
    store: Store,
    on_step: OnStep = silent,
    rebuild: int = 0,
    compiler: Compiler | None = None,
) -> tuple[EngineArtifact, bool]:
    """Compile for ``spec.targets`` unless the store has the engine; also return whether it was built now.

    The artifact holds ``model.engine``, ``build.log``, ``layers.json`` (``CompiledEngine``) and, unless
    TensorRT-RTX built it, ``inspector.json``. TensorRT and trtexec build for the local GPU, an engine of
    its own for each model of GPU.

    TensorRT-RTX takes several targets: they make one engine with one program for all of them, and
    ``layers.json`` describes it. It need not be the program that a target gets alone: FP16 for ``sm75`` and
    ``sm120`` has the fewer fusions of ``sm75``, FP8 for ``sm89`` and ``sm120`` has the kernels of ``sm120``.
    To learn what a target gets alone, build for it alone. (Seen in 1.7.1: one list of layers, the kernels of
    that list and no others in the engine, no larger engine, the same bytes in whatever order the targets are
    given.)

    Args:
        onnx: an exported model, or the path of one or of a bare ``.onnx`` file.
        spec: targets and limits; the limits do not change which engine it is.
        store: where the engine is looked up and kept, and the log of a build that fails.
        on_step: progress callback.
        rebuild: counts engines built anew from the same model, each an engine of its own in the store.
        compiler: what builds, from ``compiler_of``; by default the one that is installed here.

    Raises:
        SpecError: the compiler has no such target or option, the optimization profiles do not fit the model,
            or a limit on memory cannot be kept in a container.
        ArtifactError: the model is missing or damaged, or the store cannot be written.
        RuntimeUnavailable: the compiler is not there, or there is no GPU that it builds for.
        BuildError: the compiler refused, crashed, or passed a limit; the text has its own words.
    """
    compiler = compiler or compiler_of(None, spec)
    check_options(spec, compiler.version)
    spec = spec.model_copy(update={"targets": parse_targets(spec.targets, compiler.targets)})
    model = load_onnx(onnx, "build") if isinstance(onnx, Path) else onnx
    source, spec = source_of(model), with_own_profile(spec, model)
    check_profiles(source.path, source.inputs, spec.options.profiles)
    identity = engine_id(
        spec, source.identity(store), compiler.version, rebuild, compiler.image_digest, compiler.gpu
    )
    cache = file_name(f"{spec.backend}-{compiler.version}-{'+'.join(spec.targets)}-{compiler.gpu}")
    slug = f"{source.label}-{'+'.join(spec.targets)}" + f"-rebuild{rebuild}" * bool(rebuild)
    make = partial(
        _make_or_keep_log,
        keep_log=partial(store.keep_failed_log, "build", slug, identity),
        source=source,
        spec=spec,
        identity=identity,
        compiler=compiler,
        timing_cache=store.root / "engines" / "timing-caches" / f"{cache}.cache",
        on_step=on_step,
    )
    return store.get_or_make(EngineManifest, slug, identity, make, on_step)


def engine_id(
    spec: BuildSpec,
    source_identity: str,
    version: str,
    rebuild: int = 0,
    image_digest: str | None = None,
    gpu: str | None = None,
) -> str:
    """Identify the engine by all that determines it, limits on the build do not; each rebuild is another.

    ``gpu``: name of the one that tactics are timed on, if they are.
    """
    determining = spec.model_copy(update={"timeout_s": 1.0, "memory_limit_bytes": None})
    upstream = f"{source_identity} rebuild {rebuild}" if rebuild else source_identity
    return spec_id(determining, upstream, _tool_versions(spec, version, image_digest, gpu))


def _tool_versions(
    spec: BuildSpec, version: str, image_digest: str | None, gpu: str | None
) -> dict[str, str]:
    places = {"image": image_digest, "gpu": gpu}
    known = {name: value for name, value in places.items() if value is not None}
    return {spec.backend: version, "trtbench.build": _BUILD_REVISION, **known}


def _make_or_keep_log(
    directory: Path,
    keep_log: Callable[[Path], str],
    source: OnnxSource,
    spec: BuildSpec,
    identity: str,
    compiler: Compiler,
    timing_cache: Path,
    on_step: OnStep,
) -> EngineManifest:
    """Build in ``directory``; when that fails, move the log out of it and say where it is."""
    try:
        paths = BuildPaths(
            onnx=source.path,
            engine=directory / "model.engine",
            log=directory / "build.log",
            inspector=directory / "inspector.json",
            timing_cache=timing_cache,
        )
        return _make(paths, source, spec, identity, compiler, on_step)
    except BuildError as error:
        kept = keep_log(directory / "build.log")
        raise BuildError(
            f"{source.path.name}: build for {', '.join(spec.targets)} with {compiler.name} failed: "
            f"{error}{_advice(str(error), spec.backend)} (log: {kept})",
            code=error.code,
        ) from error


def _make(
    paths: BuildPaths, source: OnnxSource, spec: BuildSpec, identity: str, compiler: Compiler, on_step: OnStep
) -> EngineManifest:
    on_step(Step("build", f"compile for {', '.join(spec.targets)} with {compiler.name}"))
    timing_cache = _shared_timing_cache(paths.timing_cache) if spec.options.timing_cache == "shared" else None
    command = compiler.command(spec, paths)
    usage = supervise(
        command,
        paths.log,
        spec.timeout_s,
        spec.memory_limit_bytes,
        compiler.stop,
        on_step,
        partial(_why_refused, compiler),
    )
    on_step(Step("build", "read the compiled layers"))
    built = read_built(spec.backend, paths)
    layers_path = _write_layers(paths, spec, compiler.version, built)
    inspected = (paths.inspector,) if paths.inspector.exists() else ()
    return EngineManifest(
        spec_id=identity,
        spec=spec,
        export=source.export,
        onnx_path=str(source.path),
        onnx_sha256=source.sha256,
        files=tuple(file_record(path) for path in (paths.engine, paths.log, layers_path, *inspected)),
        backend=spec.backend,
        backend_version=compiler.version,
        activation_bytes=built.memory.activation_bytes,
        weight_bytes=built.memory.weight_bytes,
        scratch_bytes=built.memory.scratch_bytes,
        peak_rss_bytes=usage.peak_rss_bytes if compiler.trtexec else read_peak_rss(paths.log),
        tool_versions=_tool_versions(spec, compiler.version, compiler.image_digest, compiler.gpu),
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        build_s=usage.duration_s,
        command=command,
        timing_cache=timing_cache,
    )


def _shared_timing_cache(path: Path) -> FileRecord:
    """Make room for it, and identify it before the build, since the engine depends on its timings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return file_record(path)
    return FileRecord(name=path.name, sha256=sha256(b"").hexdigest(), size_bytes=0)


def _why_refused(compiler: Compiler, log_path: Path) -> str:
    """What is known of a container that does not start or has no GPU, else the compiler's own words."""
    trouble = None if compiler.container is None else trouble_in_log(compiler.container, log_path)
    return trouble or (refusal_words if compiler.trtexec else last_words)(log_path)


def _write_layers(paths: BuildPaths, spec: BuildSpec, version: str, built: Built) -> Path:
    compiled = CompiledEngine(
        backend=spec.backend, backend_version=version, targets=spec.targets, layers=built.layers
    )
    path = paths.engine.with_name("layers.json")
    path.write_text(compiled.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def _advice(words: str, backend: str) -> str:
    if backend != "tensorrt_rtx":
        return ""
    return next((f"; {advice}" for pattern, advice in _ADVICE.items() if re.search(pattern, words)), "")
