"""How help looks: options under headings, examples unwrapped, as wide as the terminal."""

import inspect
from typing import Any

from typer.core import TyperCommand, TyperGroup

MOST_COLUMNS = 120
"""Help is as wide as the terminal (or ``COLUMNS``), but no wider than this: longer lines are hard to read."""
_ARGUMENTS, _OPTIONS = "Arguments", "Options"


def with_whole_examples(text: str | None) -> str:
    """Keep each example on one line, which can be pasted: text behind a backspace is not wrapped."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(f"\b\n{' '.join(each.split())}" if _is_example(each) else each for each in paragraphs)


def _is_example(paragraph: str) -> bool:
    return paragraph.startswith("trtbench ")


class PanelCommand(TyperCommand):
    """A command whose options stand under the headings that ``rich_help_panel`` names; its own come first."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each heading, in the order in which they first appear."""
        sections: dict[str, list[tuple[str, str]]] = {_ARGUMENTS: [], _OPTIONS: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                panel = getattr(parameter, "rich_help_panel", None) or _OPTIONS
                sections.setdefault(_ARGUMENTS if is_argument else panel, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


class PanelGroup(TyperGroup):
    """The program, whose commands stand under the headings that ``rich_help_panel`` names."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each heading, in the order in which they first appear."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            sections.setdefault(command.rich_help_panel, []).append((name, command.short_help))
        width = max(len(name) for records in sections.values() for name, _ in records)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), text) for name, text in records])
