"""What follows a search as text: the winner with one thing changed, and the front at other shapes."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from trtbench.report.text.fidelity import format_sqnr
from trtbench.report.text.tables import table_of
from trtbench.results import TunedRow, TunedShape, Tuning, Variant
from trtbench.units import format_bytes

_WORTH = 0.01
"""Times that are closer than this count as equal."""
_L2_HOLDS = (
    "L2 holds: the largest batch whose activations stay in L2, by the model's structure (trtbench roofline)"
)


def render_variants(tuning: Tuning, console: Console) -> None:
    """Print what each pass of the winner is worth, ModelOpt's own graph, and 2:4 sparse weights."""
    winner = None if tuning.winner is None else tuning.row_of(tuning.winner)
    if winner is None or not tuning.variants:
        return
    console.print(Text(f"\n{winner.recipe} with one thing changed: predicted from a few blocks"))
    headers = ("predicted\nms", "against\nwinner", "kernels", "SQNR\ndB")
    table = table_of(console, "change", *headers, text=("change",), wraps=("change",))
    table.add_row("none", *_variant_cells(winner, winner))
    for each in tuning.variants:
        table.add_row(Text(_change(each)), *_variant_cells(each, winner))
    console.print(table)
    for line in _variant_notes(tuning, winner):
        console.print(Text(line), soft_wrap=True)


def _change(variant: Variant) -> str:
    return f"without {variant.without}" if variant.without else str(variant.recipe)


def _variant_cells(found: TunedRow | Variant, winner: TunedRow) -> list[str | Text]:
    if found.prediction is None:
        return [Text("failed", "red")]
    ratio = found.prediction.gpu_compute_ms / winner.predicted_ms
    slower_pct = round(100 * (ratio - 1), 1) + 0.0  # no minus in front of 0
    return [
        f"{found.prediction.gpu_compute_ms:.3f}",
        "" if found is winner else f"{slower_pct:+.1f} %",
        str(found.kernels or "-"),
        format_sqnr(found.fidelity.sqnr_db) if found.fidelity else "-",
    ]


def _variant_notes(tuning: Tuning, winner: TunedRow) -> Iterator[str]:
    for each in tuning.variants:
        if each.reason is not None:
            yield f"{_change(each)} failed: {each.reason}"
        elif each.without and each.prediction and each.passes is not None and tuning.keeps(each.fidelity):
            saved = 1 - each.prediction.gpu_compute_ms / winner.predicted_ms
            if saved > _WORTH:
                passes = ",".join(each.passes) or "none"
                yield f"{saved:.1%} faster without {each.without}: add --passes {passes}"
        if each.note is not None:
            yield f"{each.recipe} is predicted with dense kernels. {each.note}"


def render_shapes(tuning: Tuning, console: Console) -> None:
    """Print times and rates of the front at each shape, and the best batch of the winner."""
    if not tuning.shapes:
        return
    console.print(Text("\nthe front at other shapes: predicted from a few blocks"))
    sized = ["pixels"] * (len({shape.img_size for shape in tuning.shapes}) > 1)
    headers = (
        "tokens",
        "batch",
        "predicted\nms",
        "90%\ninterval",
        "images/s",
        "activa-\ntions",
        "L2 holds\nbatch",
    )
    table = table_of(console, "recipe", *sized, *headers, text=("recipe",), wraps=("recipe",))
    for shape in tuning.shapes:
        pixels = [str(shape.img_size or "-")] * len(sized)
        table.add_row(Text(str(shape.recipe)), *pixels, *_shape_cells(shape))
    console.print(table)
    for shape in tuning.shapes:
        if shape.reason is not None:
            console.print(Text(f"{_shape(shape)} failed: {shape.reason}", style="red"), soft_wrap=True)
    for line in _best_batches(tuning):
        console.print(Text(line), soft_wrap=True)
    console.print(Text(_L2_HOLDS, style="dim"), soft_wrap=True)


def _shape(shape: TunedShape) -> str:
    size = f", {shape.img_size} pixels" * bool(shape.img_size)
    return f"{shape.recipe} at batch {shape.batch}{size}"


def _shape_cells(shape: TunedShape) -> list[str | Text]:
    if shape.prediction is None:
        return [str(shape.tokens), str(shape.batch), Text("failed", "red")]
    low, high = shape.prediction.interval_ms
    return [
        str(shape.tokens),
        str(shape.batch),
        f"{shape.prediction.gpu_compute_ms:.3g}",
        f"{low:.3g} to {high:.3g}",
        f"{shape.prediction.images_per_s:.0f}",
        format_bytes(shape.activation_bytes),
        "-" if shape.l2_batch is None else str(shape.l2_batch),
    ]


def _best_batches(tuning: Tuning) -> Iterator[str]:
    """The batch with the most images per second of the winner, for each image size."""
    own = [shape for shape in tuning.shapes if shape.recipe == tuning.winner and shape.prediction]
    for size in dict.fromkeys(shape.img_size for shape in own):
        rates = {
            shape.batch: shape.prediction.images_per_s
            for shape in own
            if shape.img_size == size and shape.prediction
        }
        if len(rates) > 1:
            best = max(rates, key=lambda batch: rates[batch])
            at_size = f" at {size} pixels" * bool(size)
            yield f"most images/s of {tuning.winner}{at_size}: {rates[best]:.0f} at batch {best}"
