"""Writes a report as HTML: template, style, script, Vega and data in one file, under a strict policy."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from trtbench import __version__
from trtbench.host.installation import needing
from trtbench.report.charts import DARK, LIGHT, drawable, javascript, page_spec, svg_of
from trtbench.report.html.size import fitting
from trtbench.report.report import Report
from trtbench.report.sections.section import kind_words
from trtbench.results.rows import Row
from trtbench.units import shortened, visible

if TYPE_CHECKING:
    from markupsafe import Markup

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_LONGEST = 5000
_MOST_STILLS = 48
"""Figures with an SVG beside their data, for print and readers without scripts: each takes 0.1 s to draw."""


def html_page(report: Report) -> str:
    """The report as one HTML file that loads nothing.

    Raises:
        RuntimeUnavailable: a package of the extra ``report`` is missing.
    """
    with needing("jinja2", "report"):
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    vega, script = javascript(), _file("script.js")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.finalize = _shown
    environment.filters["words"] = kind_words
    report = fitting(report, _MOST_STILLS)
    stills = _stills(report)
    return environment.from_string(_file("page.html.j2")).render(
        report=report,
        version=__version__,
        policy=_policy(vega, script),
        style=Markup(_style()),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        vega=Markup(vega),  # noqa: S704 - a package's script
        data=Markup(json_for_page(_data(report))),  # noqa: S704 - escaped there
        svg=lambda figure: stills.get(id(figure), ""),
    )


def _shown(value: object) -> object:
    """Texts of others without what a browser would obey, and not too long; what is markup already stays."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return shortened(visible(str(value)), _LONGEST) if is_text else value


def json_for_page(value: object) -> str:
    """JSON that can stand in a script element: without markup; numbers that JSON lacks are null."""
    text = json.dumps(drawable(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[<>&\u2028\u2029]", lambda match: _ESCAPES[match[0]], text)


def _data(report: Report) -> Mapping[str, object]:
    """By the ids of figures: what draws them, and their rows."""
    return {
        "figures": {
            f"figure-{number}-{figure.name}": {"spec": page_spec(figure), **_table(figure.rows)}
            for number, section in enumerate(report.sections, start=1)
            for figure in section.figures
        }
    }


def _table(rows: list[Row]) -> Mapping[str, object]:
    return {"columns": list(rows[0]), "rows": [list(row.values()) for row in rows]}


def _stills(report: Report) -> dict[int, "Markup"]:
    """SVG of the first figures, by the figure."""
    from markupsafe import Markup

    figures = [figure for section in report.sections for figure in section.figures]
    return {
        id(figure): Markup(_with_own_ids(svg_of(figure, None), index))  # noqa: S704 - Vega escapes texts
        for index, figure in enumerate(figures[:_MOST_STILLS])
    }


def _with_own_ids(svg: str, index: int) -> str:
    """Ids of clips and gradients that no other figure of the page has."""
    return re.sub(r'(\bid="|url\(#|href="#)(?=\w)', rf"\g<1>still{index}-", svg)


def _policy(*scripts: str) -> str:
    """Only our own scripts run; nothing is loaded or sent."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _style() -> str:
    light, dark = _variables(LIGHT, "light"), _variables(DARK, "dark")
    return "\n".join(
        (
            f":root {{ {light} }}",
            f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}",
            f":root[data-theme=dark] {{ {dark} }}",
            f"@media print {{ :root:root:root {{ {light} }} }}",
            _file("style.css"),
        )
    )


def _variables(colours: Mapping[str, str], scheme: str) -> str:
    pairs: Iterable[str] = (f"--{name}: {colour};" for name, colour in colours.items())
    return " ".join((f"color-scheme: {scheme};", *pairs))


def _file(name: str) -> str:
    return files("trtbench.report.html").joinpath(name).read_text(encoding="utf-8")
