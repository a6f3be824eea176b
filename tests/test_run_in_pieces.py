"""The script that runs the tests of a GPU piece by piece, on tests that fail in every way."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "gpu" / "run_in_pieces.py"
HEAD = "import os, time\nimport pytest\npytestmark = pytest.mark.gpu\n"
MIXED = f"""{HEAD}
def test_passes():
    pass

def test_fails():
    assert 1 == 2

def test_is_skipped():
    pytest.skip("no CUDA device")

def test_ends_its_process():
    os._exit(5)

@pytest.mark.parametrize("word", ["a b"])
def test_after_it(word):
    pass
"""
Run = Callable[..., int]


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    folder = tmp_path / "fakes"
    folder.mkdir()
    return folder


@pytest.fixture
def run(tmp_path: Path, tests: Path) -> Run:
    def run_script(*options: str) -> int:
        command = [sys.executable, str(SCRIPT), "out", "--tests", tests.name, *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).returncode

    return run_script


def summary(tmp_path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((tmp_path / "out" / "summary.json").read_text())
    return read


def outcomes(tmp_path: Path) -> dict[str, str | None]:
    return {test.rpartition("::")[2]: each["outcome"] for test, each in summary(tmp_path)["tests"].items()}


def test_every_test_has_its_outcome_whatever_one_does_to_its_process(
    tmp_path: Path, tests: Path, run: Run
) -> None:
    (tests / "test_mixed.py").write_text(MIXED)
    assert run() == 1
    assert outcomes(tmp_path) == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_is_skipped": "skipped",
        "test_ends_its_process": "failed",
        "test_after_it[a b]": "passed",
    }
    text = (tmp_path / "out" / "summary.txt").read_text()
    assert text.startswith("2 failed, 0 not run, 1 skipped, 2 passed\n")
    assert "test_is_skipped (0.0 s): no CUDA device" in text
    assert "test_fails" in text
    assert "assert 1 == 2" in text
    assert "ended the process: see piece-0.log" in text


def test_a_set_that_was_cut_short_goes_on_with_what_is_left(tmp_path: Path, tests: Path, run: Run) -> None:
    for name in ("a", "b"):
        (tests / f"test_{name}.py").write_text(f"{HEAD}def test_{name}():\n    pass\n")
    assert run("--pieces", "1") == 3
    assert outcomes(tmp_path) == {"test_a": "passed", "test_b": None}
    assert "not run:\n  " in (tmp_path / "out" / "summary.txt").read_text()
    first = (tmp_path / "out" / "piece-0.log").read_bytes()
    assert run() == 0
    assert outcomes(tmp_path) == {"test_a": "passed", "test_b": "passed"}
    assert (tmp_path / "out" / "piece-0.log").read_bytes() == first


def test_a_test_without_an_end_is_killed_and_the_next_ones_run(tmp_path: Path, tests: Path, run: Run) -> None:
    (tests / "test_hangs.py").write_text(f"{HEAD}def test_hangs():\n    time.sleep(3600)\n")
    (tests / "test_late.py").write_text(f"{HEAD}def test_late():\n    pass\n")
    assert run("--minutes", "0.15") == 1
    assert outcomes(tmp_path) == {"test_hangs": "failed", "test_late": "passed"}


def test_files_that_cannot_be_collected_are_reported(tmp_path: Path, tests: Path, run: Run) -> None:
    (tests / "test_broken.py").write_text("import nowhere_at_all\n")
    (tests / "test_lacks.py").write_text(f"{HEAD}pytest.importorskip('nowhere_at_all')\n")
    (tests / "test_fine.py").write_text(f"{HEAD}def test_fine():\n    pass\n")
    assert run() == 1
    shown = {Path(test).name: each for test, each in summary(tmp_path)["tests"].items()}
    assert shown["test_broken.py"]["outcome"] == "failed"
    assert "nowhere_at_all" in shown["test_broken.py"]["reason"]
    assert shown["test_lacks.py"]["outcome"] == "skipped"
    assert "nowhere_at_all" in shown["test_lacks.py"]["reason"]
    assert outcomes(tmp_path)["test_fine"] == "passed"
