"""Pages of reports, taken apart."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from trtbench.report.sections.section import Source
from trtbench.results import Result
from trtbench.store.results import load_any

GOLDEN = Path(__file__).parents[1] / "golden"
DATA = Path(__file__).parents[1] / "data"


def golden(name: str) -> Source:
    """A stored result of the golden files."""
    return _stored(GOLDEN / f"{name}.json")


def recorded(name: str) -> Source:
    """A result of real engines."""
    return _stored(DATA / f"{name}.json")


def _stored(path: Path) -> Source:
    return Source(path.name, load_any(path), path.parent)


def source(result: Result) -> Source:
    """A result that lies nowhere."""
    return Source("made.json", result, Path())


class Page(HTMLParser):
    """Tags with their attributes, and the text of each script, of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        """Keep what a script holds."""
        if self.tags and self.tags[-1][0] == "script" and not self.scripts[-1]:
            self.scripts[-1] = data

    def values(self, attribute: str) -> list[str]:
        """Of one attribute, in the order of the page."""
        return [str(found[attribute]) for _, found in self.tags if attribute in found]

    @property
    def data(self) -> dict[str, Any]:
        """What the figures are drawn from."""
        found: dict[str, Any] = json.loads(self.scripts[0])["figures"]
        return found

    @property
    def policy(self) -> str:
        """The content security policy."""
        return next(str(a["content"]) for _, a in self.tags if a.get("http-equiv"))
