"""Help: headings, whole lines, the width of the terminal; completion; options from the environment."""

import os
import re
import subprocess
import sys

import pytest
from support.tensorrt_machine import Run

from trtbench.cli.app import COMMANDS, load_command
from trtbench.cli.groups import Given
from trtbench.cli.refusals import Asked, refuse

HEADINGS = [
    "Arguments",
    "Options",
    "Model",
    "Shape",
    "Compiler",
    "Timing",
    "Images",
    "Prediction",
    "Output",
    "Gate",
]


def complete(words: str, count: int) -> list[str]:
    """What bash offers for the last word."""
    variables = {"_TRTBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    program = [sys.executable, "-c", "from trtbench.cli.app import main; main()"]
    done = subprocess.run(
        program, env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_options_stand_under_headings(trtbench: Run) -> None:
    _, out, _ = trtbench("compare", "--help")
    assert re.findall(r"^(\w+):$", out, re.MULTILINE) == HEADINGS
    sections = dict(re.findall(r"^(\w+):\n((?:  .*\n)+)", out, re.MULTILINE))
    assert "--target" in sections["Compiler"]
    assert "--store" in sections["Output"]
    assert "--fail-on" in sections["Gate"]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_examples_are_whole_at_any_width(
    trtbench: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = trtbench("roofline", "--help")
    example = "  trtbench roofline vit_base_patch16_224 --set embed_dim=960 --set num_heads=15 "
    assert any(line.startswith(example) and line.endswith("--tokens 1024,50") for line in out.splitlines())


def test_help_is_as_wide_as_the_terminal_within_reason(
    trtbench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = []
    for columns in (60, 100, 300):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = trtbench("prune", "--help")[1].splitlines()
        widths.append(max(len(line) for line in lines if not line.startswith("  trtbench ")))
    assert widths[0] <= 60 < widths[1] <= 100 < widths[2] <= 120


def test_every_command_is_one_line_of_80_columns(trtbench: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = trtbench("--help")[1]
    assert all(
        re.search(rf"^  {name} +{re.escape(text)}$", out, re.MULTILINE) for name, text in COMMANDS.items()
    )


def test_commands_and_their_options_are_completed() -> None:
    assert complete("trtbench comp", 1) == ["compare"]
    assert {"--runtime", "--rebuilds"} == {*complete("trtbench compare --r", 2)} - {"--regime"}


def test_an_option_can_be_set_by_a_variable(trtbench: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBENCH_LS_JSON", "1")
    assert trtbench("ls")[1].startswith("{")
    monkeypatch.setenv("TRTBENCH_EXPORT_BATCH", "many")
    code, _, err = trtbench("export")
    assert (code, "--batch many: expected a number" in err) == (2, True)


@pytest.mark.parametrize("command", COMMANDS)
def test_variables_have_the_names_of_options(command: str) -> None:
    for option in load_command(command).params:
        if option.param_type_name == "option" and option.envvar != "TRTBENCH_STORE":
            words = f"trtbench_{command}_{option.opts[0].removeprefix('--')}"
            assert option.envvar == words.replace("-", "_").upper()


def test_a_variable_counts_where_an_option_is_needed_and_is_never_refused() -> None:
    given = Given(["--max-top1-drop"])
    given.variables = frozenset({"--data", "--min-sqnr", "--trust"})
    refuse(Asked(), given)
