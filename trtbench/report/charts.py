"""Charts from Vega-Lite: as SVG, and the JavaScript that draws them in a page. vl-convert holds both."""

import json
import re
from collections.abc import Mapping
from importlib import import_module
from math import isfinite
from typing import Any

from trtbench.host.installation import needing
from trtbench.report.figures.figure import Figure, Json, short

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_VERSION = "6.4"
_WIDTH = 720
"""Pixels of figures in files."""
_LETTER, _LONGEST, _SYMBOL = 6.6, 38, 34
"""Pixels of a letter of a legend; letters that an entry shows; pixels of a symbol with its space."""
_LONGEST_TEXT = 1000
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SNIPPET = "window.vegaEmbed = vegaEmbed;"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_TITLES = {
    "labelColor": "var(--text)",
    "titleColor": "var(--muted)",
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
}
_AXIS = {
    **_TITLES,
    "gridColor": "var(--grid)",
    "domainColor": "var(--line)",
    "tickColor": "var(--line)",
    "titlePadding": 10,
    "labelPadding": 6,
}
CONFIG: Json = {
    "font": _FONT,
    "background": None,
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisX": {"tickCount": {"expr": "max(2, ceil(width / 90))"}},
    "axisBand": {"ticks": False},
    "legend": {
        **_TITLES,
        "symbolFillColor": "var(--muted)",
        "symbolSize": 130,
        "symbolStrokeWidth": 0,
        "orient": "top",
        "titleOrient": "left",
        "titlePadding": 12,
        "columnPadding": 16,
        "labelLimit": 260,
        "offset": 14,
        "symbolOpacity": 1,
        "layout": {"top": {"direction": "vertical", "anchor": "start", "margin": 6}},
    },
    "axisQuantitative": {"labelSeparation": 8},
    "header": _TITLES,
    "text": {"color": "var(--text)"},
}

LIGHT: Mapping[str, str] = {
    "page": "#ffffff",
    "panel": "#f5f6f8",
    "text": "#1b1f24",
    "muted": "#59636e",
    "grid": "#dde1e6",
    "line": "#c4cad1",
    "accent": "#0b5cad",
    "good": "#0b6b3a",
    "warn": "#8a5300",
    "bad": "#b3261e",
    "on-colour": "#ffffff",
    "fp32": "#75409b",
    "fp16": "#9a5b00",
    "bf16": "#6b5d45",
    "int8": "#a33d78",
    "fp8": "#0a62a9",
    "mxfp8": "#27757f",
    "fp4": "#04704f",
    "other": "#59636e",
    "series-1": "#7c8792",
    "series-2": "#4a8fd6",
    "series-3": "#0b3f78",
}
DARK: Mapping[str, str] = {
    "page": "#14171a",
    "panel": "#1d2125",
    "text": "#e8eaed",
    "muted": "#a3adb8",
    "grid": "#343a41",
    "line": "#49525b",
    "accent": "#7ab8f5",
    "good": "#6fd3a0",
    "warn": "#f0b858",
    "bad": "#ff938a",
    "on-colour": "#101214",
    "fp32": "#cba6ea",
    "fp16": "#f0b04a",
    "bf16": "#c4b596",
    "int8": "#eb9fc9",
    "fp8": "#6db8f2",
    "mxfp8": "#84d3dc",
    "fp4": "#45cc9d",
    "other": "#a3adb8",
    "series-1": "#8d98a3",
    "series-2": "#4f96e0",
    "series-3": "#c4def8",
}
"""Colours by the names that specs and the style sheet use. Texts have a contrast of at least 4.5 to their
ground, ``on-colour`` to every colour of a precision; people with colour blindness can tell these apart, too;
``series`` is for what has no precision, such as recipes, at 3 or more to the page."""


def check_packages() -> None:
    """Refuse to report without the packages for it.

    Raises:
        RuntimeUnavailable: one is missing.
    """
    with needing("jinja2 and vl-convert", "report"):
        import_module("jinja2")
        import_module("vl_convert")


