"""The cells of a grid: what each is, and what is known of it so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trtbench.build.compiler import Compiler
from trtbench.compare.files import File, open_files
from trtbench.compare.places import Place
from trtbench.errors import SpecError, TrtbenchError
from trtbench.measure.run import Arm
from trtbench.results import Audit, ComparisonRow
from trtbench.results.comparison import with_keys
from trtbench.runtimes import runtime_entry
from trtbench.specs import BuildSpec, ExportSpec, Grid, ImageSize
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact


@dataclass
class Cell:
    """One subject in one environment and runtime, on its way; ``row`` is what is found of it.

    Args:
        row: with the key; its runtime is None until something can be timed in it.
        asked_runtime: the runtime that was named, if any.
        export: the model and the recipe, unless it is a file.
        file: the file, unless it is a recipe.
        place: where it is built and timed.
        beside: a recipe that the file is compared with, and whose shape it has.
        build, compiler: how its engine is built, where it needs one.
        onnx, engines, audit, arm: what was made; ``engines`` are several with ``--rebuilds``.
        not_timed: why it has no times, although nothing failed.
        error: what it failed with.
    """

    row: ComparisonRow
    asked_runtime: str | None
    export: ExportSpec | None
    file: File | None
    place: Place
    beside: ExportSpec | None = None
    build: BuildSpec | None = None
    compiler: Compiler | None = None
    onnx: OnnxArtifact | None = None
    engines: list[EngineArtifact] = field(default_factory=list)
    audit: Audit | None = None
    arm: Arm | None = None
    not_timed: str | None = None
    error: TrtbenchError | None = None

    @property
    def key(self) -> str:
        """What the cell is called, in the row, the arm and the progress."""
        return self.row.key

    @property
    def is_live(self) -> bool:
        """Whether nothing failed so far."""
        return self.row.status == "ok"

    @property
    def loads_onnx(self) -> bool:
        """Whether an ONNX file is needed: some runtimes make their own model."""
        runtime = self.row.runtime
        return runtime is None or runtime_entry(runtime).loads in ("engine", "onnx")

    @property
    def shape(self) -> tuple[int | None, ImageSize | None]:
        """Batch and image size, by which recipes are compared; files alone, whatever theirs is."""
        return (self.row.batch, self.row.img_size) if self.export or self.beside else (None, None)

    @property
    def targets(self) -> tuple[str, ...]:
        """What its engine is or will be built for; empty where it has none."""
        if self.build is not None:
            return self.build.targets
        engine = self.file.engine if self.file else None
        return engine.manifest.spec.targets if engine else ()

    def tell(self, **fields: Any) -> None:
        """Write something into the row."""
        self.row = self.row.model_copy(update=fields)

    def fail(self, error: TrtbenchError) -> None:
        """Keep what is there, and give the reason why there is no more."""
        self.error = error
        self.tell(status="failed", reason=str(error), code=error.code)


def cells_of(grid: Grid, places: list[Place]) -> list[Cell]:
    """All cells, subject by subject, in each runtime and place.

    Raises:
        SpecError: there is no subject, or a file is neither an artifact nor a model.
        ArtifactError: an artifact is missing or damaged.
    """
    exports: list[tuple[ExportSpec | None, File | None]] = [(export, None) for export in grid.exports]
    files: list[tuple[ExportSpec | None, File | None]] = [(None, file) for file in _open(grid)]
    subjects = files + exports if grid.files_first else exports + files
    if not subjects:
        raise SpecError("nothing to compare: name at least one recipe, such as fp16")
    beside = grid.exports[0] if grid.exports else None
    cells = [
        Cell(
            _row(export, file, beside if file else None, place, runtime),
            runtime,
            export,
            file,
            place,
            beside=beside if file else None,
        )
        for export, file in subjects
        for runtime in grid.runtimes or (None,)
        for place in places
    ]
    keyed = with_keys([cell.row for cell in cells])
    return [replace(cell, row=row) for cell, row in zip(cells, keyed, strict=True)]


def pairs_of(cells: Sequence[Cell]) -> list[tuple[Cell, Cell]]:
    """Each cell with its baseline, but for the baselines themselves.

    In the first environment that is the first cell of the same shape; in others, the same subject and runtime
    in the first environment.
    """
    first_place = cells[0].place
    pairs = []
    for cell in cells:
        if cell.place is first_place:
            baseline = next(each for each in cells if each.shape == cell.shape)
        else:
            baseline = next(each for each in cells if _is_same_elsewhere(each, cell))
        if baseline is not cell:
            pairs.append((cell, baseline))
    return pairs


def _is_same_elsewhere(one: Cell, other: Cell) -> bool:
    same = one.row.subject == other.row.subject and one.shape == other.shape
    return same and one.asked_runtime == other.asked_runtime


def _open(grid: Grid) -> list[File]:
    """The files; one that has the name of a recipe beside it is called by its path."""
    recipes = {str(export.recipe) for export in grid.exports}
    files = open_files([Path(path) for path in grid.files])
    return [replace(file, label=str(file.path)) if file.label in recipes else file for file in files]


def _row(
    export: ExportSpec | None, file: File | None, beside: ExportSpec | None, place: Place, runtime: str | None
) -> ComparisonRow:
    spec = export or (file.export if file else None)
    shape = beside or spec
    return ComparisonRow(
        key="",
        subject=file.label if file else str(export.recipe) if export else "",
        recipe=spec.recipe if spec else None,
        batch=shape.batch if shape else None,
        img_size=shape.model.img_size if shape else None,
        token_reduction=shape.model.token_reduction if shape else None,
        model=spec.model.without_paths() if spec else None,
        environment=place.word,
        runtime=runtime,
    )
