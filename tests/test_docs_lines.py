"""Pages have short lines, and their links lead somewhere."""

import re
from pathlib import Path

import pytest
from support.doc_commands import unlabelled

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/[!b]*/*.md")]
)
LONGEST_LINE = 120
WRITTEN_BY_SCRIPTS = {
    "CONTRIBUTING.md",
    "passes.md",
    "prediction.md",
    "recipes.md",
    "index.md",
    "prediction_errors.md",
    "tuning.md",
    "vit_b16_predicted.md",
}
"""Pages with tables that a script prints, of recipes, models or rooms. Markdown has no way to wrap a row."""


def prose_and_headings(page: Path) -> str:
    """The page without code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, by GitHub's rule: lower case, hyphens for spaces, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", prose_and_headings(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_are_short(page: Path) -> None:
    exempt = "|" if page.name in WRITTEN_BY_SCRIPTS else "\n"
    long = [
        f"{page.name}:{number}: {len(line)} characters"
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > LONGEST_LINE and not line.startswith(exempt)
    ]
    assert long == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", prose_and_headings(page)):
        target = page.parent / path if path else page
        found = target.exists() and (not anchor or anchor in anchors(target))
        broken += [] if found else [f"{path}#{anchor}"]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_stand_in_blocks_that_are_tested(page: Path) -> None:
    assert unlabelled(page) == [], "call the block bash or console: integration/test_doc_commands.py runs it"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.parent == ROOT / "docs"], ids=str)
def test_a_page_is_in_the_contents_of_its_folder(page: Path) -> None:
    contents = (page.parent / "index.md").read_text(encoding="utf-8").splitlines()
    assert {page.stem, "*"} & set(contents) or page.stem == "index", "add it to a toctree of index.md"