def javascript() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    Raises:
        RuntimeUnavailable: vl-convert is not installed.
    """
    with needing("vl-convert", "report"):
        import vl_convert
    return str(vl_convert.javascript_bundle(_SNIPPET, vl_version=_VERSION)).replace("</script", "<\\/script")


def page_spec(figure: Figure) -> Json:
    """What Vega-Embed is given, but for the data: as wide as its element."""
    room = {"name": "room", "expr": f"containerSize()[0] - {_labels('containerSize()[0]')}"}
    return {**_spec(figure), "width": "container", "params": [room], "data": {"name": "rows"}}


def drawable(value: Any) -> Any:
    """The same value as JSON and XML can hold it, at any depth.

    Numbers that JSON lacks are None. Texts are short, and characters that XML lacks, at which vl-convert
    ends the process, are escapes.
    """
    if isinstance(value, dict):
        return {name: drawable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [drawable(each) for each in value]
    if isinstance(value, str):
        return _NOT_XML.sub("\ufffd", short(value, _LONGEST_TEXT))
    return None if isinstance(value, float) and not isfinite(value) else value


def svg_of(figure: Figure, colours: Mapping[str, str] | None) -> str:
    """The figure as SVG of a fixed width.

    Args:
        figure: what is drawn.
        colours: those of ``LIGHT``, say; None leaves the names of CSS variables.

    Raises:
        RuntimeUnavailable: vl-convert is not installed.
    """
    with needing("vl-convert", "report"):
        import vl_convert
    room = {"name": "room", "expr": f"{_WIDTH} - {_labels(str(_WIDTH))}"}
    data = {"name": "rows", "values": figure.rows}
    spec = drawable({**_spec(figure), "width": _WIDTH, "params": [room], "data": data})
    if colours is None:
        # Widths of texts are those of vl-convert's fonts: those of the reader may be wider.
        spec["padding"] = {**spec["padding"], "left": 28, "right": max(12, spec["padding"]["right"])}
    else:
        spec["background"] = colours["page"]
        spec = json.loads(in_colours(json.dumps(spec), colours))
    return str(vl_convert.vegalite_to_svg(spec, vl_version=_VERSION))


def _labels(width: str) -> str:
    """At most what labels of an axis take of a width."""
    return f"min(190, 0.4 * {width})"


def in_colours(text: str, colours: Mapping[str, str]) -> str:
    """A text with colours in the place of the names of CSS variables."""
    return re.sub(r"var\(--([a-z0-9-]+)\)", lambda match: colours.get(match[1], match[0]), text)


def _spec(figure: Figure) -> Json:
    sizes = {
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": {"left": 0, "top": 2, "right": 10, "bottom": 6},
    }
    spec = _with_legends(figure.spec)
    return {"$schema": SCHEMA, "description": figure.alt, "config": CONFIG, **sizes, **spec}


def _with_legends(spec: Json) -> Json:
    """With legends of as many columns as fit into ``room``, the pixels beside the labels of the axis."""
    encoding = {
        channel: _with_columns(each) if each and channel in ("color", "shape") else each
        for channel, each in spec.get("encoding", {}).items()
    }
    layers = [_with_legends(layer) for layer in spec.get("layer", ())]
    return {**spec, **({"encoding": encoding} if encoding else {}), **({"layer": layers} if layers else {})}


def _with_columns(encoding: Json) -> Json:
    names = encoding.get("scale", {}).get("domain", ())
    legend = encoding.get("legend", {})
    if legend is None or not names:
        return encoding
    title = _LETTER * len(encoding["title"]) + _SYMBOL
    entry = _LETTER * min(_LONGEST, max(len(str(name)) for name in names)) + _SYMBOL
    columns = {"expr": f"max(1, floor((room - {title:.0f}) / {entry:.0f}))"}
    return {**encoding, "legend": {**legend, "columns": columns}}
