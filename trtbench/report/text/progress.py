"""Progress on stderr: a live line per recipe on a terminal, plain lines elsewhere."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from trtbench.report.text.console import open_stderr

_COUNTED = re.compile(r", step (?P<done>\d+) of (?P<total>\d+)$")
"""How the words of a step end that counts steps of its own, as builds do."""
_BAR_WIDTH, _CLOCK_WIDTH = 8, 7


@contextmanager
def recipe_progress(names: Sequence[str]) -> Iterator[Callable[[str, str], None]]:
    """Yield a callback ``(name, step)`` that shows which of ``names`` is at which step, and for how long."""
    with open_stderr() as stream:
        console = Console(file=stream, highlight=False)
        if console.is_terminal:
            with _live(console, names) as on_step:
                yield on_step
        else:
            yield lambda name, step: print(f"{name}: {step}", file=stream, flush=True)


@contextmanager
def _live(console: Console, names: Sequence[str]) -> Iterator[Callable[[str, str], None]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        _CountColumn(Column(no_wrap=True)),
        TextColumn("{task.fields[step]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        TimeElapsedColumn(table_column=Column(min_width=_CLOCK_WIDTH, no_wrap=True)),
    )
    with Progress(*columns, console=console, transient=True, expand=True) as progress:
        tasks = {name: progress.add_task(name, start=False, total=None, step="waiting") for name in names}
        current: list[str] = []

        def on_step(name: str, step: str) -> None:
            if current and current[-1] != name:
                progress.update(tasks[current[-1]], step="done")
                progress.stop_task(tasks[current[-1]])
            if not current or current[-1] != name:
                progress.start_task(tasks[name])
                current.append(name)
            progress.update(tasks[name], step=_COUNTED.sub("", step), count=_COUNTED.search(step))

        yield on_step


class _CountColumn(ProgressColumn):
    """A bar and its numbers, in front of words that a narrow terminal cuts; nothing for other steps."""

    def render(self, task: Task) -> Table | Text:
        """Draw the count in the words of the step."""
        count: re.Match[str] | None = task.fields.get("count")
        if count is None:
            return Text()
        done, total = int(count["done"]), int(count["total"])
        row = Table.grid(padding=(0, 1))
        row.add_row(ProgressBar(total=total, completed=done, width=_BAR_WIDTH), Text(f"{done}/{total}"))
        return row
