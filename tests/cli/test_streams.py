"""Where the streams that a user sees are closed or full: no measurement is lost, and the rest is one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.scripted import FAST, write_script

from trtbench.progress import Step
from trtbench.report.text import console
from trtbench.report.text.progress import progress_display

PROGRAM = "from trtbench.cli.app import main; main()"


def run(redirection: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as a shell does; what is still held then fails again when Python ends."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    words = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    shell = ["sh", "-c", f'"$@" {redirection}', "sh", *words]
    return subprocess.run(shell, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def bench(tmp_path: Path) -> list[object]:
    return ["bench", write_script(tmp_path, "a"), "--runtime", "fake", *FAST, "--store", tmp_path / "s"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("passes", "cannot write the result to stdout: No space left on device"),
        ("--version", "cannot write to stdout: No space left on device; free some space"),
    ],
)
def test_a_full_stdout_is_one_line(command: str, words: str) -> None:
    done = run(">/dev/full", command)
    assert (done.returncode, done.stderr) == (1, f"trtbench: error: {words}\n")


def test_a_measurement_that_stdout_does_not_take_is_said_to_be_kept(
    bench: list[object], tmp_path: Path
) -> None:
    done = run(">/dev/full", *bench)
    shown = done.stderr.splitlines()[-1]
    assert (done.returncode, shown) == (
        1,
        "trtbench: error: cannot write the result to stdout: No space left on device; the result is kept in "
        "the store",
    )
    assert list((tmp_path / "s" / "results").glob("*.json"))


def test_a_reader_that_has_enough_is_no_error() -> None:
    done = run("| head -1", "passes")
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_measurement_needs_no_stderr(bench: list[object], redirection: str) -> None:
    done = run(redirection, *bench, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "ok"


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_wrong_request_keeps_its_exit_code_without_stderr(redirection: str) -> None:
    assert run(redirection, "paint").returncode == 2


def test_progress_drops_what_cannot_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.os, "dup", lambda _: os.open("/dev/full", os.O_WRONLY))
    with progress_display(["fp16"]) as on_step:
        on_step(Step("export", "trace"))


def test_progress_shows_names_that_are_no_text(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_display(["b\udcff"]) as on_step:
        on_step(Step("measure", "load"))
    assert capfd.readouterr().err == "b\\udcff: measure: load\n"
