"""Directives that write reference pages from the code: ``commands`` and ``codes``."""

import os
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from trtbench.cli.app import PANELS, load_command
from trtbench.codes import Code

WIDTH = 100
"""Columns of help that fit the page."""


class Commands(SphinxDirective):
    """A section for each command, with its help as a terminal shows it."""

    def run(self) -> list[nodes.Node]:
        """Give the sections, under the headings of ``trtbench --help``."""
        lines: list[str] = []
        for panel, commands in PANELS.items():
            lines += [f"## {panel}", ""]
            for name in commands:
                lines += [f"### {name}", "", "```text", _help(name), "```", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


class Codes(SphinxDirective):
    """A table of codes for each topic: what each means, and what to do."""

    def run(self) -> list[nodes.Node]:
        """Give a section for each topic, in the order of the code."""
        lines: list[str] = []
        for topic in dict.fromkeys(code.topic for code in Code):
            lines += ["", f"## {topic}", "", "| code | meaning | what to do |", "|---|---|---|"]
            lines += [
                f"| `{code}` | {code.meaning} | {code.remedy} |" for code in Code if code.topic == topic
            ]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def _help(name: str) -> str:
    os.environ["COLUMNS"] = str(WIDTH)
    command: Any = load_command(name)
    context = command.context_class(
        command, info_name=f"trtbench {name}", terminal_width=WIDTH, max_content_width=WIDTH
    )
    return str(command.get_help(context))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add both directives."""
    app.add_directive("commands", Commands)
    app.add_directive("codes", Codes)
    return {"parallel_read_safe": True}
