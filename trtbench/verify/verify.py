"""The stage: how close recipes and files come to an FP32 model, computed on a CPU from ONNX files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trtbench.errors import SpecError, TrtbenchError
from trtbench.export import export, export_id, recorded, reference_spec
from trtbench.export.stated_preparation import image_preparation
from trtbench.progress import OnStep, Step, for_subject
from trtbench.results import Finding, Verification, VerificationRow
from trtbench.specs import ExportSpec, ImageSize, InputsSpec
from trtbench.specs.recipe import Recipe
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.store.paths import labels_of_paths
from trtbench.verify.emulation import LOGITS, Reference
from trtbench.verify.given import is_given_alone, open_given
from trtbench.verify.images import choose_images, class_folders
from trtbench.verify.measure import fidelity_of, is_known
from trtbench.verify.standard_graph import check_runtime

Subject = ExportSpec | Path
"""A recipe of a model, or the path of an exported model or of any ONNX file."""


def verify(
    subjects: Sequence[Subject],
    store: Store,
    inputs: InputsSpec,
    on_step: OnStep,
    against: Path | None = None,
    img_size: ImageSize | None = None,
) -> Verification:
    """Compare each of ``subjects`` with the FP32 model; a failure becomes a row with its reason.

    Args:
        subjects: recipes, which are exported, alike but for the recipe; and files.
        store: where exported models and results are looked up and kept.
        inputs: the images to compare on.
        on_step: progress callback; the subject of a step is its recipe or file.
        against: an ONNX file or exported model to compare with; default: the FP32 model that the recipes and
            the exported models among the files come from.
        img_size: side in pixels of the images of files that leave it open.

    Raises:
        SpecError: the request is wrong for every subject: an unknown model, no images, or no model to
            compare with.
        ArtifactError: a file is damaged, or an engine.
        RuntimeUnavailable: onnxruntime is not installed.
        TrtbenchError: the FP32 model cannot be exported.
    """
    if not subjects:
        raise SpecError("nothing to verify: name at least one recipe, such as nvfp4")
    check_runtime()
    paths = [subject for subject in subjects if isinstance(subject, Path)]
    files = {path: open_given(path, img_size) for path in paths}
    labels = dict(zip(paths, labels_of_paths(paths), strict=True))
    names = [labels[each] if isinstance(each, Path) else str(each.recipe) for each in subjects]
    reduction = None
    if against is None:
        spec, tell = _model_of(subjects, files), for_subject(on_step, names[0])
        reduction = spec.model.token_reduction
        references = [load_reference(spec, store, inputs, tell)]
        if reduction is not None:
            references.append(load_reference(spec, store, inputs, tell, reduced=True))
    else:
        references = [_given_reference(open_given(against, img_size), inputs)]
    rows = []
    for subject, name in zip(subjects, names, strict=True):
        found = files[subject] if isinstance(subject, Path) else subject
        rows.append(_row(found, name, references, store, for_subject(on_step, name)))
    return Verification(
        model=references[0].onnx.manifest.spec.model.name,
        token_reduction=reduction,
        against=None if against is None else str(against),
        inputs=references[0].images.spec.named,
        rows=tuple(rows),
    )


def _model_of(subjects: Sequence[Subject], files: dict[Path, OnnxArtifact]) -> ExportSpec:
    """What the only FP32 model is exported from that all subjects can be compared with.

    Raises:
        SpecError: there is none, or there are several.
    """
    specs: list[ExportSpec] = []
    for subject in subjects:
        if isinstance(subject, Path) and is_given_alone(files[subject]):
            raise SpecError(f"{subject}: its FP32 model is not known; name one with --against FP32.onnx")
        specs.append(files[subject].manifest.spec if isinstance(subject, Path) else subject)
    identities = {_identity_of_model(spec) for spec in specs} if files else set()
    if len(identities) > 1:
        raise SpecError(
            f"{next(iter(files))}: of another model than the others; verify one model at a time, or name "
            "the FP32 model of all with --against FP32.onnx"
        )
    return specs[0]


def _identity_of_model(spec: ExportSpec) -> str:
    wanted = reference_spec(spec).model_copy(update={"model": spec.model, "batch": 1})
    return export_id(wanted)


def load_reference(
    spec: ExportSpec,
    store: Store,
    inputs: InputsSpec,
    on_step: OnStep,
    reduced: bool = False,
    compared: Sequence[ExportSpec] = (),
) -> Reference:
    """Export the FP32 model of ``spec`` and choose the images; the model is loaded when it is first needed.

    Args:
        spec: has the model.
        store: where it is looked up and kept.
        inputs: the images.
        on_step: progress callback.
        reduced: the model has the tokens that the token reduction of ``spec`` leaves, not all.
        compared: what is going to be compared with it: if the store has the fidelity of all, the file of
            the FP32 model, the largest of a comparison, is not even hashed.

    Raises:
        SpecError: the model or the images are not there.
        TrtbenchError: the FP32 model cannot be exported.
    """
    if inputs.directory is not None and not inputs.is_calibration:
        class_folders(Path(inputs.directory))  # before minutes of work
    wanted = reference_spec(spec)
    if reduced:
        wanted = wanted.model_copy(update={"model": spec.model})
    known = _known_reference(wanted, compared, inputs, store)
    if known is not None:
        return known
    onnx, _ = export(wanted, store, lambda step: on_step(replace(step, text=f"reference: {step.text}")))
    on_step(Step("verify", "choose the images"))
    if inputs.directory is not None:
        # Images are read in a thread while others export: timm fails where two threads import it at once.
        import trtbench.verify.preprocess  # noqa: F401
    return _reference(onnx, inputs)


def _known_reference(
    wanted: ExportSpec, compared: Sequence[ExportSpec], inputs: InputsSpec, store: Store
) -> Reference | None:
    """The FP32 model, its file unread, if the store has the fidelity of all that is compared with it."""
    models = [recorded(spec, store) for spec in compared]
    onnx = recorded(wanted, store) if models else None
    if onnx is None or None in models:
        return None
    reference = _reference(onnx, inputs)
    return reference if all(model and is_known(model, reference, store) for model in models) else None


def _given_reference(onnx: OnnxArtifact, inputs: InputsSpec) -> Reference:
    """A file to compare with; on photos, with a note on where their preparation comes from."""
    source = onnx.manifest.spec.model.source
    if inputs.directory is not None and source is not None and is_given_alone(onnx):
        notes = (image_preparation(source).note,)
        onnx = replace(onnx, manifest=onnx.manifest.model_copy(update={"notes": notes}))
    return _reference(onnx, inputs)


def _reference(onnx: OnnxArtifact, inputs: InputsSpec) -> Reference:
    output = onnx.manifest.outputs[0]
    return Reference(onnx, choose_images(inputs, output.shape[-1] if output.name == LOGITS else None))


def _row(
    subject: ExportSpec | OnnxArtifact,
    name: str,
    references: Sequence[Reference],
    store: Store,
    on_step: OnStep,
) -> VerificationRow:
    """Export a recipe; compare it or what was given with the model with all tokens, then with fewer."""
    findings: tuple[Finding, ...] = ()
    recipe, file = (subject.recipe, None) if isinstance(subject, ExportSpec) else (_recipe_of(subject), name)
    try:
        onnx = export(subject, store, on_step)[0] if isinstance(subject, ExportSpec) else subject
        findings = onnx.manifest.findings
        fidelity, *reduced = [fidelity_of(onnx, reference, store, on_step) for reference in references]
    except SpecError:
        raise
    except TrtbenchError as error:
        return VerificationRow(
            recipe=recipe, file=file, status="failed", reason=str(error), code=error.code, findings=findings
        )
    return VerificationRow(
        recipe=recipe,
        file=file,
        status="ok",
        fidelity=fidelity,
        of_reduced=reduced[0] if reduced else None,
        findings=findings,
    )


def _recipe_of(onnx: OnnxArtifact) -> Recipe | None:
    return None if is_given_alone(onnx) else onnx.manifest.spec.recipe
