"""The stage: how close each recipe of a model comes to its FP32 model, computed on a CPU from ONNX files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trtbench.errors import SpecError, TrtbenchError
from trtbench.export import export, reference_spec
from trtbench.progress import OnStep, Step, for_subject
from trtbench.results import Finding, Verification, VerificationRow
from trtbench.specs import ExportSpec, InputsSpec
from trtbench.store.artifacts import Store
from trtbench.verify.emulation import LOGITS, Reference
from trtbench.verify.images import choose_images, class_folders
from trtbench.verify.measure import fidelity_of
from trtbench.verify.standard_graph import runtime_name


def verify(exports: Sequence[ExportSpec], store: Store, inputs: InputsSpec, on_step: OnStep) -> Verification:
    """Export each of ``exports`` and compare it with the FP32 model; a failure becomes a row with its reason.

    Args:
        exports: one spec a recipe, alike but for the recipe.
        store: where exported models and results are looked up and kept.
        inputs: the images to compare on.
        on_step: progress callback; the subject of a step is its recipe.

    Raises:
        SpecError: the request is wrong for every recipe (unknown model, no images).
        RuntimeUnavailable: onnxruntime is not installed.
        TrtbenchError: the FP32 model cannot be exported.
    """
    if not exports:
        raise SpecError("nothing to verify: name at least one recipe, such as nvfp4")
    runtime_name()  # before anything is exported
    reference = load_reference(exports[0], store, inputs, for_subject(on_step, str(exports[0].recipe)))
    return Verification(
        model=exports[0].model.name,
        inputs=reference.images.spec,
        rows=tuple(_row(spec, reference, store, for_subject(on_step, str(spec.recipe))) for spec in exports),
    )


def load_reference(spec: ExportSpec, store: Store, inputs: InputsSpec, on_step: OnStep) -> Reference:
    """Export the FP32 model of ``spec`` and choose the images; the model is loaded when it is first needed.

    Raises:
        SpecError: the model or the images are not there.
        TrtbenchError: the FP32 model cannot be exported.
    """
    if inputs.directory is not None and not inputs.is_calibration:
        class_folders(Path(inputs.directory))  # before minutes of work
    onnx, _ = export(
        reference_spec(spec), store, lambda step: on_step(replace(step, text=f"reference: {step.text}"))
    )
    on_step(Step("verify", "choose the images"))
    if inputs.directory is not None:
        # Images are read in a thread while others export: timm fails where two threads import it at once.
        import trtbench.verify.preprocess  # noqa: F401
    output = onnx.manifest.outputs[0]
    return Reference(onnx, choose_images(inputs, output.shape[-1] if output.name == LOGITS else None))


def _row(spec: ExportSpec, reference: Reference, store: Store, on_step: OnStep) -> VerificationRow:
    findings: tuple[Finding, ...] = ()
    try:
        onnx, _ = export(spec, store, on_step)
        findings = onnx.manifest.findings
        fidelity = fidelity_of(onnx, reference, store, on_step)
    except SpecError:
        raise
    except TrtbenchError as error:
        return VerificationRow(
            recipe=spec.recipe, status="failed", reason=str(error), code=error.code, findings=findings
        )
    return VerificationRow(recipe=spec.recipe, status="ok", fidelity=fidelity, findings=findings)
