"""How far the estimates of a search over recipes are off: the tables of docs/results/tuning.md.

    python docs/benchmarks/tune_evidence.py vit_base_patch16_224 --gpu rtx-pro-6000 --batch 64 --store DIR

Takes up the search that ``trtbench tune`` made in that store. Besides its parts it builds shallow engines of
random recipes, and measures errors of random whole models: none of them was chosen by its estimate.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from trtbench.compare.grid import prepared_cells
from trtbench.predict.gpus import find_gpu
from trtbench.progress import Step
from trtbench.results import Prediction
from trtbench.specs import CalibrationSpec, ExportSpec, Grid, ModelSpec, TuneSpec
from trtbench.specs.recipe import Recipe
from trtbench.store.artifacts import Store
from trtbench.tune.estimate import whole_time
from trtbench.tune.journals import open_journals
from trtbench.tune.search import Search
from trtbench.tune.space import BASELINE
from trtbench.tune.work import Piece
from trtbench.tune.workers import Workers
from trtbench.verify.images import choose_images


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--gpu", required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--engines", type=int, default=12)
    parser.add_argument("--errors", type=int, default=4)
    words = parser.parse_args()
    export = ExportSpec(
        model=ModelSpec(name=words.model), recipe=BASELINE, batch=words.batch, calibration=CalibrationSpec()
    )
    spec, gpu, store = TuneSpec(export=export), find_gpu(words.gpu), Store(words.store)
    grid = Grid(exports=(export,), build=spec.build.model_copy(update={"targets": (gpu.target,)}))
    cell = prepared_cells(grid, store, show)[0]
    inputs = choose_images(spec.inputs, None).spec
    journals = open_journals(spec, cell.build, cell.compiler, store, inputs, show)
    with journals as done, Workers() as workers:
        search = Search(spec, gpu, inputs, cell.build, cell.compiler, store, done, workers, show)
        search.make_parts()
        rows = [row.recipe for row in search.confirm(search.estimates())]
        drawn = random.Random(0).sample(search.recipes, words.engines)  # noqa: S311
        shallow = [Piece("shallow", recipe) for recipe in dict.fromkeys((*rows, *drawn))]
        search.do(shallow, "build shallow engines")
        search.do([Piece("error", recipe) for recipe in drawn[: words.errors]], "measure errors")
        tables(search, rows, drawn)


def show(step: Step) -> None:
    """Print a step."""
    print(step.text, step.done, step.total, flush=True)


def tables(search: Search, rows: Sequence[Recipe], drawn: Sequence[Recipe]) -> None:
    """Print depth, parts and errors, each estimate beside what it stands for."""
    estimates, done = search.estimates(), search.done
    whole = {recipe: time_of(search, "whole", recipe).gpu_compute_ms for recipe in rows}
    shallow = {
        recipe: time_of(search, "shallow", recipe).gpu_compute_ms for recipe in dict.fromkeys((*rows, *drawn))
    }
    print("\n| recipe | whole engine, ms | from 3 blocks | off |\n|---|---|---|---|")
    for recipe in rows:
        print(line(recipe, whole[recipe], shallow[recipe], 4, relative=True))
    print("\n| recipe | its own 3 blocks, ms | sum of parts | off |\n|---|---|---|---|")
    for recipe, direct in shallow.items():
        print(line(recipe, direct, estimates[recipe].gpu_compute_ms, 4, relative=True))
    print("\n| recipe | whole model, dB | sum of parts | off |\n|---|---|---|---|")
    for recipe in dict.fromkeys((*rows, *drawn)):
        found = done.of("whole").get(recipe) or done.of("error").get(recipe)
        if found is not None and found.fidelity is not None:
            print(line(recipe, found.fidelity.sqnr_db, estimates[recipe].sqnr_db, 2, relative=False))


def time_of(search: Search, part: str, recipe: Recipe) -> Prediction:
    """The predicted time of the whole model from one of its engines."""
    return whole_time(search.done.of(part)[recipe].engine, search.gpu, search.spec.export.batch)


def line(recipe: Recipe, real: float, estimated: float, digits: int, relative: bool) -> str:
    """A line of a table."""
    off = f"{100 * (estimated / real - 1):+.2f} %" if relative else f"{estimated - real:+.2f} dB"
    return f"| `{recipe}` | {real:.{digits}f} | {estimated:.{digits}f} | {off} |"


if __name__ == "__main__":
    main()
