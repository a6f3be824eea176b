"""How far the model of each cell is from the FP32 model, once a file, while others are exported.

A file beside recipes is compared with their FP32 model.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from trtbench.compare.cells import Cell
from trtbench.compare.files import File
from trtbench.errors import Code, SpecError, TrtbenchError
from trtbench.host.processes import supervising_thread
from trtbench.progress import OnStep, for_subject
from trtbench.results import Fidelity, Finding
from trtbench.specs import ExportSpec, InputsSpec, ModelSpec
from trtbench.store.artifacts import Store
from trtbench.verify import fidelity_of, load_reference
from trtbench.verify.emulation import Reference
from trtbench.verify.given import open_given

_References = dict[ModelSpec, Reference | TrtbenchError]


@contextmanager
def verifying(
    cells: Sequence[Cell], inputs: InputsSpec, store: Store, on_step: OnStep
) -> Iterator[Callable[[Sequence[Cell]], None]]:
    """Export the FP32 models, and yield a callback that takes exported cells to verify in a thread.

    When the block ends, the fidelity is in the row of every exported recipe and of every ONNX file beside
    one; where it is unknown, a finding gives the reason. An export keeps one core busy: verifying beside it
    takes little time of its own.

    Raises:
        SpecError: the model is unknown, there are no such images, or none can be read.
    """
    references = _references(cells, inputs, store, on_step)
    jobs: dict[str, Future[Fidelity | TrtbenchError]] = {}
    verified: list[tuple[Cell, Future[Fidelity | TrtbenchError]]] = []
    with supervising_thread() as thread:

        def verify(exported: Sequence[Cell]) -> None:
            for cell in exported:
                spec, name = cell.export or cell.beside, _identity(cell)
                if spec is None or name is None or spec.model not in references:
                    continue
                if name not in jobs:
                    jobs[name] = thread.submit(_fidelity, cell, references[spec.model], store, on_step)
                verified.append((cell, jobs[name]))

        yield verify
        for cell, job in verified:
            _tell(cell, job.result())


def _identity(cell: Cell) -> str | None:
    """What tells its model from others; None if there is none, or an engine alone."""
    if cell.onnx is not None:
        return cell.onnx.manifest.files[0].sha256
    return str(cell.file.path) if cell.file is not None and cell.file.is_model else None


def _references(cells: Sequence[Cell], inputs: InputsSpec, store: Store, on_step: OnStep) -> _References:
    references: _References = {}
    for cell in cells:
        if cell.is_live and cell.export is not None and cell.loads_onnx:
            model = cell.export.model
            if model not in references:
                compared = [each.export for each in cells if each.export and each.export.model == model]
                references[model] = _reference(compared, inputs, store, for_subject(on_step, cell.key))
    return references


def _reference(
    exports: Sequence[ExportSpec], inputs: InputsSpec, store: Store, on_step: OnStep
) -> Reference | TrtbenchError:
    try:
        return load_reference(exports[0], store, inputs, on_step, compared=exports)
    except SpecError:
        raise
    except TrtbenchError as error:
        return error


def _fidelity(
    cell: Cell, reference: Reference | TrtbenchError, store: Store, on_step: OnStep
) -> Fidelity | TrtbenchError:
    if isinstance(reference, TrtbenchError):
        return reference
    tell = for_subject(on_step, cell.key)
    if cell.file is not None:
        return _fidelity_of_file(cell, cell.file, reference, store, tell)
    if cell.onnx is None:
        return TrtbenchError("nothing was exported")
    try:
        return fidelity_of(cell.onnx, reference, store, tell)
    except SpecError:
        raise
    except TrtbenchError as error:
        return error


def _fidelity_of_file(
    cell: Cell, file: File, reference: Reference, store: Store, on_step: OnStep
) -> Fidelity | TrtbenchError:
    """Whatever the file is: one that cannot be compared ends no comparison of recipes."""
    size = None if cell.beside is None else cell.beside.model.img_size
    try:
        found = fidelity_of(file.onnx or open_given(file.path, size), reference, store, on_step)
    except TrtbenchError as error:
        return error
    name = reference.onnx.manifest.spec.model.name
    note = f"{file.label} is compared with the FP32 model of the recipes, {name}"
    return found.model_copy(update={"notes": (*found.notes, note)})


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
