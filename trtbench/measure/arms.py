"""From artifacts and bare files to arms: what exactly is timed."""

from collections.abc import Sequence
from pathlib import Path

from trtbench.build.source import source_of
from trtbench.errors import ArtifactError, SpecError
from trtbench.measure.run import Arm
from trtbench.runtimes import runtime_entry
from trtbench.specs import ArmSpec, ExportSpec
from trtbench.store.artifacts import NOT_BUILT_HERE, EngineArtifact, OnnxArtifact, check_built_here
from trtbench.store.files import file_record

RUNTIMES_OF: dict[str, tuple[str, ...]] = {
    "tensorrt_rtx": ("tensorrt_rtx",),
    "tensorrt": ("tensorrt", "trtexec"),
    "trtexec": ("tensorrt", "trtexec"),
}
"""Runtimes that load the engines of a compiler."""

_SCRIPTS = (".json", ".yaml", ".yml")


def check_loads(runtime: str, backend: str, what: str) -> None:
    """Refuse a runtime that does not load the engines of ``backend``; ``what`` names the option or the file.

    Raises:
        SpecError: another runtime has to be named.
    """
    if runtime not in RUNTIMES_OF[backend]:
        fitting = " or ".join(RUNTIMES_OF[backend])
        raise SpecError(
            f"{what}: runtime {runtime} does not load engines of {backend}; use --runtime {fitting}"
        )


def arm_of_model(label: str, spec: ExportSpec, runtime: str) -> Arm:
    """A model that the runtime makes itself from the spec."""
    return Arm((_arm_spec(label, runtime, spec, None, None),))


def arm_of_onnx(label: str, onnx: OnnxArtifact | Path, runtime: str) -> Arm:
    """A model in a runtime that loads ONNX; of its working set, the weights are known.

    Raises:
        ArtifactError: a bare file, or weights beside it, is missing, cut short or no ONNX at all.
    """
    source = source_of(onnx)
    spec = _arm_spec(label, runtime, source.export, source.path, source.sha256)
    weights = tuple((record.name, record.sha256) for record in source.weight_files)
    size_bytes = sum(record.size_bytes for record in (source.file, *source.weight_files))
    return Arm((spec.model_copy(update={"weights": weights}),), size_bytes)


def arm_of_engines(label: str, engines: Sequence[EngineArtifact], runtime: str, trust: bool) -> Arm:
    """Engines built from one model; ``trust``: also those that this user did not build.

    Raises:
        SpecError: another runtime loads them.
        ArtifactError: this user did not build one of them, and it is not trusted.
    """
    manifest = engines[0].manifest
    check_loads(runtime, manifest.backend, str(engines[0].directory))
    if not trust:
        for engine in engines:
            check_built_here(engine)
    specs = [
        _arm_spec(
            label, runtime, each.manifest.export, each.payload, each.manifest.files[0].sha256
        ).model_copy(update={"build": build, "options": each.manifest.spec.options})
        for build, each in enumerate(engines)
    ]
    sizes = (manifest.weight_bytes, manifest.activation_bytes)
    known = [size for size in sizes if size is not None]
    return Arm(tuple(specs), sum(known) if len(known) == len(sizes) else None)


def arm_of_file(label: str, path: Path, runtime: str, trust: bool) -> Arm:
    """A bare file: a script of times, an engine of another maker, or an ONNX model for an ONNX runtime.

    Raises:
        SpecError: the runtime does not load such a file.
        ArtifactError: it cannot be read, or is an engine that is not trusted.
    """
    loads = runtime_entry(runtime).loads
    if loads == "model":
        raise SpecError(
            f"{path}: runtime {runtime} makes its model itself; name a recipe or an exported model"
        )
    # An engine may have any name: a file that is not one fails when it is loaded.
    if loads != "engine" and (path.suffix == ".onnx") != (loads == "onnx"):
        raise SpecError(f"{path}: runtime {runtime} does not load such a file")
    if loads == "onnx":
        return arm_of_onnx(label, path, runtime)
    if loads == "engine" and path.suffix in _SCRIPTS:
        raise SpecError(f"{path}: runtime {runtime} loads engines; scripts are for runtime fake")
    if loads == "engine" and not trust:
        raise ArtifactError(f"{path}: {NOT_BUILT_HERE}")
    record = file_record(path)
    arm = _arm_spec(label, runtime, None, path, record.sha256)
    return Arm((arm,), None if loads == "script" else record.size_bytes)


def _arm_spec(
    label: str, runtime: str, export_spec: ExportSpec | None, path: Path | None, sha256: str | None
) -> ArmSpec:
    return ArmSpec(
        label=label,
        runtime=runtime,
        recipe=None if export_spec is None else export_spec.recipe,
        export=export_spec,
        # Not resolved: weights lie beside a link, as in the cache of Hugging Face.
        artifact=None if path is None else str(path.absolute()),
        artifact_sha256=sha256,
    )
