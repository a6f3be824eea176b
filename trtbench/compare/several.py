"""Make artifacts by name, one after another; of several, one that fails stops none of the rest."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from trtbench.build import build
from trtbench.build.choice import build_spec_for
from trtbench.build.compiler import compiler_of
from trtbench.build.dialect import check_options
from trtbench.compare.files import open_files
from trtbench.errors import SpecError, TrtbenchError
from trtbench.export import export
from trtbench.progress import OnStep, for_subject
from trtbench.results import MadeArtifact, MadeArtifacts, OnnxManifest
from trtbench.specs import BuildRequest, ExportSpec
from trtbench.store.artifacts import Artifact, EngineArtifact, OnnxArtifact, Store
from trtbench.store.paths import load_onnx

Subject = ExportSpec | Path
"""A recipe of a model, or the path of an exported model or a bare ONNX file."""
Made = tuple[OnnxArtifact | EngineArtifact, bool]


def make_engine(
    subject: Subject, request: BuildRequest, store: Store, on_step: OnStep
) -> tuple[EngineArtifact, bool]:
    """Export what is missing and build it; also return whether the engine was built now.

    Raises:
        SpecError: the request is wrong, or nothing is at the path.
        RuntimeUnavailable: there is no such compiler, which is known before the export.
        TrtbenchError: the export or the build fails.
    """
    onnx = load_onnx(subject, "build") if isinstance(subject, Path) else None
    model = onnx.manifest.spec if isinstance(onnx, Artifact) else subject
    spec = build_spec_for(request, sparse=isinstance(model, ExportSpec) and model.recipe.sparse)
    compiler = compiler_of(None, spec)
    check_options(spec, compiler.version)
    if isinstance(subject, ExportSpec):
        onnx, _ = export(subject, store, on_step)
    if onnx is None:
        raise ValueError(f"{subject}: nothing to build from")
    return build(onnx, spec, store, on_step, compiler=compiler)


def engine_of(subject: Subject, request: BuildRequest, store: Store, on_step: OnStep) -> EngineArtifact:
    """The engine at the path, or the one made from the subject.

    Raises:
        TrtbenchError: as ``make_engine``; or an engine at the path is damaged.
    """
    if isinstance(subject, Path):
        (file,) = open_files([subject])
        if file.engine is not None:
            return file.engine
    return make_engine(subject, request, store, on_step)[0]


def export_all(specs: Sequence[ExportSpec], store: Store, on_step: OnStep) -> MadeArtifacts:
    """Export each of ``specs``; one that fails is a row with its reason.

    Raises:
        SpecError: the request is wrong.
    """
    tasks = [(str(spec.recipe), partial(export, spec, store)) for spec in specs]
    return _each("export", tasks, on_step)


def build_all(
    subjects: Sequence[Subject], request: BuildRequest, store: Store, on_step: OnStep
) -> MadeArtifacts:
    """Build each of ``subjects``; one that fails is a row with its reason.

    Raises:
        SpecError: the request is wrong.
    """
    tasks = [(subject_name(subject), partial(make_engine, subject, request, store)) for subject in subjects]
    return _each("build", tasks, on_step)


def build_missing(request: BuildRequest, store: Store, on_step: OnStep) -> MadeArtifacts:
    """Build every exported model of the store that has no such engine; one that fails is a row.

    Raises:
        SpecError: the request is wrong, or the store has no exported models.
        RuntimeUnavailable: there is no such compiler.
    """
    spec = build_spec_for(request)
    check_options(spec, compiler_of(None, spec).version)
    models = store.folders(OnnxManifest)
    if not models:
        raise SpecError(
            f"{store.root / 'models'}: holds no exported model; name a recipe, such as nvfp4, to export "
            "and build it"
        )
    return _each(
        "build",
        [(path.name, partial(_make_engine_alone, path, request, store)) for path in models],
        on_step,
    )


def subject_name(subject: Subject) -> str:
    """What progress and rows call it."""
    return str(subject.recipe) if isinstance(subject, ExportSpec) else str(subject)


def _make_engine_alone(
    path: Path, request: BuildRequest, store: Store, on_step: OnStep
) -> tuple[EngineArtifact, bool]:
    """Make an engine of a model that was not named, so that its failure is never a usage error."""
    try:
        return make_engine(path, request, store, on_step)
    except SpecError as error:
        raise TrtbenchError(str(error), code=error.code) from error


def _each(
    stage: Literal["export", "build"], tasks: Sequence[tuple[str, Callable[[OnStep], Made]]], on_step: OnStep
) -> MadeArtifacts:
    rows = []
    for subject, make in tasks:
        try:
            artifact, is_new = make(for_subject(on_step, subject))
        except SpecError:
            raise
        except TrtbenchError as error:
            rows.append(MadeArtifact(subject=subject, status="failed", reason=str(error), code=error.code))
            continue
        status: Literal["made", "present"] = "made" if is_new else "present"
        rows.append(MadeArtifact(subject=subject, status=status, path=str(artifact.directory)))
    return MadeArtifacts(stage=stage, rows=tuple(rows))
