"""Every command that the documentation shows runs, on a small model, or says what it needs.

A command without a comment such as ``# needs a GPU`` or ``# takes minutes`` is run here, in one folder for
all pages, with the stand-ins of ``support.doc_commands``: a ViT-Tiny of one block, small batches, short
measurements, drawn images. ``pytest -n 0 -m slow_docs`` runs those that take minutes.
"""

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.doc_commands import PAGES, ROOT, Shown, defaults, in_small, shown, words
from support.doc_files import resolved, write_files

from trtbench.cli import app
from trtbench.cli.app import COMMANDS, load_command

ALL = [command for page in PAGES for command in shown(page)]
OF_TRTBENCH = [command for command in ALL if words(command)]
OTHERS = [command for command in ALL if not command.mark and not words(command)]
HERE = "own_checkpoint.md"
"""``test_own_model.py`` runs the commands of this page as they stand."""

BY_CI = ("pip install uv", "uv run pytest", "uv run ruff check", "uv run ruff format --check", "uv run mypy")
OTHERWISE = {
    "uv sync": "tests/installation",
    "source .venv/bin/activate": "follows uv sync",
    "uv run sphinx-build docs build/docs": "tests/test_documentation.py",
}
"""Commands of other programs, and what else shows that they work."""

SLOW = [command for command in ALL if command.mark == "takes minutes"]
SLOW.sort(key=lambda command: "tests/support/" not in command.text)  # these make files that others read


def options_of(verb: str) -> set[str]:
    return {option for parameter in load_command(verb).params for option in parameter.opts}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory of a reader, to which commands add models, engines and results."""
    root = tmp_path_factory.mktemp("reader")
    write_files(root)
    return root


@pytest.fixture
def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[Shown], None]:
    """Run a command in that folder, and expect the exit code that the page shows."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TRTBENCH_STORE", raising=False)

    def run_one(command: Shown) -> None:
        arguments = in_small([resolved(word, folder) for word in words(command)])
        for name, value in defaults(arguments).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["trtbench", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.main()
        output = capfd.readouterr()
        assert (ended.value.code or 0) == command.code, f"{command}\n{arguments}\n{output.out}\n{output.err}"
        if arguments == words(command) and not defaults(arguments):
            shown = " ".join((output.out + output.err).split())
            for text in command.output:
                assert " ".join(text.split()) in shown, f"{command}: not in the output:\n{text}\n{output.out}"

    return run_one


@pytest.mark.parametrize("command", [c for c in ALL if not c.mark and HERE not in c.page], ids=str)
def test_a_command_runs(run: Callable[[Shown], None], folder: Path, command: Shown) -> None:
    if words(command):
        run(command)
    elif command.text.startswith("unzip "):
        zipfile.ZipFile(folder / command.text.split()[1]).extractall(folder)
    elif command.text.startswith("mkdir "):
        (folder / command.text.split()[-1]).mkdir()


@pytest.mark.slow_docs
@pytest.mark.parametrize("command", SLOW, ids=str)
def test_a_command_that_takes_minutes_runs(
    run: Callable[[Shown], None], folder: Path, command: Shown
) -> None:
    if words(command):
        run(command)
    elif "tests/support/" in command.text:
        script, *arguments = command.text.partition("tests/support/")[2].split()
        path = ROOT / "tests" / "support" / script
        subprocess.run([sys.executable, str(path), *arguments], cwd=folder, check=True)
    else:
        pytest.skip("a benchmark")


@pytest.mark.parametrize("command", OTHERS, ids=str)
def test_a_command_of_another_program_is_run_elsewhere(command: Shown) -> None:
    variable = re.match(r"export (TRTBENCH_(\w+?)_(\w+))=", command.text)
    if variable:
        verb = variable[2].lower()
        assert variable[1] in {option.envvar for option in load_command(verb).params}
    elif not command.text.startswith(("unzip ", "mkdir ")):
        parts = command.text.split(" && ")
        assert all(part in (*BY_CI, *OTHERWISE) for part in parts), f"mark it, or say what runs it: {command}"


@pytest.mark.parametrize("command", OF_TRTBENCH, ids=str)
def test_a_command_has_options_that_exist(command: Shown) -> None:
    verb, *arguments = words(command)
    named = {word for word in arguments if re.match(r"--?[a-z]", word)}
    assert named <= options_of(verb)
    assert "*" not in command.text  # a second variant would fit the pattern, too


def test_every_command_is_shown() -> None:
    assert {words(command)[0] for command in OF_TRTBENCH} >= set(COMMANDS)


def test_ci_runs_what_is_left_to_it() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert all(command in script for command in BY_CI)
