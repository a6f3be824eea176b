"""Stored results that attack the page: their texts stay texts, and whatever they lack is left out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from support.pages import Page, golden, recorded, source
from support.spec_examples import EXAMPLES

from trtbench.report.html import page
from trtbench.report.html.page import html_page
from trtbench.report.html.size import MOST_BYTES, fitting
from trtbench.report.markdown.page import markdown_page
from trtbench.report.report import report_on
from trtbench.results import Result
from trtbench.specs import Spec

S = TypeVar("S", bound=Spec)

HOSTILE = "\x1b[31m\u202e</script><script>alert(1)</script><img src=x onerror=alert(2)>&quot;'\"\u2028"
RESULTS = [
    *(golden(name) for name in ("versions/comparison", "measure/compared", "predict/explanation")),
    *(golden(name) for name in ("trace/two", "tune/tuning", "predict/roofline")),
    *(source(example) for example in EXAMPLES if isinstance(example, Result)),
]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Neither Vega nor its SVG are what is attacked here; test_svg_of_hostile_texts has the SVG."""
    monkeypatch.setattr(page, "javascript", lambda: "window.vegaEmbed = null;")
    monkeypatch.setattr(page, "svg_of", lambda figure, colours: "<svg></svg>")


def with_texts(spec: S, change: Callable[[str], str]) -> S:
    """The same with every text changed whose type leaves it free, equal ones alike."""
    free = {
        name: getattr(spec, name)
        for name, each in type(spec).model_fields.items()
        if each.annotation in (str, str | None, tuple[str, ...]) or not isinstance(getattr(spec, name), str)
    }
    return spec.model_copy(update={name: _changed(value, change) for name, value in free.items()})


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Spec):
        return with_texts(value, change)
    if isinstance(value, tuple):
        return tuple(_changed(each, change) for each in value)
    if isinstance(value, dict):
        return {name: _changed(each, change) for name, each in value.items()}
    return change(value) if type(value) is str else value


@pytest.mark.parametrize("stored", RESULTS, ids=lambda stored: f"{stored.kind}-{stored.name}")
def test_hostile_texts_add_no_element_and_no_control_character(stored):
    plain = source(with_texts(stored.result, lambda text: f"{text} a"))
    hostile = source(with_texts(stored.result, lambda text: f"{text} {HOSTILE}"))
    one, other = (html_page(report_on([each])) for each in (plain, hostile))
    assert [name for name, _ in Page(one).tags] == [name for name, _ in Page(other).tags]
    assert not {"\x1b", "\u202e", "\u2028"} & set(other)
    assert not [found for _, found in Page(other).tags if "onerror" in found]
    text = markdown_page(report_on([hostile]), "f")
    assert "<script" not in text
    assert "<img" not in text
    assert not {"\x1b", "\u202e", "\u2028"} & set(text)


def test_very_long_texts_keep_the_page_small():
    long = source(with_texts(golden("versions/comparison").result, lambda text: text + "x" * 100_000))
    assert len(html_page(report_on([long]))) < 300_000


def test_svg_of_hostile_texts(monkeypatch):
    monkeypatch.undo()
    hostile = with_texts(golden("compare/comparison").result, lambda text: f"{text} {HOSTILE}")
    section = report_on([source(hostile)]).sections[0]
    pictures = [page.svg_of(figure, None) for figure in section.figures]
    assert pictures
    assert all("<script" not in svg and "<img" not in svg and "\x1b" not in svg for svg in pictures)


def test_five_hundred_results_fit_into_one_page_and_what_is_left_out_is_said():
    one = report_on([recorded("vit_b16_comparison")])
    report = replace(one, sections=one.sections * 500)
    fitted = fitting(report, 48)
    assert len(fitted.sections) == 500
    assert fitted.sections[0].figures
    assert not fitted.sections[-1].tables
    assert all(section.verdict for section in fitted.sections)
    assert len(fitted.notes) == 2
    assert "figures and findings are left out" in fitted.notes[0]
    assert len(html_page(report)) < MOST_BYTES
