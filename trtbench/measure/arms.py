"""What to time: from recipes, artifacts and bare files to arms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trtbench.build import build
from trtbench.build.source import source_of
from trtbench.errors import ArtifactError, SpecError
from trtbench.export import export
from trtbench.measure.run import Arm
from trtbench.progress import OnStep
from trtbench.results import EngineManifest
from trtbench.runtimes import runtime_entry
from trtbench.specs import ArmSpec, BuildSpec, ExportSpec
from trtbench.store.artifacts import (
    NOT_BUILT_HERE,
    Artifact,
    EngineArtifact,
    OnnxArtifact,
    Store,
    file_record,
    load_artifact,
)

RUNTIMES_OF: dict[str, tuple[str, ...]] = {
    "tensorrt_rtx": ("tensorrt_rtx",),
    "tensorrt": ("tensorrt", "trtexec"),
    "trtexec": ("tensorrt", "trtexec"),
}
"""What loads the engines of a builder."""


_SCRIPTS = (".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Workshop:
    """Where and how artifacts that an arm lacks are made; ``rebuilds`` engines more than one of each.

    ``build_specs``: how engines are built, by the runtime that loads them. ``trust``: take engines that
    ``store`` did not build.
    """

    store: Store
    build_specs: Mapping[str, BuildSpec] = field(default_factory=dict)
    rebuilds: int = 0
    trust: bool = False


def arm_of_recipe(
    label: str, spec: ExportSpec, runtime: str, workshop: Workshop, on_step: OnStep
) -> tuple[Arm, OnnxArtifact | None]:
    """Export and build what ``runtime`` loads of a recipe; also give the exported model, if it takes one.

    Raises:
        SpecError: the runtime takes no recipes, or the request is wrong.
        TrtbenchError: the export or a build failed.
    """
    loads = runtime_entry(runtime).loads
    if loads == "script":
        raise SpecError(f"runtime {runtime} takes a script file, not a recipe")
    if loads == "model":
        return Arm((_arm_spec(label, runtime, spec, None, None),)), None
    onnx, _ = export(spec, workshop.store, lambda step: on_step(f"export: {step}"))
    if loads == "onnx":
        return arm_of_onnx(label, onnx, runtime), onnx
    engines = engines_of(onnx, runtime, workshop, on_step, spec.recipe.sparse)
    return arm_of_engines(label, engines, runtime, workshop), onnx


def arm_of_path(path: Path, runtime: str, workshop: Workshop, on_step: OnStep) -> Arm:
    """Take an artifact's folder or a bare file; an exported model is built where ``runtime`` loads engines.

    Raises:
        SpecError: the runtime does not load such a thing.
        ArtifactError: it is missing or damaged, or an engine that the store did not build.
        TrtbenchError: a build failed.
    """
    loads, (label,) = runtime_entry(runtime).loads, labels_of_paths([path])
    if loads == "script" or _is_bare(path):
        return _arm_of_file(label, path, runtime, workshop, on_step)
    artifact = load_artifact(path)
    if isinstance(artifact.manifest, EngineManifest):
        if loads != "engine":
            fitting = " or ".join(RUNTIMES_OF[artifact.manifest.backend])
            raise SpecError(f"{path}: an engine, runtime {runtime} does not load one: name {fitting}")
        engine = Artifact(artifact.directory, artifact.manifest)
        return arm_of_engines(label, [engine], runtime, workshop)
    return _arm_of_model(label, Artifact(artifact.directory, artifact.manifest), runtime, workshop, on_step)


def labels_of_paths(paths: Sequence[Path]) -> list[str]:
    """Call each path by its name, a file of an artifact by the artifact's; in full where names are alike."""
    names = [_name_of(path.absolute()) for path in paths]  # "." and what is in it have no other folder's name
    return [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]


def _name_of(path: Path) -> str:
    if _is_bare(path):
        return path.stem
    return path.parent.name if path.is_file() else path.name


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


