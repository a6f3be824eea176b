"""How far the exported model of each cell is from the FP32 model, once a file."""

from collections.abc import Sequence

from trtbench.compare.cells import Cell
from trtbench.errors import Code, SpecError, TrtbenchError
from trtbench.progress import OnStep, for_subject
from trtbench.results import Fidelity, Finding
from trtbench.specs import InputsSpec, ModelSpec
from trtbench.store.artifacts import Store
from trtbench.verify import fidelity_of, load_reference
from trtbench.verify.emulation import Reference


def verify_cells(cells: Sequence[Cell], inputs: InputsSpec, store: Store, on_step: OnStep) -> None:
    """Add the fidelity to the row of every exported recipe; where it is unknown, a finding gives the reason.

    Raises:
        SpecError: the model is unknown, or there are no such images.
    """
    references: dict[ModelSpec, Reference | TrtbenchError] = {}
    found: dict[str, Fidelity | TrtbenchError] = {}
    for cell in cells:
        if cell.onnx is None or cell.export is None:
            continue
        model, sha256 = cell.export.model, cell.onnx.manifest.files[0].sha256
        if model not in references:
            references[model] = _reference(cell, inputs, store, on_step)
        if sha256 not in found:
            found[sha256] = _fidelity(cell, references[model], store, on_step)
        _tell(cell, found[sha256])


def _reference(cell: Cell, inputs: InputsSpec, store: Store, on_step: OnStep) -> Reference | TrtbenchError:
    if cell.export is None:
        raise ValueError(f"{cell.key} has no model to verify against")
    try:
        return load_reference(cell.export, store, inputs, for_subject(on_step, cell.key))
    except SpecError:
        raise
    except TrtbenchError as error:
        return error


def _fidelity(
    cell: Cell, reference: Reference | TrtbenchError, store: Store, on_step: OnStep
) -> Fidelity | TrtbenchError:
    if isinstance(reference, TrtbenchError) or cell.onnx is None:
        return reference if isinstance(reference, TrtbenchError) else TrtbenchError("nothing was exported")
    try:
        return fidelity_of(cell.onnx, reference, store, for_subject(on_step, cell.key))
    except TrtbenchError as error:
        return error


def _tell(cell: Cell, found: Fidelity | TrtbenchError) -> None:
    if isinstance(found, Fidelity):
        cell.tell(fidelity=found)
        return
    finding = Finding(
        code=Code.FIDELITY_UNKNOWN,
        severity="info",
        message=f"the distance from the FP32 model was not computed: {found}",
        hint=f"run trtbench verify {cell.row.subject}",
    )
    cell.tell(findings=(*cell.row.findings, finding))
