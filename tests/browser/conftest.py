"""One browser for all tests here, and the pages that they share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser import CHROMIUM, NO_CHROMIUM, chromium
from support.pages import golden, recorded

from trtbench.report import charts
from trtbench.report.html import page
from trtbench.report.html.page import html_page
from trtbench.report.report import report_on
from trtbench.report.sections.section import Source
from trtbench.results.base import write_text

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Write]:
    """Write a page on these sources; Vega, which takes a second to bundle, is bundled once."""
    vega = charts.javascript()

    def written(*sources: Source, command: str = "trtbench report a.json -o report.html") -> Path:
        path = tmp_path_factory.mktemp("page") / "report.html"
        write_text(path, html_page(report_on(sources, command)))
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "javascript", lambda: vega)
        yield written


@pytest.fixture(scope="session")
def comparison_page(write: Write) -> Path:
    """Six recipes of ViT-B/16."""
    return write(recorded("vit_b16_comparison"))


@pytest.fixture(scope="session")
def page_of_all(write: Write) -> Path:
    """Results of many kinds."""
    names = ("compare/comparison", "compare/sweep", "measure/compared", "measure/sweep", "measure/aa")
    others = ("versions/comparison", "predict/explanation", "predict/roofline", "trace/two", "tune/tuning")
    return write(recorded("vit_b16_comparison"), *map(golden, (*names, *others)))