def arm_of_engines(label: str, engines: Sequence[EngineArtifact], runtime: str, workshop: Workshop) -> Arm:
    """Engines built from one model.

    Raises:
        SpecError: they are another runtime's.
        ArtifactError: the store did not build one of them, and it is not trusted.
    """
    manifest = engines[0].manifest
    if runtime not in RUNTIMES_OF[manifest.backend]:
        raise SpecError(
            f"{engines[0].directory}: an engine of {manifest.backend}, runtime {runtime} does not load it: "
            f"name {' or '.join(RUNTIMES_OF[manifest.backend])}"
        )
    if not workshop.trust:
        for engine in engines:
            workshop.store.check_built_here(engine)
    specs = [
        _arm_spec(
            label, runtime, each.manifest.export, each.payload, each.manifest.files[0].sha256
        ).model_copy(update={"build": build, "options": each.manifest.spec.options})
        for build, each in enumerate(engines)
    ]
    sizes = (manifest.weight_bytes, manifest.activation_bytes)
    known = [size for size in sizes if size is not None]
    return Arm(tuple(specs), sum(known) if len(known) == len(sizes) else None)


def engines_of(
    onnx: OnnxArtifact | Path, runtime: str, workshop: Workshop, on_step: OnStep, sparse: bool = False
) -> list[EngineArtifact]:
    """Build the engine, and ``rebuilds`` more of the same model; ``sparse`` allows sparse kernels."""
    spec = workshop.build_specs[runtime]
    spec = spec.model_copy(update={"sparsity": spec.sparsity or sparse})
    return [
        build(onnx, spec, workshop.store, lambda step: on_step(f"build: {step}"), rebuild)[0]
        for rebuild in range(1 + workshop.rebuilds)
    ]


def must_be_built(path: Path, runtime: str) -> bool:
    """Whether ``runtime`` loads an engine and ``path`` is the model of one.

    Raises:
        ArtifactError: an artifact is missing or damaged.
    """
    if runtime_entry(runtime).loads != "engine":
        return False
    return path.suffix == ".onnx" if _is_bare(path) else engine_backend(path) is None


def engine_backend(path: Path) -> str | None:
    """The compiler of an engine in the store; None for models, and for bare files, which do not tell.

    Raises:
        ArtifactError: an artifact is missing or damaged.
    """
    if _is_bare(path):
        return None
    manifest = load_artifact(path).manifest
    return manifest.backend if isinstance(manifest, EngineManifest) else None


def _is_bare(path: Path) -> bool:
    """Whether a file is no part of an artifact."""
    return path.is_file() and not (path.parent / "manifest.json").is_file()


def _arm_of_model(label: str, onnx: OnnxArtifact, runtime: str, workshop: Workshop, on_step: OnStep) -> Arm:
    loads = runtime_entry(runtime).loads
    if loads == "model":
        return Arm((_arm_spec(label, runtime, onnx.manifest.spec, None, None),))
    if loads == "onnx":
        return arm_of_onnx(label, onnx, runtime)
    sparse = onnx.manifest.spec.recipe.sparse
    return arm_of_engines(label, engines_of(onnx, runtime, workshop, on_step, sparse), runtime, workshop)


def _arm_of_file(label: str, path: Path, runtime: str, workshop: Workshop, on_step: OnStep) -> Arm:
    """A script, an engine of somebody else's making, or an ONNX file."""
    loads = runtime_entry(runtime).loads
    if loads == "model":
        raise SpecError(
            f"{path}: runtime {runtime} makes its model itself: name a recipe or an exported model"
        )
    # An engine may have any name: what is none fails when it is loaded.
    if loads != "engine" and (path.suffix == ".onnx") != (loads == "onnx"):
        raise SpecError(f"{path}: runtime {runtime} does not load such a file")
    if path.suffix == ".onnx" and loads == "engine":
        return arm_of_engines(label, engines_of(path, runtime, workshop, on_step), runtime, workshop)
    if loads == "onnx":
        return arm_of_onnx(label, path, runtime)
    if loads == "engine" and path.suffix in _SCRIPTS:
        raise SpecError(f"{path}: runtime {runtime} loads engines, and this is none: a script is for fake")
    if loads == "engine" and not workshop.trust:
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
        artifact=None if path is None else str(path.resolve()),
        artifact_sha256=sha256,
    )
