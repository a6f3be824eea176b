"""The front of a search at other batches and image sizes, each built of a few blocks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from trtbench.errors import TrtbenchError
from trtbench.host.installation import needing
from trtbench.results import Prediction, RooflineSection, TunedRow, TunedShape
from trtbench.specs import Change, ExportSpec, ImageSize
from trtbench.specs.recipe import Recipe
from trtbench.tune.search import Search
from trtbench.tune.work import Piece


def at_shapes(search: Search, rows: Sequence[TunedRow]) -> tuple[TunedShape, ...]:
    """Predict the recipes of the front at each shape that was asked for, that of the search first.

    Args:
        search: with its parts made.
        rows: the confirmed recipes.

    Raises:
        SpecError: an image size does not fit the model.
    """
    if not search.spec.shapes:
        return ()
    recipes = [row.recipe for row in rows if row.on_front]
    changes = [_change(search.spec.export, *shape) for shape in search.spec.shapes]
    pieces = [Piece("shallow", recipe, change) for recipe in recipes for change in changes]
    search.do(pieces, "build other shapes")
    sections = _sections(search, recipes)
    return tuple(_shapes(search, rows, recipes, changes, sections))


def _change(export: ExportSpec, batch: int, img_size: ImageSize | None) -> Change:
    return Change(
        batch=None if batch == export.batch else batch,
        img_size=None if img_size == export.model.img_size else img_size,
    )


def _shapes(
    search: Search,
    rows: Sequence[TunedRow],
    recipes: Sequence[Recipe],
    changes: Sequence[Change],
    sections: Mapping[tuple[Recipe, ImageSize | None], RooflineSection],
) -> Iterator[TunedShape]:
    """Recipe by recipe, image size by image size."""
    export = search.spec.export
    confirmed = {row.recipe: row for row in rows}
    for recipe in recipes:
        for change in (Change(), *changes):
            size = change.img_size or export.model.img_size
            section = sections[_dense(recipe), size]
            shape = TunedShape(
                recipe=recipe,
                batch=change.batch or export.batch,
                img_size=size,
                tokens=section.tokens,
                l2_batch=section.l2.batch if section.l2 else None,
            )
            row = confirmed[recipe]
            found = (
                {"prediction": row.prediction, "activation_bytes": row.activation_bytes}
                if change == Change()
                else _built(search, Piece("shallow", recipe, change))
            )
            yield shape.model_copy(update=found)


def _built(search: Search, piece: Piece) -> dict[str, object]:
    """Fields of the shape that was built."""
    line = search.line_of(piece)
    time = search.time_of(line)
    if line.engine is None or not isinstance(time, Prediction):
        return {"reason": str(time) if isinstance(time, TrtbenchError) else line.reason}
    return {
        "prediction": time.model_copy(update={"layers": ()}),
        "activation_bytes": line.engine.activation_bytes,
    }


def _sections(
    search: Search, recipes: Sequence[Recipe]
) -> dict[tuple[Recipe, ImageSize | None], RooflineSection]:
    """Roofs by recipe and image size, which say how many tokens there are and what stays in L2."""
    with needing("torch", "export"):
        from trtbench.predict.roofline import roofline
    export = search.spec.export
    sizes = dict.fromkeys((export.model.img_size, *(size for _, size in search.spec.shapes)))
    exports = [
        export.model_copy(
            update={"recipe": recipe, "model": export.model.model_copy(update={"img_size": size})}
        )
        for size in sizes
        for recipe in dict.fromkeys(map(_dense, recipes))
    ]
    found = roofline(exports, search.gpu).sections
    return {(section.recipe, section.img_size): section for section in found}


def _dense(recipe: Recipe) -> Recipe:
    """Roofs are those of dense products; their activations are the same."""
    return replace(recipe, sparse=False)
