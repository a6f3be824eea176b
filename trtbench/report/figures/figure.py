"""A figure: what it shows and how it is known, its data, and how these are drawn."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any

from trtbench.results.rows import Row
from trtbench.units import shortened, visible

Json = dict[str, Any]
MS, US, SHARE = ".4~g", ".3~g", ".1%"
"""Formats of D3 for milliseconds, microseconds and shares."""

LETTER = 5.8
"""Pixels that a letter of a text in a bar takes."""
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")
_COLOURS = {
    "fp32": "fp32",
    "tf32": "fp32",
    "fp16": "fp16",
    "bf16": "bf16",
    "int8": "int8",
    "fp8": "fp8",
    "mxfp8": "mxfp8",
    "fp4": "fp4",
    "nvfp4": "fp4",
}
SERIES = tuple(f"var(--{name})" for name in ("fp8", "fp16", "fp4", "int8", "fp32", "mxfp8", "bf16", "other"))
"""Colours of what is no precision, such as one line of several."""
OTHER = "other"
"""What is neither one precision nor the other: operands of two, or integers of indices."""


@dataclass(frozen=True)
class Figure:
    """What is drawn of a result.

    Args:
        name: which figure it is, in addresses and file names, such as ``pareto``.
        title: what it shows.
        evidence: the kinds that its numbers are of.
        reading: what one sees in it, in one sentence.
        alt: what is drawn, for readers who do not see it.
        rows: its data, all with the same columns; those whose names begin with ``_`` only place marks.
        spec: Vega-Lite without data; ``height`` is in pixels, and the page sets the width.
    """

    name: str
    title: str
    evidence: tuple[str, ...]
    reading: str
    alt: str
    rows: list[Row]
    spec: Json

    @property
    def columns(self) -> list[str]:
        """Names of the columns that people read."""
        return readable(self.rows)


def readable(rows: list[Row]) -> list[str]:
    """Names of the columns that do not only place marks."""
    return [name for name in (rows[0] if rows else ()) if not name.startswith("_")]


def precision_colour(precision: str) -> str:
    """Which of the colours of ``PRECISIONS`` a precision has."""
    return _COLOURS.get(precision, OTHER)


def precision_scale(used: Iterable[str]) -> Json:
    """The scale of colours for these names of ``precision_colour``, the widest first."""
    order = [*dict.fromkeys(_COLOURS.values()), OTHER]
    names = sorted(set(used), key=order.index)
    return {"domain": names, "range": [f"var(--{name})" for name in names]}


def series(column: str, names: Iterable[str], title: str | None = None) -> Json:
    """Encodings that tell lines with points apart by colour and by shape.

    Args:
        column: with the names of the lines.
        names: of all lines.
        title: of the legend.
    """
    listed = list(dict.fromkeys(names))
    colours = [SERIES[index % len(SERIES)] for index in range(len(listed))]
    shapes = [_SHAPES[index % len(_SHAPES)] for index in range(len(listed))]
    colour = label(column, title, scale={"domain": listed, "range": colours}, sort=None)
    shape = label(column, title, scale={"domain": listed, "range": shapes}, sort=None)
    return {"color": colour, "shape": shape}


def field(name: str, title: str | None = None, **more: Any) -> Json:
    """The encoding of a column by its value."""
    return {"field": name, "type": "quantitative", "title": title or name.replace("_", " "), **more}


def label(name: str, title: str | None = None, **more: Any) -> Json:
    """The encoding of a column by its text."""
    return {"field": name, "type": "nominal", "title": title or name.replace("_", " "), **more}


def hover(rows: list[Row], **formats: str) -> list[Json]:
    """What a mark says of its row: all columns that people read, in their order."""
    shown = [{"field": name, "title": name.replace("_", " ")} for name in readable(rows)]
    return [
        {**each, "format": formats[each["field"]]} if each["field"] in formats else each for each in shown
    ]


def slug(text: str) -> str:
    """A text of others as a part of names of figures, which are ids of elements and names of files."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower())[:60]


def wide_enough(length: str, longest: float, column: str) -> Json:
    """A transform that keeps the bars with room for a label.

    Args:
        length: an expression of Vega's for that of a bar.
        longest: length that fills the chart.
        column: with the label.
    """
    if not isfinite(longest):
        return {"filter": "false"}
    return {"filter": f"({length}) * width / {longest:.6g} > length(datum.{column}) * {LETTER} + 5"}


def short(text: str, length: int = 60) -> str:
    """Text of others on one line, without its middle where it is long."""
    return shortened(" ".join(visible(text).split()), length)
