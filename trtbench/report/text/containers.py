"""Known images as text for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.tables import table_of
from trtbench.results.containers import ContainerEntry, ContainerList
from trtbench.results.environments import ExpectedVersion

_NOTES = (
    "expected contents; what an image really holds is read when it runs",
    "driver: the one of this CUDA; with an older one, down to the oldest for Blackwell, features are missing",
)


def render_containers(containers: ContainerList, console: Console) -> None:
    """Print what runs containers here, then every image, or the commands for each if there are any."""
    engine = Text(f"containers: {containers.engine}") if containers.engine else None
    console.print(engine or Text(f"{containers.problem}", style="yellow"), soft_wrap=True)
    gpus = ", ".join(f"{gpu.name} ({gpu.target}), driver {gpu.driver_version}" for gpu in containers.gpus)
    console.print(Text(f"GPU: {gpus or containers.no_gpu_reason}"), soft_wrap=True, end="\n\n")
    if any(entry.commands for entry in containers.containers):
        for entry in containers.containers:
            _print_commands(entry, console)
        return
    console.print(_table(containers, console))
    for line in _NOTES:
        console.print(Text(line), soft_wrap=True)


def _print_commands(entry: ContainerEntry, console: Console) -> None:
    console.print(Text(f"# {entry.image.image}", style="bold"))
    for command in entry.commands:
        console.print(Text(command), soft_wrap=True)
    console.print()


def _table(containers: ContainerList, console: Console) -> Table:
    wraps = ("TensorRT expected", "CUDA expected", "driver", "oldest\ndriver", "here")
    table = table_of(console, "image", *wraps, text=("image", *wraps), wraps=wraps, gap=2)
    for entry in containers.containers:
        image = entry.image
        table.add_row(
            image.image.removeprefix("nvcr.io/nvidia/"),
            _expected(image.tensorrt),
            _expected(image.cuda),
            image.driver or "not known",
            image.driver_oldest or "not known",
            "yes" if entry.digest else "no",
        )
    return table


def _expected(expected: ExpectedVersion) -> str:
    known = "" if expected.known == "good" else f" ({expected.known})"
    return f"{expected.version.removeprefix('==').replace(',', ', ')}{known}"
