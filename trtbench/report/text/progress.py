"""Progress on stderr: a live line per subject on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TextIO

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from trtbench.progress import OnStep, Step
from trtbench.report.text.console import VisibleConsole, open_stderr
from trtbench.units import format_seconds, visible

_BAR_WIDTH, _CLOCK_WIDTH = 8, 7
_REPEAT_S = 2.0
"""How often a plain line says how far a step is that counts."""


@contextmanager
def progress_display(subjects: Sequence[str]) -> Iterator[OnStep]:
    """Yield a callback that shows which of ``subjects`` is at which step, how far and for how long.

    A step without a subject belongs to the only one, or, where there are several, to a line of its own.
    """
    unnamed = subjects[0] if len(subjects) == 1 else ""
    with open_stderr() as stream:
        console = VisibleConsole(file=stream)
        lines = _live(console, subjects) if console.is_terminal else nullcontext(_plain(stream))
        with lines as show:
            yield lambda step: show(step if step.subject else replace(step, subject=unnamed))


def _plain(stream: TextIO) -> OnStep:
    """Print a line a step; a step that counts is repeated every 2 s, so that it does not flood a log."""
    last: dict[str, tuple[Step, float]] = {}

    def show(step: Step) -> None:
        before, shown_s = last.get(step.subject, (None, 0.0))
        now_s = time.monotonic()
        if before is None or _is_new(step, before) or now_s - shown_s >= _REPEAT_S:
            last[step.subject] = (step, now_s)
            print(visible(_line(step)), file=stream, flush=True)

    return show


def _is_new(step: Step, before: Step) -> bool:
    """Whether a step is another one than ``before``, or its end, and not the same further on.

    Further on, the count changes under the same words, or the words (times so far) under the same count.
    """
    if step.total is None or (step.stage, step.total) != (before.stage, before.total):
        return True
    return step.done != before.done and (step.text != before.text or step.done == step.total)


def _line(step: Step) -> str:
    count = [] if step.total is None else [f"{step.done}/{step.total}"]
    left = [] if step.left_s is None else [_left(step.left_s)]
    facts = f" ({', '.join([*count, *left])})" if count or left else ""
    return f"{step.subject}{': ' * bool(step.subject)}{step.stage}: {step.text}{facts}"


def _left(left_s: float) -> str:
    """Whole seconds, for it is an estimate."""
    return f"{left_s:.0f} s left" if round(left_s) < 60 else f"{format_seconds(left_s)} left"


@contextmanager
def _live(console: Console, subjects: Sequence[str]) -> Iterator[OnStep]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[stage]}", markup=False, table_column=Column(no_wrap=True)),
        _CountColumn(Column(no_wrap=True)),
        TextColumn(
            "{task.fields[text]}",
            markup=False,
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        ),
        TimeElapsedColumn(table_column=Column(min_width=_CLOCK_WIDTH, no_wrap=True)),
        _LeftColumn(Column(no_wrap=True)),
    )
    with Progress(*columns, console=console, transient=True, expand=True) as progress:
        yield _LiveLines(progress, subjects).show


class _LiveLines:
    """A task of rich for each subject; at most one runs, and the clocks of the others are stopped."""

    def __init__(self, progress: Progress, subjects: Sequence[str]) -> None:
        self._progress = progress
        self._tasks: dict[str, Task] = {}
        self._current: str | None = None
        for subject in dict.fromkeys(subjects):
            self._add(subject)

    def show(self, step: Step) -> None:
        """Show the step in the line of its subject."""
        if step.subject != self._current:
            self._switch(step.subject)
        task = self._tasks[step.subject]
        before: Step | None = task.fields["step"]
        if before is None or _counts_anew(step, before):
            # Or its speed would be that of other units; the clock runs on.
            started_s = task.start_time
            self._progress.reset(task.id, total=step.total, **task.fields)
            task.start_time = started_s
        self._progress.update(
            task.id, total=step.total, completed=step.done, step=step, stage=step.stage, text=step.text
        )

    def _add(self, subject: str) -> None:
        task_id = self._progress.add_task(
            subject, start=False, total=None, step=None, stage="", text="waiting"
        )
        self._tasks[subject] = next(task for task in self._progress.tasks if task.id == task_id)

    def _switch(self, subject: str) -> None:
        """Stop the clock of the current subject, and resume that of ``subject``."""
        if self._current is not None:
            task = self._tasks[self._current]
            self._progress.update(task.id, step=None, stage="", text="done")
            self._progress.stop_task(task.id)
        self._current = subject
        if subject not in self._tasks:
            self._add(subject)
        task = self._tasks[subject]
        self._progress.start_task(task.id)
        if task.stop_time is not None and task.start_time is not None:
            task.start_time += task.get_time() - task.stop_time
            task.stop_time = None


def _counts_anew(step: Step, before: Step) -> bool:
    return (step.stage, step.total) != (before.stage, before.total) or step.done < before.done


class _CountColumn(ProgressColumn):
    """A bar and its numbers, in front of words that a narrow terminal cuts; nothing for other steps."""

    def render(self, task: Task) -> Table | Text:
        """Draw how far the step is, if it counts."""
        step: Step | None = task.fields["step"]
        if step is None or step.total is None:
            return Text()
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=step.total, completed=step.done, width=_BAR_WIDTH)
        row.add_row(bar, Text(f"{step.done}/{step.total}"))
        return row


class _LeftColumn(ProgressColumn):
    """The time left that the stage knows, or that rich estimates from the counts so far."""

    def render(self, task: Task) -> Text:
        """Show it, if either is known."""
        step: Step | None = task.fields["step"]
        if step is None:
            return Text()
        estimate = None if step.total is None else task.time_remaining
        left_s = estimate if step.left_s is None else step.left_s
        return Text() if left_s is None else Text(_left(left_s))
