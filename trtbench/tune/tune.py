"""The stage: the recipes of one model that no other recipe beats on a GPU, and the one to take."""

from collections.abc import Sequence
from contextlib import suppress
from shutil import rmtree

from trtbench.compare import compare
from trtbench.compare.grid import prepared_cells
from trtbench.compare.recommend import fastest
from trtbench.compare.timing import why_not_timed
from trtbench.predict.fitted import calibration_of
from trtbench.predict.listing import gpu_entry
from trtbench.predict.speedup import predicted_speedup
from trtbench.progress import OnStep, silent
from trtbench.results import TunedRow, Tuning
from trtbench.runtimes import runtime_entry
from trtbench.specs import BuildSpec, GpuSpec, Grid, TuneSpec
from trtbench.specs.recipe import Recipe
from trtbench.store.artifacts import Store
from trtbench.store.results import save_result
from trtbench.tune.journals import open_journals
from trtbench.tune.search import Search, estimates_were_off
from trtbench.tune.shapes import at_shapes
from trtbench.tune.space import BASELINE, not_searched
from trtbench.tune.variants import variants_of
from trtbench.tune.workers import Workers
from trtbench.verify.images import choose_images


def tune(spec: TuneSpec, gpu: GpuSpec, store: Store, on_step: OnStep = silent) -> Tuning:
    """Search precisions by role and of attention for recipes that no other beats in time and error.

    Every recipe is estimated: its time from engines of a few blocks, its error from whole models with one
    quantised role each. Of the front, a few are made whole: exported, built, audited, verified, predicted,
    and timed where their engines run. Then one thing of the winner is changed at a time, and the front is
    predicted at the other shapes. Finished work is kept, and an interrupted search takes it up again. The
    result is kept in the store.

    Args:
        spec: the model, its shape, and what a recipe must keep.
        gpu: where the engines would run; see ``find_gpu``.
        store: where artifacts, results and finished work are looked up and kept.
        on_step: progress callback.

    Raises:
        SpecError: the request is wrong, no rates fit the GPU, or an accuracy is asked for that nothing has.
        RuntimeUnavailable: nothing can be built on this machine.
        BuildError: a part that all recipes share failed, or a worker died.
        ArtifactError: the store cannot be read or written.
    """
    calibration_of(gpu)  # refuses a GPU without rates before anything is exported
    grid = _grid(spec, gpu, [BASELINE], _loads_engines(spec.runtime))
    cell = prepared_cells(_with_shapes(grid, spec), store, on_step)[0]
    if cell.build is None or cell.compiler is None:
        raise ValueError("a cell without a runtime, or with one that loads engines, is built")
    inputs = choose_images(spec.inputs, None).spec
    build, compiler = cell.build, cell.compiler
    with open_journals(spec, build, compiler, store, inputs, on_step) as done, Workers() as workers:
        rmtree(done.scratch, ignore_errors=True)  # of a search that was killed
        search = Search(spec, gpu, inputs, build, compiler, store, done, workers, on_step)
        search.make_parts()
        rows = search.confirm(search.estimates())
        found = _without_times(search, rows)
        timed, not_timed = _timed(spec, gpu, build, rows, store, on_step)
        tuning = _with_winner(found.model_copy(update={"rows": tuple(timed), "not_timed": not_timed}))
        variants = variants_of(search, tuning.winner) if tuning.winner else ()
        tuning = tuning.model_copy(update={"variants": variants, "shapes": at_shapes(search, rows)})
        with suppress(OSError):  # logs of what failed are in it
            done.scratch.rmdir()
    save_result(store, f"{done.name}-{gpu.name}", tuning)
    return tuning


def _grid(spec: TuneSpec, gpu: GpuSpec, recipes: Sequence[Recipe], runtimes: tuple[str, ...]) -> Grid:
    return Grid(
        exports=tuple(spec.export.model_copy(update={"recipe": recipe}) for recipe in recipes),
        build=spec.build.model_copy(update={"targets": (gpu.target,)}),
        runtimes=runtimes,
        bench=spec.bench,
    )


def _with_shapes(grid: Grid, spec: TuneSpec) -> Grid:
    """With the other shapes, so that they are checked before anything is made."""
    (export,) = grid.exports
    others = (
        export.model_copy(
            update={"batch": batch, "model": export.model.model_copy(update={"img_size": size})}
        )
        for batch, size in spec.shapes
    )
    return grid.model_copy(update={"exports": (export, *others)})


def _loads_engines(runtime: str | None) -> tuple[str, ...]:
    """The runtime, if the compiler depends on it."""
    return (runtime,) if runtime is not None and runtime_entry(runtime).loads == "engine" else ()


def _timed(
    spec: TuneSpec, gpu: GpuSpec, build: BuildSpec, rows: list[TunedRow], store: Store, on_step: OnStep
) -> tuple[list[TunedRow], str | None]:
    """Time the confirmed recipes side by side where they run; else say why they are not timed."""
    reason = None if spec.runtime else why_not_timed(build.targets)
    if reason is not None:
        return rows, reason
    recipes = [row.recipe for row in rows if row.prediction and row.recipe != BASELINE]
    grid = _grid(spec, gpu, [BASELINE, *recipes], (spec.runtime,) if spec.runtime else ())
    measured = {row.recipe: row.measured for row in compare(grid, store, on_step).rows}
    return [row.model_copy(update={"measured": measured.get(row.recipe)}) for row in rows], None


def _without_times(search: Search, rows: Sequence[TunedRow]) -> Tuning:
    """The result as far as it is predicted, without a winner."""
    spec = search.spec
    time_error_pct, sqnr_error_db = estimates_were_off(rows)
    return Tuning(
        model=spec.export.model.name,
        batch=spec.export.batch,
        img_size=spec.export.model.img_size,
        weights=spec.export.model.weights,
        inputs=search.inputs,
        gpu=gpu_entry(search.gpu),
        min_sqnr_db=spec.min_sqnr_db,
        max_top1_drop=spec.max_top1_drop,
        candidates=len(search.recipes),
        engines_built=len(search.shallow_parts),
        errors_measured=len(search.error_parts),
        rows=tuple(rows),
        time_error_pct=time_error_pct,
        sqnr_error_db=sqnr_error_db,
        not_searched=not_searched(search.build.backend),
        failures=search.failures(),
    )


def _with_winner(tuning: Tuning) -> Tuning:
    """The fastest row that keeps what was asked for, by measured times where all such rows have one."""
    good = [row for row in tuning.rows if row.prediction and row.meets is not False]
    if not good:
        return tuning
    is_timed = all(row.measured_ms is not None for row in good)
    winner = fastest(
        good,
        lambda row: row.measured_ms if is_timed and row.measured_ms else row.predicted_ms,
        lambda row: -row.sqnr_db,
    )
    base = tuning.row_of(BASELINE)
    speedup = None
    if base and base.prediction and winner.prediction and base is not winner:
        speedup = predicted_speedup(str(BASELINE), base.prediction, str(winner.recipe), winner.prediction)
    by = "measured" if is_timed else "predicted"
    return tuning.model_copy(update={"winner": winner.recipe, "by": by, "speedup": speedup})
