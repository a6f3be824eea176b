"""The program: its commands, its errors and its exit codes."""

import errno
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from trtbench import __version__
from trtbench.cli.groups import expanded
from trtbench.cli.help import MOST_COLUMNS, PanelCommand, PanelGroup
from trtbench.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, say
from trtbench.cli.streams import STDOUT, lead_nowhere, open_closed_streams
from trtbench.errors import SpecError, SpecErrors, TrtbenchError
from trtbench.host.signals import Stopped, signal_name, stopped_by_signals
from trtbench.units import one_line, shortened

PANELS = {
    "Compare and measure": {
        "compare": "Compare recipes, runtimes, environments or stored results.",
        "bench": "Time one model in one runtime.",
        "verify": "Measure each recipe's error against FP32.",
        "trace": "Show where time goes in a profiler's trace.",
        "history": "Show stored results over time, and mark what changed.",
        "report": "Write a report with figures on stored results.",
    },
    "Predict": {
        "predict": "Predict the times of recipes on a GPU that need not be here.",
        "explain": "Show why a recipe is no faster, and what would make it so.",
        "break-even": "Show from how many tokens on a token reduction pays.",
        "roofline": "Show what bounds each kernel, over batch, image and precision.",
        "sweep": "Make, predict and time a grid of ViT sizes, here or on Ray.",
        "tune": "Search for the fastest recipe that keeps an error bound.",
        "gpus": "List the GPUs that times can be predicted for.",
    },
    "Make and inspect": {
        "export": "Quantise a model and write it as ONNX, per recipe.",
        "build": "Compile models to engines.",
        "inspect": "Show the layers of a model or an engine.",
        "diff": "Show how kernels changed between two engines.",
        "lint": "Check a model against design rules for quantised ViTs.",
        "passes": "List the passes of the export.",
    },
    "Store": {
        "ls": "List the models, engines and failed builds of the store.",
        "pack": "Put an engine, its model and a README in one zip file.",
        "rm": "Remove models, engines and logs from the store.",
        "prune": "Remove what the store no longer needs.",
    },
    "Installation": {
        "doctor": "Check the installation.",
        "containers": "List NVIDIA's containers and whether they run here.",
    },
}
"""Commands with what they do, under the headings of the help."""

COMMANDS = {name: text for commands in PANELS.values() for name, text in commands.items()}
"""Each is ``command`` in the module of its name, which is imported when the command is called."""

_KEPT = "finished work is kept; run the same command again to resume"

# Without rich's boxes, a wrong option is one line and the help fits any terminal.
_PLAIN: dict[str, Any] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": MOST_COLUMNS},
}
app = typer.Typer(name="trtbench", cls=PanelGroup, no_args_is_help=True, **_PLAIN)


def load_command(name: str) -> Any:
    """Import a command; gives a ``TyperCommand`` whose options are variables of the environment, too."""
    module = name.replace("-", "_")
    alone = typer.Typer(add_completion=False, **_PLAIN)
    alone.command(name, cls=PanelCommand)(expanded(import_module(f"trtbench.cli.{module}").command))
    command: Any = get_command(alone)
    for option in (each for each in command.params if each.param_type_name == "option"):
        if option.envvar is None:  # one of its own is shown in the help
            word = option.opts[0].removeprefix("--").replace("-", "_")
            option.envvar, option.show_envvar = f"TRTBENCH_{module}_{word}".upper(), False
    return command


class _LazyCommand(TyperCommand):
    """Stands for a command in the list of commands, so that ``trtbench --help`` imports none."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        return load_command(str(self.name)).make_context(*arguments, **options)


for _panel, _commands in PANELS.items():
    for _name, _help in _commands.items():
        app.command(_name, cls=_LazyCommand, short_help=_help, rich_help_panel=_panel)(lambda: None)


@dataclass
class Settings:
    """Options of the program itself."""

    debug: bool = False


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"trtbench {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Show what a Vision Transformer really runs in, per precision, on NVIDIA Blackwell."""
    context.obj.debug = debug


def main() -> None:
    """Run the command line; every expected error is one line on stderr and an exit code."""
    open_closed_streams()
    program = Settings()
    try:
        with stopped_by_signals():
            # Not standalone, or typer would print three more lines for a wrong option.
            code = app(obj=program, standalone_mode=False, prog_name="trtbench")
    except Stopped as stopped:
        say(f"trtbench: stopped by {signal_name(stopped.number)}; {_KEPT}")
        sys.exit(128 + stopped.number)
    except (TrtbenchError, typer.TyperException, OSError) as error:
        line = _line_of(error)
        if line is None or (program.debug and not isinstance(error, typer.TyperException)):
            raise
        for each in error.texts if isinstance(error, SpecErrors) else [line]:
            say(each)
        sys.exit(next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)))
    if code == EXIT_INTERRUPTED:
        say(f"trtbench: interrupted; {_KEPT}")
    sys.exit(code or 0)


_EXIT_CODES: dict[type[Exception], int] = {
    SpecError: EXIT_USAGE,
    typer.TyperException: EXIT_USAGE,
    TrtbenchError: EXIT_FAILED,
    OSError: EXIT_FAILED,
}
"""By the first type that an error has."""


def _line_of(error: Exception) -> str | None:
    """What the user reads; None for an unexpected error."""
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if not isinstance(error, OSError):
        return shortened(f"trtbench: error: {error}")
    if error.errno != errno.ENOSPC:
        return None
    # Such as --help, which print_result does not print.
    lead_nowhere(STDOUT)
    return f"trtbench: error: cannot write to {error.filename or 'stdout'}: {error.strerror}; free some space"


def _usage(error: typer.TyperException) -> str:
    """Point at the help; without any argument, it is the help itself."""
    if len(sys.argv) == 1:
        return error.format_message()
    context: typer.Context | None = getattr(error, "ctx", None)
    command = context.command_path if context else "trtbench"
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    return one_line(f"trtbench: error: {text}; see {command} --help")
