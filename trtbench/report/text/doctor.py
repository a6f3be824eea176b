"""The diagnosis of a machine as text for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.findings import render_findings
from trtbench.report.text.tables import table_of
from trtbench.results.doctor import Backend, Capability, Diagnosis, Task
from trtbench.results.environments import Environment
from trtbench.units import format_bytes

_STYLES = {"ok": "green", "missing": "yellow", "broken": "red"}


def render_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print the machine, what works, what is installed, how to get the rest, and the backends."""
    console.print(_machine(diagnosis.environment))
    console.print(_tasks(diagnosis.tasks, console))
    console.print()
    console.print(_capabilities(diagnosis.capabilities, console))
    for capability in diagnosis.capabilities:
        if capability.status != "ok":
            _render_remedy(capability, console)
    console.print()
    console.print(_backends(diagnosis.backends, console))
    render_findings([("", finding) for finding in diagnosis.findings], console)


def _machine(environment: Environment) -> Text:
    return Text(
        f"trtbench {environment.trtbench_version}, Python {environment.python_version}, "
        f"{environment.cpu_count} CPUs ({environment.cpu_model}), "
        f"{format_bytes(environment.memory_bytes)} of memory"
    )


def _tasks(tasks: tuple[Task, ...], console: Console) -> Table:
    headers = ("command", "works here", "lacks")
    table = table_of(console, *headers, text=headers, wraps=headers, gap=2)
    for task in tasks:
        works = Text("no", style=_STYLES["missing"]) if task.lacks else Text("yes", style=_STYLES["ok"])
        table.add_row(task.name, works, ", ".join(task.lacks))
    return table


def _capabilities(capabilities: tuple[Capability, ...], console: Console) -> Table:
    headers = ("capability", "status", "found")
    table = table_of(console, *headers, text=headers, wraps=headers, gap=2)
    for capability in capabilities:
        # Text, because markup would swallow the brackets of 'trtbench[rtx]'.
        status = Text(capability.status, style=_STYLES[capability.status])
        table.add_row(capability.name, status, Text(capability.version or ""))
    return table


def _render_remedy(capability: Capability, console: Console) -> None:
    """Print a command on a line of its own, unwrapped, so that it can be copied."""
    console.print()
    console.print(Text.assemble((capability.name, "bold"), f" is {capability.status}: {capability.problem}"))
    console.print(Text(f"  without it: {capability.cost}"))
    console.print(Text(f"  {capability.command}"), soft_wrap=True)


def _backends(backends: tuple[Backend, ...], console: Console) -> Table:
    headers = ("backend", "builds for", "runs on", "")
    table = table_of(console, *headers, text=headers, wraps=headers, gap=2)
    for backend in backends:
        cells = (
            backend.name,
            " ".join(backend.builds_for) or "-",
            ", ".join(backend.runs_on) or "-",
            backend.note,
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table
