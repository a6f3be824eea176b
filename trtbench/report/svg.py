"""Plots of a sweep as SVG: shares of variance, and a response by the sizes of models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from pathlib import Path

from trtbench.errors import OutputError
from trtbench.results import Analysis, Sweep, SweepRow

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 300, 150, 40, 34
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22")
_LEAST_SHARE = 0.005
_MOST_LINES = 8


def write_plots(sweep: Sweep, folder: Path) -> list[Path]:
    """Write two files for each analysed response.

    Raises:
        OutputError: a file cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for analysis in sweep.analyses:
            pages = {"shares": shares_svg(analysis), "sizes": sizes_svg(sweep, analysis)}
            for name, text in pages.items():
                path = folder / f"{analysis.response}_{name}.svg"
                path.write_text(text, encoding="utf-8")
                written.append(path)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    return written


def shares_svg(analysis: Analysis) -> str:
    """A bar for each factor or pair that explains something."""
    bars = [(" x ".join(each.factors), each.share) for each in analysis.shares if each.share >= _LEAST_SHARE]
    bars.append(("unexplained", analysis.unexplained))
    step = (_HEIGHT - _TOP - 10) / len(bars)
    parts = [_text(10, 20, f"{analysis.response}: shares of variance, {analysis.cells} cells")]
    for index, (name, share) in enumerate(bars):
        y = _TOP + index * step
        length = share * (_WIDTH - _LEFT - 60)
        parts += [
            _text(_LEFT - 6, y + step / 2 + 4, name, "end"),
            f'<rect x="{_LEFT}" y="{y + 2:.1f}" width="{length:.1f}" height="{step - 4:.1f}" '
            f'fill="{_COLOURS[0]}"/>',
            _text(_LEFT + length + 4, y + step / 2 + 4, f"{100 * share:.1f} %"),
        ]
    return _page(parts)


def sizes_svg(sweep: Sweep, analysis: Analysis) -> str:
    """The response over the width of models, a line for each patch and recipe, at the mean over the rest."""
    lines = _lines_of(sweep.rows, analysis)
    points = [value for line in lines.values() for value in line.values()]
    scale = _Scale(
        widths=sorted({width for line in lines.values() for width in line}),
        low=min(points),
        high=max(points),
        is_log=analysis.scale == "log",
    )
    shown = list(lines.items())[:_MOST_LINES]
    floor = _HEIGHT - _BOTTOM + 16
    parts = [
        _text(10, 20, f"{analysis.response} by width, patch and recipe; means over the other factors"),
        *(_text(64, scale.y(value) + 4, f"{value:.3g}", "end") for value in (scale.low, scale.high)),
        *(_text(scale.x(width), floor, str(width), "middle") for width in scale.widths),
    ]
    for (_, line), colour in zip(shown, _COLOURS, strict=False):
        placed = [(scale.x(width), scale.y(line[width])) for width in sorted(line)]
        parts += [_polyline(placed, colour)]
    for index, (name, _) in enumerate(shown):
        parts += [_text(_WIDTH - 150, _TOP + 10 + 16 * index, name, colour=_COLOURS[index])]
    return _page(parts)


@dataclass(frozen=True)
class _Scale:
    """Where a width and a value are on the page."""

    widths: Sequence[int]
    low: float
    high: float
    is_log: bool

    def x(self, width: int) -> float:
        return 70 + self.widths.index(width) / max(1, len(self.widths) - 1) * (_WIDTH - 230)

    def y(self, value: float) -> float:
        low, high, at = (log10(each) if self.is_log else each for each in (self.low, self.high, value))
        share = (at - low) / (high - low) if high > low else 0.5
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def _lines_of(rows: Sequence[SweepRow], analysis: Analysis) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        value = row.values.get(analysis.response)
        if isinstance(value, int | float) and (value > 0 or analysis.scale == "linear"):
            line = found.setdefault(f"patch {row.cell.patch}, {row.cell.recipe}", {})
            line.setdefault(row.cell.width, []).append(log10(value) if analysis.scale == "log" else value)
    return {name: dict(_means(line, analysis.scale == "log")) for name, line in found.items()}


def _means(line: dict[int, list[float]], is_log: bool) -> Iterator[tuple[int, float]]:
    for width, values in line.items():
        mean = sum(values) / len(values)
        yield width, 10**mean if is_log else mean


def _polyline(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _page(parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="11">'
    )
    background = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
    return "\n".join((head, background, *parts, "</svg>")) + "\n"
