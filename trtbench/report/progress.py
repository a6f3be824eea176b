"""Progress on stderr: a live line per recipe on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from trtbench.report.console import open_stderr


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
        TextColumn("{task.fields[step]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = {name: progress.add_task(name, start=False, total=None, step="waiting") for name in names}
        current: list[str] = []

        def on_step(name: str, step: str) -> None:
            if current and current[-1] != name:
                progress.update(tasks[current[-1]], step="done")
                progress.stop_task(tasks[current[-1]])
            if not current or current[-1] != name:
                progress.start_task(tasks[name])
                current.append(name)
            progress.update(tasks[name], step=step)

        yield on_step
