"""How far the exported model of each cell is from the FP32 model, once a file, while others are exported."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from trtbench.compare.cells import Cell
from trtbench.errors import Code, SpecError, TrtbenchError
from trtbench.host.processes import supervising_thread
from trtbench.progress import OnStep, for_subject
from trtbench.results import Fidelity, Finding
from trtbench.specs import ExportSpec, InputsSpec, ModelSpec
from trtbench.store.artifacts import Store
from trtbench.verify import fidelity_of, load_reference
from trtbench.verify.emulation import Reference

_References = dict[ModelSpec, Reference | TrtbenchError]


@contextmanager
def verifying(
    cells: Sequence[Cell], inputs: InputsSpec, store: Store, on_step: OnStep
) -> Iterator[Callable[[Sequence[Cell]], None]]:
    """Export the FP32 models, and yield a callback that takes exported cells to verify in a thread.

    When the block ends, the fidelity is in the row of every exported recipe; where it is unknown, a finding
    gives the reason. An export keeps one core busy: verifying beside it takes little time of its own.

    Raises:
        SpecError: the model is unknown, there are no such images, or none can be read.
    """
    references = _references(cells, inputs, store, on_step)
    jobs: dict[str, Future[Fidelity | TrtbenchError]] = {}
    verified: list[tuple[Cell, Future[Fidelity | TrtbenchError]]] = []
    with supervising_thread() as thread:

        def verify(exported: Sequence[Cell]) -> None:
            for cell in exported:
                if cell.onnx is None or cell.export is None:
                    continue
                sha256 = cell.onnx.manifest.files[0].sha256
                if sha256 not in jobs:
                    reference = references[cell.export.model]
                    jobs[sha256] = thread.submit(_fidelity, cell, reference, store, on_step)
                verified.append((cell, jobs[sha256]))

        yield verify
        for cell, job in verified:
            _tell(cell, job.result())


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
    if isinstance(reference, TrtbenchError) or cell.onnx is None:
        return reference if isinstance(reference, TrtbenchError) else TrtbenchError("nothing was exported")
    try:
        return fidelity_of(cell.onnx, reference, store, for_subject(on_step, cell.key))
    except SpecError:
        raise
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
