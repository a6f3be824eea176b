"""An explanation as text: the waterfall with a bar a step, Amdahl's ceiling, the levers, other batches."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.gpus import ERRORS, kernel_times
from trtbench.report.text.tables import is_wide, table_of, width_of
from trtbench.results import Ceiling, Explanation, Step, Waterfall

STEPS: dict[Step, str] = {
    "fell_back": "GEMMs in another precision",
    "peak_share": "GEMMs below the peak",
    "operand_loads": "GEMMs waiting for operands",
    "epilogue": "GEMMs storing, filling pipelines",
    "waves": "GEMMs in partial tiles and waves",
    "attention": "attention",
    "token_reduction": "token reduction",
    "quantize": "quantisers and their scales",
    "norm": "LayerNorm",
    "gelu": "GELU",
    "pointwise": "residual, other pointwise",
    "reformat": "transposes, reformats",
    "patch_embed": "patch embedding",
    "floor": "starts of graph nodes",
    "misses": "L2 misses: DRAM traffic",
}
_SHOWN_MS = 0.0005
_LEAST_BAR, _NARROW_BAR, _WIDE_BAR = 6, 22, 40
EVIDENCE = {"compiled": "compiled", "repriced": "re-priced"}


def render_explanation(explanation: Explanation, console: Console) -> None:
    """Print where the predicted time goes, what bounds the speed-up, and what would shorten the time."""
    gpu, own = explanation.gpu, explanation.waterfall
    size = f", {explanation.img_size} pixels" if explanation.img_size else ""
    _print(
        console,
        f"{explanation.model} {own.recipe}, batch {explanation.batch}{size}: predicted on {gpu.title} "
        f"({gpu.target}) at {gpu.clock_mhz:.0f} MHz; kernel times: {kernel_times(gpu)}",
    )
    _print(console, f"predictions are not measurements: nothing was timed; {ERRORS}", style="yellow")
    console.print(_waterfall(explanation, console))
    for each in (own, explanation.fp16)[: 1 if own == explanation.fp16 else 2]:
        low, high = each.interval_ms
        _print(console, f"{each.recipe}: {each.coverage:.0%} interval {_short(low)} to {_short(high)} ms")
    console.print()
    console.print(_ceiling(explanation, console))
    _render_levers(explanation, console)
    console.print()
    console.print(_batches(explanation, console))
    _render_notes(explanation, console)


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)


def _waterfall(explanation: Explanation, console: Console) -> Table:
    """One line a step, its bar beginning where that of the step before ended; no bars without room."""
    most = _WIDE_BAR if is_wide(console) else _NARROW_BAR
    bare = _steps(explanation, console, bar_width=0)
    room = console.width - width_of(bare, console) - 2
    return _steps(explanation, console, min(most, room)) if room >= _LEAST_BAR else bare


def _steps(explanation: Explanation, console: Console, bar_width: int) -> Table:
    own, fp16 = explanation.waterfall, explanation.fp16
    compared, has_bars = own != fp16, bar_width > 0
    step, times = "from the ideal\nto the predicted time", (f"{own.recipe}\nms", f"{fp16.recipe}\nms")
    headers = (step, times[0], *[""] * has_bars, *times[1:] * compared)
    table = table_of(console, *headers, text=(step, ""), wraps=times)
    scale = bar_width / own.predicted_ms
    begin = 0.0
    for (label, ms), (_, base) in zip(_lines(own), _lines(fp16), strict=True):
        begin = 0.0 if label == "predicted" else begin
        if max(ms, base) >= _SHOWN_MS:
            bar = [_bar(begin * scale, ms * scale)] * has_bars
            table.add_row(label, _ms(ms), *bar, *(_ms(base),) * compared)
        begin += ms
    return table


def _lines(waterfall: Waterfall) -> Iterator[tuple[str, float]]:
    yield "GEMMs at the peak, nothing else", waterfall.ideal_ms
    for each in waterfall.steps:
        yield STEPS[each.step], each.ms
    yield "predicted", waterfall.predicted_ms


def _bar(begin: float, length: float) -> Text:
    start, end = round(begin), round(begin + length)
    return Text(" " * start + ("█" * (end - start) or "▏" * (length > 0)))


def _ms(milliseconds: float) -> str:
    return f"{round(milliseconds, 3) + 0.0:.3f}"  # what rounds to zero has no sign


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.2f}" if milliseconds >= 1 else _ms(milliseconds)


def _ceiling(explanation: Explanation, console: Console) -> Table:
    own, fp16, ceiling = explanation.waterfall, explanation.fp16, explanation.ceiling
    header = "speed-up over fp16"
    table = table_of(console, header, "", text=(header,), wraps=(header,))
    for label, ratio in _bounds(own, fp16, ceiling):
        table.add_row(label, f"{ratio:.2f}x")
    if own != fp16:
        low, high = explanation.speedup_interval
        label = f"predicted ({low:.2f}x to {high:.2f}x)"
        table.add_row(label, f"{explanation.speedup:.2f}x", style="bold")
    return table


def _bounds(own: Waterfall, fp16: Waterfall, ceiling: Ceiling) -> Iterator[tuple[str, float]]:
    """Amdahl's law with its numbers, one bound a line."""
    math, ratio = ceiling.math.upper(), ceiling.peak_ratio
    gemms = f"GEMMs G = {_short(fp16.gemm_ms)}, others O = {_short(fp16.other_ms)}"
    times = f"T = {_short(fp16.predicted_ms)} ms, of which {gemms}"
    yield f"ideal: peak of {math} over that of FP16", ratio
    yield f"T / (O + G / {ratio:.2f}): fp16 with its GEMMs at that ratio; {times}", ceiling.fp16_others
    rest = "T / O"
    if own != fp16:
        own_others = f"the same with the others of {own.recipe}, R = {_short(own.other_ms)}"
        yield f"T / (R + G / {ratio:.2f}): {own_others}", ceiling.own_others
        rest = "T / R"
    yield f"{rest}: GEMMs that take no time", ceiling.no_gemms


