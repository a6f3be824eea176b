"""Report what is known to fail before anything is exported, since exports and builds take minutes."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from trtbench.build.choice import build_spec_for
from trtbench.build.compiler import Compiler, compiler_of
from trtbench.build.dialect import check_options
from trtbench.compare.cells import Cell
from trtbench.compare.files import File
from trtbench.errors import ArtifactError, RuntimeUnavailable, SpecError, TrtbenchError
from trtbench.export import check_model
from trtbench.host.hardware import check_cuda
from trtbench.host.installation import gpu_remedy, is_container
from trtbench.measure.arms import check_loads
from trtbench.measure.timers import check_protocol
from trtbench.predict.fitted import calibration_of
from trtbench.progress import OnStep, Step
from trtbench.runtimes import missing_packages, runtime_entry
from trtbench.specs import BuildSpec, Grid
from trtbench.store.artifacts import Store
from trtbench.trtexec.tool import find_trtexec
from trtbench.units import format_bytes
from trtbench.verify.images import class_folders

LEAST_FREE_BYTES = 50_000_000
"""Below this not even ViT-Tiny has room: 11 MB in FP16 as a model, as much as an engine, 23 MB in FP32."""


def check_grid(grid: Grid) -> None:
    """Refuse what is wrong whatever this machine is.

    Raises:
        SpecError: a runtime is unknown, named twice, or cannot take recipes or the protocol; no rates fit
            the GPU of the predictions; or there are no images to measure errors on.
    """
    if grid.inputs.directory is not None and not grid.inputs.is_calibration:
        class_folders(Path(grid.inputs.directory))
    if grid.gpu is not None:
        calibration_of(grid.gpu)
    for runtime in grid.runtimes:
        if grid.exports and runtime_entry(runtime).loads == "script":
            raise SpecError(f"runtime {runtime} takes script files, not recipes")
        if grid.runtimes.count(runtime) > 1:
            raise SpecError(
                f"runtime {runtime} is named more than once; to compare an arm with itself, use bench --aa"
            )
    namesake = (grid.build.backend,) if grid.build.backend else ()
    check_protocol(grid.runtimes or namesake, grid.bench)


def check_cells(cells: Sequence[Cell], grid: Grid, store: Store, on_step: OnStep) -> None:
    """Decide how each cell is built, and fail the cells that this machine or their environment cannot do.

    Raises:
        SpecError: the request is wrong here, or in every environment.
        RuntimeUnavailable: nothing can be built or timed, and no named environment has a row to say why.
        ArtifactError: the disk of the store is full.
    """
    compilers = _Compilers()
    problems = [_problem(cell, grid, compilers) for cell in cells]
    _raise_what_is_wrong_for_all(problems, bool(grid.environments))
    for cell, error in zip(cells, problems, strict=True):
        if error is not None:
            cell.fail(error)
    if any(cell.is_live for cell in cells):
        _check_space(store)
        _check_image_sizes(cells, on_step)


def _raise_what_is_wrong_for_all(problems: Sequence[TrtbenchError | None], has_environments: bool) -> None:
    errors = [error for error in problems if error is not None]
    wrong = [error for error in errors if isinstance(error, SpecError)]
    if wrong and (not has_environments or len(wrong) == len(problems)):
        raise wrong[0]
    if not has_environments and len(errors) == len(problems):
        raise errors[0]


class _Compilers:
    """Looks for each compiler once: that starts programs and asks the driver."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Compiler | TrtbenchError] = {}

    def of(self, cell: Cell, spec: BuildSpec) -> Compiler:
        """What ``compiler_of`` gives or raises."""
        key = (cell.place.word, spec.backend, spec.targets)
        if key not in self._found:
            try:
                self._found[key] = compiler_of(cell.place.ready, spec)
            except TrtbenchError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, TrtbenchError):
            raise found
        return found


def _problem(cell: Cell, grid: Grid, compilers: _Compilers) -> TrtbenchError | None:
    try:
        if cell.place.error is not None:
            raise cell.place.error
        if cell.file is not None:
            _check_file(cell, cell.file)
        if cell.row.runtime is not None:
            _check_runtime(cell, cell.row.runtime)
        if _needs_engine(cell):
            _choose_compiler(cell, grid, compilers)
    except TrtbenchError as error:
        return error
    return None


