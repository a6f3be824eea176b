"""Reports in headless Chromium: nothing fails or is loaded, and all that can be used can be used."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from support.browser import DESKTOP, PHONE, opened
from support.pages import golden, recorded

from trtbench.report.html import page as html

SIZES = {"desktop": DESKTOP, "phone": PHONE}
RECIPES, TIME = '[data-table="recipes"]', "predicted ms (90% interval)"
HAS_MARKS = """figures => figures.filter(figure => {
  const all = [...figure.querySelectorAll(".chart svg")];
  const seen = all.filter(each => each.getBoundingClientRect().width >= 250);
  return seen.length !== 1 || !seen[0].querySelector(".role-mark > path, .role-mark > text, .role-mark > g");
}).map(figure => figure.id)"""
TOO_WIDE = """() => [...document.querySelectorAll("body *")].filter(
  each => !each.closest(".scroll, .chart > *, .skip") && each.getBoundingClientRect().right > innerWidth + 0.5
).map(each => each.outerHTML.slice(0, 120))"""

CUT_OFF = """() => [...document.querySelectorAll(".chart > :last-child svg")].flatMap(svg => {
  const room = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(text => {
    const { left, right, top, bottom } = text.getBoundingClientRect();
    return Math.min(left - room.left, room.right - right, top - room.top, room.bottom - bottom) < -1;
  }).map(text => `${svg.closest("figure").id}: ${text.textContent}`);
})"""


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_all_figures_of_all_kinds_are_drawn_without_an_error(
    browser: Browser, page_of_all: Path, size: tuple[int, int]
) -> None:
    with opened(browser, page_of_all, size) as found:
        found.draw_all()
        assert found.page.locator("[data-figure]").count() > 5
        assert found.page.eval_on_selector_all("[data-figure]", HAS_MARKS) == []
        assert found.page.evaluate(TOO_WIDE) == []
        assert found.page.evaluate(CUT_OFF) == []
        assert found.page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert found.offences == []


def test_what_a_report_may_not_do_is_seen(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(
        "<img src=other.png><script>alert(1); console.error('oh'); setTimeout(() => nothing())</script>"
    )
    with opened(browser, path) as found:
        found.page.wait_for_timeout(50)
    seen = "\n".join(found.offences)
    assert all(each in seen for each in ("asked for file:///", "a dialog", "error: oh", "nothing is not"))


def ground(page: Page) -> str:
    """The colour behind the page, and that of the text of its figures."""
    colours = [("body", "backgroundColor"), (".role-axis-label text", "fill")]
    return " ".join(
        page.locator(what).first.evaluate("(element, name) => getComputedStyle(element)[name]", name)
        for what, name in colours
    )


def test_colours_follow_the_system_and_the_button(browser: Browser, comparison_page: Path) -> None:
    with opened(browser, comparison_page, color_scheme="light") as found:
        light, button = ground(found.page), found.page.locator("#theme")
        found.page.emulate_media(color_scheme="dark")
        dark = ground(found.page)
        assert light == "rgb(255, 255, 255) rgb(27, 31, 36)"
        assert {*dark.split(" rgb")}.isdisjoint(light.split(" rgb"))
        seen = []
        for _ in range(3):
            button.click()
            seen.append((button.text_content(), ground(found.page)))
        assert seen == [("Theme: light", light), ("Theme: dark", dark), ("Theme: system", dark)]
        found.page.emulate_media(media="print")
        assert ground(found.page) == light
    assert found.offences == []


def column(page: Page, header: str) -> list[str]:
    """What a column of the recipes shows, from above."""
    headers = page.locator(f"{RECIPES} thead th").all_text_contents()
    return page.locator(f"{RECIPES} tbody tr > :nth-child({headers.index(header) + 1})").all_text_contents()


def test_tables_are_sorted_by_mouse_and_keyboard(browser: Browser, comparison_page: Path) -> None:
    with opened(browser, comparison_page) as found:
        page = found.page
        time = page.locator(f"{RECIPES} th", has_text=TIME)
        given = column(page, TIME)
        time.get_by_role("button").click()
        by_time = sorted(given, key=lambda text: float(text.split()[0]))
        assert (column(page, TIME), time.get_attribute("aria-sort")) == (by_time, "ascending")
        page.keyboard.press("Enter")
        assert (column(page, TIME), time.get_attribute("aria-sort")) == (
            by_time[::-1],
            "descending",
        )
        name = page.locator(f"{RECIPES} th").first.get_by_role("button")
        name.focus()
        page.keyboard.press("Space")
        assert page.locator("[aria-sort]").count() == 1
        names = [
            "fp8",
            "fp8+fp8attn",
            "fp16 (baseline)",
            "nvfp4",
            "nvfp4@stock",
            "nvfp4+fp8attn (recommended)",
        ]
        assert column(page, "row") == names
    assert found.offences == []


def test_what_has_no_error_is_sorted_above_all_numbers(browser: Browser, write: Callable[..., Path]) -> None:
    with opened(browser, write(golden("compare/comparison"))) as found:
        button = found.page.locator(f"{RECIPES} th", has_text="SQNR dB").get_by_role("button")
        button.click()
        assert column(found.page, "SQNR dB") == ["55.1", "exact", "", "", ""]
        button.click()
        assert column(found.page, "SQNR dB") == ["exact", "55.1", "", "", ""]
    assert found.offences == []


def test_figures_without_a_picture_are_drawn_before_they_are_seen(
    browser: Browser, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "_MOST_STILLS", 0)
    with opened(browser, write(recorded("vit_b16_comparison"))) as found:
        found.page.wait_for_function(
            "() => [...document.querySelectorAll('[data-figure]')].every(f => 'drawn' in f.dataset)"
        )
        assert found.page.evaluate("scrollY") == 0
        assert found.page.eval_on_selector_all("[data-figure]", HAS_MARKS) == []
    assert found.offences == []


def test_the_data_of_a_figure_are_shown_and_downloaded(browser: Browser, comparison_page: Path) -> None:
    with opened(browser, comparison_page) as found:
        for figure in found.page.locator("[data-figure]").all():
            figure.locator("summary").click()
            with found.page.expect_download() as download:
                figure.locator("[data-download]").click()
            name = str(figure.get_attribute("id"))
            data = found.page.evaluate(
                "name => JSON.parse(document.getElementById('report-data').textContent).figures[name]", name
            )
            text = download.value.path().read_text()
            rows = list(csv.DictReader(io.StringIO(text)))
            assert download.value.suggested_filename == f"{name}.csv"
            given = [dict(zip(data["columns"], row, strict=True)) for row in data["rows"]]
            assert [
                {name: read(row[name], each[name]) for name in row}
                for row, each in zip(rows, given, strict=True)
            ] == [{name: value for name, value in each.items() if name[0] != "_"} for each in given]
            assert figure.locator("[data-rows] tbody tr").count() == len(data["rows"])
    assert found.offences == []


def read(text: str, like: object) -> object:
    """What a field of a CSV file says, as a value of the same type."""
    if like is None or isinstance(like, bool):
        return {"": None, "true": True, "false": False}[text]
    return type(like)(text)


def test_figures_stay_pictures_without_scripts(browser: Browser, comparison_page: Path) -> None:
    with opened(browser, comparison_page, java_script_enabled=False) as found:
        figures = found.page.locator("[data-figure]").count()
        assert found.page.locator("[data-figure] .chart svg").count() == figures
        assert found.page.locator("#theme:visible, [data-download]:visible").count() == 0
    assert found.offences == []


def test_print_has_all_figures_and_the_environment_in_dark_colours_on_white(
    browser: Browser, comparison_page: Path
) -> None:
    with opened(browser, comparison_page, color_scheme="dark") as found:
        found.draw_all()
        found.page.emulate_media(media="print", color_scheme="dark")
        assert found.page.eval_on_selector_all("[data-figure]", HAS_MARKS) == []
        assert ground(found.page).startswith("rgb(255, 255, 255)")
        assert found.page.locator("#theme:visible, .data:visible").count() == 0
        text = found.page.pdf(format="A4")
        for event, is_open in (("beforeprint", True), ("afterprint", False)):
            found.page.evaluate("event => dispatchEvent(new Event(event))", event)
            assert found.page.locator(".environment[open]").count() == is_open
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", text)) <= 10
    assert found.offences == []


@pytest.mark.parametrize(
    ("shown", "size", "scheme"),
    [("comparison_page", DESKTOP, "light"), ("page_of_all", PHONE, "dark")],
    ids=["one result, desktop, light", "all kinds, phone, dark"],
)
def test_nothing_bars_readers_with_a_disability(
    browser: Browser, request: pytest.FixtureRequest, shown: str, size: tuple[int, int], scheme: str
) -> None:
    path = request.getfixturevalue(shown)
    with opened(browser, path, size, color_scheme=scheme, bypass_csp=True) as found:
        found.draw_all()
        found.page.locator(".environment summary").first.click()
        found.page.locator("figure summary").first.click()
        found.page.locator("[data-rows] table").first.wait_for()
        assert Axe().run(found.page).response["violations"] == []


def test_all_is_reached_by_keyboard(browser: Browser, comparison_page: Path) -> None:
    with opened(browser, comparison_page) as found:
        page = found.page
        page.keyboard.press("Tab")
        assert page.locator(":focus").text_content() == "Skip to the results"
        seen = 1
        while True:
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            seen += 1
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert seen >= page.locator("a, button:visible, summary").count()
    assert found.offences == []
