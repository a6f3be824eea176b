"""From parts of recipes to estimates of all, and from the front of the estimates to confirmed rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from trtbench.build.compiler import Compiler
from trtbench.errors import BuildError, SpecError, TrtbenchError
from trtbench.progress import OnStep
from trtbench.results import Estimate, Prediction, TunedRow, TuneLine
from trtbench.specs import BuildSpec, ExportSpec, GpuSpec, InputsSpec, TuneSpec
from trtbench.specs.recipe import Recipe
from trtbench.store.artifacts import Store
from trtbench.tune.estimate import estimate_of, relative_noise, whole_time
from trtbench.tune.front import first_choice, next_choice, pareto
from trtbench.tune.journals import Done
from trtbench.tune.space import BASELINE, TIME_BASE, all_recipes, error_parts, precisions_of, time_parts
from trtbench.tune.work import Piece, Task
from trtbench.tune.workers import Workers

_SHARED = (Piece("whole", BASELINE), Piece("shallow", TIME_BASE))
"""Parts that all estimates share."""
_ROUNDS = 4
"""Of confirming; each narrows down where the fastest recipe is that keeps what was asked for."""


@dataclass(frozen=True)
class Search:
    """A search in progress.

    Args:
        spec, gpu, inputs: what is searched for, with the images that were chosen.
        build, compiler: how engines are built.
        store: where whole candidates are kept.
        done: finished work.
        workers: processes that do the rest.
        on_step: progress callback.
    """

    spec: TuneSpec
    gpu: GpuSpec
    inputs: InputsSpec
    build: BuildSpec
    compiler: Compiler
    store: Store
    done: Done
    workers: Workers
    on_step: OnStep

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """All that are estimated."""
        return all_recipes(precisions_of(self.gpu))

    @cached_property
    def shallow_parts(self) -> tuple[Recipe, ...]:
        """Recipes whose times all others are composed of."""
        return tuple(dict.fromkeys(part for recipe in self.recipes for part in time_parts(recipe)))

    @cached_property
    def error_parts(self) -> tuple[Recipe, ...]:
        """Recipes whose errors all others are composed of, besides the baseline."""
        return tuple(dict.fromkeys(part for recipe in self.recipes for part in error_parts(recipe)))

    def make_parts(self) -> None:
        """Make what estimates are composed of.

        Raises:
            BuildError: a part that all estimates share failed.
        SpecError: accuracy was asked for, and the model or the images have none.
        """
        # What all share first, since its failure ends the search; then the long ones, so that no worker is
        # left with one at the end.
        wanted = [*_SHARED, *(Piece("error", recipe) for recipe in self.error_parts)]
        wanted += [Piece("shallow", recipe) for recipe in self.shallow_parts if recipe != TIME_BASE]
        self.do(wanted, "measure parts of recipes")
        for piece in _SHARED:
            self._check_shared(self.line_of(piece))

    def estimates(self) -> dict[Recipe, Estimate]:
        """What the parts of each recipe add up to; recipes with a part that failed are missing."""
        errors = {**self.done.of("error"), BASELINE: self.done.of("whole")[BASELINE]}
        found = {recipe: time for recipe, time in self._times.items() if isinstance(time, Prediction)}
        noises = {recipe: relative_noise(line.fidelity) for recipe, line in errors.items() if line.fidelity}
        return {
            recipe: estimate_of(recipe, found, noises)
            for recipe in self.recipes
            if found.keys() >= set(time_parts(recipe)) and noises.keys() >= set(error_parts(recipe))
        }

    def failures(self) -> tuple[str, ...]:
        """Parts that failed, each with its reason."""
        lines = (*self.done.of("shallow").values(), *self.done.of("error").values())
        failed: dict[Recipe, object] = {line.recipe: line.reason for line in lines if line.reason is not None}
        failed |= {recipe: why for recipe, why in self._times.items() if isinstance(why, TrtbenchError)}
        return tuple(f"{recipe}: {reason}" for recipe, reason in failed.items())

    @cached_property
    def _times(self) -> dict[Recipe, Prediction | TrtbenchError | None]:
        """Times of whole models from their first blocks, once all parts are made."""
        return {recipe: self.time_of(line) for recipe, line in self.done.of("shallow").items()}

    def confirm(self, estimates: Mapping[Recipe, Estimate]) -> list[TunedRow]:
        """Make the baseline and some of the front whole; give their rows, the fastest first.

        A further round follows while a faster recipe might keep what was asked for.
        """
        front = front_of(estimates)
        places = first_choice(len(front), self._expected([estimates[recipe] for recipe in front]))
        rows: dict[int, TunedRow] = {}
        for _ in range(_ROUNDS):
            self._make_whole([front[place] for place in places])
            rows |= {place: self._row(front[place], estimates) for place in places}
            places = next_choice(len(front), {place: row.meets is True for place, row in rows.items()})
            if not places or self._asks_nothing:
                break
        confirmed = {row.recipe: row for row in (self._row(BASELINE, estimates), *rows.values())}
        if self.runs_sparse:
            sparse = [replace(recipe, sparse=True) for recipe in confirmed]
            self._make_whole(sparse)
            confirmed |= {recipe: self._row(recipe, estimates) for recipe in sparse}
        return _with_front(sorted(confirmed.values(), key=lambda row: row.predicted_ms))

    @property
    def runs_sparse(self) -> bool:
        """Whether the compiler has kernels for 2:4 weights, and the GPU is faster with them."""
        return self.build.backend != "tensorrt_rtx" and self.gpu.sparse_factor > 1

    def _make_whole(self, recipes: Sequence[Recipe]) -> None:
        self.do([Piece("whole", recipe) for recipe in recipes], "confirm recipes on the whole model")

    def do(self, wanted: Sequence[Piece], text: str) -> None:
        """Make these, but for those that are done."""
        tasks = [
            self._task(each) for each in wanted if each.recipe not in self.done.of(each.part, each.change)
        ]
        self.workers.run(tasks, text, self.on_step, self._keep)

    def _keep(self, line: TuneLine) -> None:
        """Keep a finished line; where all others would be in vain, end the search at once."""
        self.done.add(line)
        if Piece(line.part, line.recipe, line.change) in _SHARED:
            self._check_shared(line)

    def line_of(self, piece: Piece) -> TuneLine:
        """The line of a piece that was done.

        Raises:
            KeyError: it was not.
        """
        return self.done.of(piece.part, piece.change)[piece.recipe]

    def _check_shared(self, line: TuneLine) -> None:
        if line.reason is not None:
            raise BuildError(
                f"{line.recipe}, which all others are compared with, failed: {line.reason}", code=line.code
            )
        if line.fidelity and line.fidelity.top1_drop is None and self.spec.max_top1_drop is not None:
            raise SpecError("--max-top1-drop needs a classifier: this model has none")

    def _task(self, piece: Piece) -> Task:
        export = self._export(piece)
        return Task(
            piece.part,
            piece.change,
            export,
            self.build,
            self.compiler,
            self.inputs,
            self.store,
            self.done.scratch,
        )

    def _export(self, piece: Piece) -> ExportSpec:
        export, change = self.spec.export, piece.change
        passes, model = export.passes, export.model
        if change.without is not None:
            passes = self.passes_of(piece.recipe, change.without)
        if change.img_size is not None:
            model = model.model_copy(update={"img_size": change.img_size})
        batch = change.batch or export.batch
        return export.model_copy(
            update={"recipe": piece.recipe, "passes": passes, "model": model, "batch": batch}
        )

    def passes_of(self, recipe: Recipe, without: str | None = None) -> tuple[str, ...]:
        """Passes that the search runs for a recipe, ``without`` one."""
        from trtbench.export.passes import passes_of  # torch with it

        return tuple(name for name in passes_of(recipe, self.spec.export.passes) if name != without)

    def time_of(self, line: TuneLine) -> Prediction | TrtbenchError | None:
        """The time of the whole model, or why there is none; None of a line that failed."""
        if line.engine is None:
            return None
        try:
            return whole_time(line.engine, self.gpu, line.change.batch or self.spec.export.batch)
        except TrtbenchError as error:  # such as a precision that the GPU lacks
            return error

    def _row(self, recipe: Recipe, estimates: Mapping[Recipe, Estimate]) -> TunedRow:
        line, estimate = self.done.of("whole")[recipe], estimates.get(recipe)
        time = self.time_of(line)
        if line.engine is None or not isinstance(time, Prediction):
            failed = time if isinstance(time, TrtbenchError) else None
            return TunedRow(
                recipe=recipe,
                status="failed",
                reason=str(failed) if failed else line.reason,
                code=failed.code if failed else line.code,
                estimate=estimate,
            )
        row = TunedRow(
            recipe=recipe,
            estimate=estimate,
            prediction=time.model_copy(update={"layers": ()}),
            kernels=len(time.layers),
            fidelity=line.fidelity,
            engine_bytes=line.engine.engine_bytes,
            activation_bytes=line.engine.activation_bytes,
        )
        return row.model_copy(update={"meets": self._meets(row)})

    @property
    def _asks_nothing(self) -> bool:
        return self.spec.min_sqnr_db is None and self.spec.max_top1_drop is None

    def _meets(self, row: TunedRow) -> bool | None:
        """Whether a confirmed row keeps what was asked for; None where nothing was asked."""
        least, most = self.spec.min_sqnr_db, self.spec.max_top1_drop
        if least is not None:
            return row.sqnr_db >= least
        return None if most is None or row.top1_drop is None else row.top1_drop <= most

    def _expected(self, front: Sequence[Estimate]) -> int | None:
        """Where on the front the fastest recipe is expected that keeps the SQNR that was asked for."""
        least = self.spec.min_sqnr_db
        if least is None:
            return None
        reached = [each.sqnr_db is None or each.sqnr_db >= least for each in front]
        return reached.index(True) if any(reached) else len(front) - 1


def front_of(estimates: Mapping[Recipe, Estimate]) -> list[Recipe]:
    """Recipes whose estimates no other beats in time and error, the fastest first."""

    def costs(recipe: Recipe) -> tuple[float, float]:
        found = estimates[recipe]
        return found.gpu_compute_ms, -math.inf if found.sqnr_db is None else -found.sqnr_db

    return sorted(pareto(list(estimates), costs), key=costs)


def _with_front(rows: Sequence[TunedRow]) -> list[TunedRow]:
    """Say of each row whether no other is as good in time, error, size and memory, and better in one."""
    made = [row for row in rows if row.prediction]
    front = {row.recipe for row in pareto(made, _costs)}
    return [row.model_copy(update={"on_front": row.recipe in front}) for row in rows]


def _costs(row: TunedRow) -> tuple[float, ...]:
    return row.predicted_ms, -row.sqnr_db, row.engine_bytes or 0, row.activation_bytes or 0


def estimates_were_off(rows: Sequence[TunedRow]) -> tuple[float, float]:
    """Most that the estimates of confirmed rows were off: time in percent, SQNR in dB."""
    pairs = [(row, row.estimate) for row in rows if row.estimate and row.prediction]
    times = [abs(found.gpu_compute_ms / row.predicted_ms - 1) for row, found in pairs]
    sqnrs = [
        abs(found.sqnr_db - row.fidelity.sqnr_db)
        for row, found in pairs
        if row.fidelity and row.fidelity.sqnr_db is not None and found.sqnr_db is not None
    ]
    return 100 * max(times, default=0.0), max(sqnrs, default=0.0)
