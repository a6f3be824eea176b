"""What the passes of a recipe are worth, and what 2:4 sparse weights cost: one thing changed at a time."""

from collections.abc import Iterator
from dataclasses import replace

from trtbench.errors import TrtbenchError
from trtbench.predict.levers import sparse_weights
from trtbench.predict.pricing import price
from trtbench.results import Prediction, TuneLine, Variant
from trtbench.specs import Change
from trtbench.specs.recipe import Recipe
from trtbench.tune.depth import deepened
from trtbench.tune.search import Search
from trtbench.tune.work import Piece


def variants_of(search: Search, recipe: Recipe) -> tuple[Variant, ...]:
    """Leave out each pass of a recipe, take ModelOpt's own graph, and prune its weights.

    Times are extrapolated from a few blocks, as those of all parts; errors are of the whole model.
    """
    changed = list(_changed(search, recipe))
    pieces = [Piece(part, *each) for part in ("error", "shallow") for each in changed]  # the long ones first
    search.do(pieces, "measure what passes are worth")
    return tuple(_variant(search, *each) for each in changed)


def _changed(search: Search, recipe: Recipe) -> Iterator[tuple[Recipe, Change]]:
    if recipe.is_quantized:
        for name in search.passes_of(recipe):
            yield recipe, Change(without=name)
    if recipe.precision.is_quantized:
        yield Recipe(recipe.precision, stock=True), Change()
    if not search.runs_sparse:
        yield replace(recipe, sparse=True), Change()


def _variant(search: Search, recipe: Recipe, change: Change) -> Variant:
    shallow = search.line_of(Piece("shallow", recipe, change))
    error = search.line_of(Piece("error", recipe, change))
    time = search.time_of(shallow)
    failed = str(time) if isinstance(time, TrtbenchError) else shallow.reason or error.reason
    found = time if isinstance(time, Prediction) else None
    return Variant(
        recipe=recipe,
        without=change.without,
        passes=search.passes_of(recipe, change.without) if change.without else None,
        reason=failed,
        prediction=found and found.model_copy(update={"layers": ()}),
        kernels=len(found.layers) if found else None,
        fidelity=error.fidelity,
        note=_assumed_of_sparse(search, shallow) if found and recipe.sparse else None,
    )


def _assumed_of_sparse(search: Search, line: TuneLine) -> str | None:
    """What sparse kernels might save at most, which the compiler does not run."""
    if line.engine is None:
        return None
    layers = deepened(line.engine.audit.layers, line.engine.depth - line.engine.blocks)
    gain = next(sparse_weights(price(layers, search.gpu)), None)
    return None if gain is None else f"{gain.name}: at most {gain.saves_ms:.2f} ms less: {gain.basis}"