def _check_file(cell: Cell, file: File) -> None:
    """Refuse a file of another batch than the recipes beside it, or of an unknown one."""
    if cell.beside is None or file.batch == cell.beside.batch:
        return
    if file.batch is None:
        raise SpecError(f"{file.path}: its batch is not known; compare it without recipes")
    raise SpecError(
        f"{file.path} has batch {file.batch}, the recipes beside it {cell.beside.batch}; "
        f"use --batch {file.batch}"
    )


def _check_runtime(cell: Cell, runtime: str) -> None:
    """Refuse a runtime that has no device, program or package where the cell is timed."""
    entry, ready = runtime_entry(runtime), cell.place.ready
    is_elsewhere = ready is not None and ready.spec.kind != "local"
    if entry.times_itself:
        if is_elsewhere:
            raise RuntimeUnavailable(
                f"{runtime} runs here, not in {cell.place.word}; remove --runtime {runtime}"
            )
        find_trtexec()
    if ready is not None and entry.loads == "onnx" and ready.contents.onnxruntime is None:
        problem = ready.contents.onnxruntime_problem
        remedy = f"it cannot be imported: {problem}" if problem else "use --env venv:onnxruntime==VERSION"
        raise RuntimeUnavailable(
            f"{cell.place.word} has no onnxruntime, which runtime {runtime} needs: {remedy}"
        )
    missing = [] if is_elsewhere else missing_packages(runtime)
    if missing:
        raise RuntimeUnavailable(
            f"runtime {runtime} needs {', '.join(missing)}; trtbench doctor shows how to install it"
        )
    if entry.device == "cuda":
        _check_gpu(runtime)


def _check_gpu(runtime: str) -> None:
    try:
        check_cuda()
    except RuntimeUnavailable as error:
        container = f"; {gpu_remedy()}" if is_container() else ""
        raise RuntimeUnavailable(
            f"runtime {runtime} needs a GPU: {error}; --runtime onnxruntime-cpu times on the CPU{container}"
        ) from error


def _needs_engine(cell: Cell) -> bool:
    """Whether an engine is built for the cell; an engine that was named is checked against its runtime."""
    runtime, file = cell.row.runtime, cell.file
    if runtime is not None and file is not None and file.engine is not None:
        check_loads(runtime, file.engine.manifest.backend, str(file.path))
    loads_engines = runtime is None or runtime_entry(runtime).loads == "engine"
    return loads_engines and (file is None or file.is_model)


def _choose_compiler(cell: Cell, grid: Grid, compilers: _Compilers) -> None:
    sparse = cell.row.recipe is not None and cell.row.recipe.sparse
    if cell.row.runtime is not None and grid.build.backend is not None:
        check_loads(cell.row.runtime, grid.build.backend, f"--backend {grid.build.backend}")
    cell.build = build_spec_for(grid.build, cell.row.runtime, cell.place.ready, sparse)
    cell.compiler = compilers.of(cell, cell.build)
    check_options(cell.build, cell.compiler.version)


def _check_space(store: Store) -> None:
    there = next(path for path in (store.root, *store.root.absolute().parents) if path.exists())
    free_bytes = shutil.disk_usage(there).free
    if free_bytes < LEAST_FREE_BYTES:
        raise ArtifactError(
            f"{store.root.absolute()}: {format_bytes(free_bytes)} free, a comparison needs at least "
            f"{format_bytes(LEAST_FREE_BYTES)}; make room or choose another store with --store"
        )


def _check_image_sizes(cells: Sequence[Cell], on_step: OnStep) -> None:
    """Refuse several image sizes of which one does not fit the model, before the first is exported."""
    models = dict.fromkeys(cell.export.model for cell in cells if cell.export)
    if len({model.img_size for model in models}) < 2:
        return
    for model in models:
        on_step(Step("setup", f"check images of {model.img_size} pixels"))
        check_model(model)