def _render_levers(explanation: Explanation, console: Console) -> None:
    """One line a lever, below its name what was computed."""
    share = f"{explanation.least_share:.0%}"
    header = f"levers worth {share} or more;\neach alone: gains overlap"
    console.print()
    if not explanation.levers:
        _print(console, f"no lever is worth {share} of the time")
        return
    columns = ("saves\nms", "of the\ntime", "over\nfp16", "evidence")
    table = table_of(console, header, *columns, text=(header, "evidence"), wraps=(header,))
    for lever in explanation.levers:
        name = Text.assemble((lever.name, "bold"), f"\n{lever.basis}")
        saved = f"{'up to ' * lever.at_most}{lever.saves_ms:.3f}"
        part = f"{lever.saves_ms / explanation.waterfall.predicted_ms:.0%}"
        table.add_row(name, saved, part, f"{lever.speedup:.2f}x", EVIDENCE[lever.evidence])
    console.print(table)


def _batches(explanation: Explanation, console: Console) -> Table:
    """Rates of the same kernels at other batches."""
    recipe, compared = f"{explanation.waterfall.recipe}\nimages/s", explanation.waterfall != explanation.fp16
    table = table_of(
        console,
        "batch",
        recipe,
        *("fp16\nimages/s", "speed-up") * compared,
        "evidence",
        text=("evidence",),
        wraps=(recipe,),
    )
    for rate in explanation.batches:
        ratio = f"{rate.images_per_s / rate.fp16_images_per_s:.2f}x"
        table.add_row(
            str(rate.batch),
            f"{rate.images_per_s:.0f}",
            *(f"{rate.fp16_images_per_s:.0f}", ratio) * compared,
            EVIDENCE["compiled" if rate.batch == explanation.batch else "repriced"],
        )
    return table


def _render_notes(explanation: Explanation, console: Console) -> None:
    console.print()
    for recipe, reason in explanation.not_compiled.items():
        _print(console, f"not compared with {recipe}: {reason}")
    for note in explanation.notes:
        _print(console, f"compiled: {note}")
    for line in explanation.assumptions:
        _print(console, f"assumes: {line}")
