"""A report as Markdown: golden, and texts that Markdown would read as something else."""

import pytest
from support.pages import GOLDEN, golden

from trtbench.report.markdown.page import markdown_page, plain
from trtbench.report.report import report_on


@pytest.mark.parametrize("name", ["compare/comparison"])
def test_text(name):
    text = markdown_page(report_on([golden(name)], "trtbench report a.json -o a.md"), "a_figures")
    assert text == (GOLDEN / f"{name}_report.txt").read_text()


def test_texts_of_others_are_shown_as_they_are():
    text = "<b>a|b</b> *c* `d`\n# e [f](g) @someone nvfp4@stock"
    expected = r"&lt;b&gt;a\|b&lt;/b&gt; \*c\* \`d\` \# e \[f\](g) &#64;someone nvfp4@stock"
    assert plain(text) == expected


def test_a_command_with_backticks_stays_in_its_block():
    text = markdown_page(report_on([golden("compare/comparison")], "trtbench ```` x"), "f")
    assert text.endswith("`````\ntrtbench ```` x\n`````\n")
