"""Results whose texts attack the page: shown as texts, in pages that stay whole and small."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from support.browser import opened
from support.hostile import LONG, Payload, emptied, hostile
from support.pages import recorded
from support.spec_examples import EXAMPLES
from support.stored_examples import ENGINE_DIFFERENCE

from trtbench.report.sections.section import Source
from trtbench.results import KINDS, Result

MARKUP = ("</script><script>hit=1</script>", '"><img src=x onerror=hit=1>', "<svg/onload=hit=1><!--")
OTHERS = (
    "javascript:hit=1//",
    "\x00\x1b[31m\x7f\x85\u202e\u2066\u2028\r\n\tx",
    "${hit=1}{{7*7}}]]>&lt;b&gt;",
)
PAYLOADS: dict[str, Payload] = {
    "markup": lambda index: f"{MARKUP[index % 3]}{index:x}",
    "other markup": lambda index: f"{MARKUP[(index + 1) % 3]}{index:x}",
    "links, controls, templates": lambda index: f"{OTHERS[index % 3]}{index:x}",
    "100,000 characters": lambda index: f"{index:x}{LONG}",
}
OBEYED = r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"


RESULTS = [ENGINE_DIFFERENCE.diff, *(example for example in EXAMPLES if isinstance(example, Result))]


def test_every_kind_of_result_is_tried() -> None:
    assert {type(each) for each in RESULTS} == set(KINDS.values())


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_texts_of_results_are_shown_and_do_nothing(
    browser: Browser, write: Callable[..., Path], payload: Payload
) -> None:
    attacked = [hostile(each, payload) for each in RESULTS]
    assert sum(count for _, count in attacked) > 500
    name = payload(0)
    path = write(*(Source(name, result, Path(name[:50])) for result, _ in attacked), command=name)
    assert path.stat().st_size < 5_000_000
    with opened(browser, path) as found:
        found.draw_all()
        page: Any = found.page
        assert page.evaluate("typeof hit") == "undefined"
        assert page.evaluate("document.scripts.length") == 3
        assert page.locator("img, iframe, object, embed, svg[onload], a[href^='javascript:' i]").count() == 0
        assert page.evaluate(f"(document.body.innerText.match(/{OBEYED}/gu) ?? []).length") == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 1280
    assert found.offences == []


def test_results_with_missing_parts_are_shown_as_far_as_they_go(
    browser: Browser, write: Callable[..., Path]
) -> None:
    left = [emptied(each) for each in (*RESULTS, recorded("vit_b16_comparison").result)]
    assert sum(count for _, count in left) > 500
    with opened(browser, write(*(Source("a.json", result, Path()) for result, _ in left))) as found:
        found.draw_all()
        assert found.page.locator("[data-section]").count() == len(left)
        assert "None" not in found.page.locator("main").inner_text().split()
    assert found.offences == []
