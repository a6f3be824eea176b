"""Mutated inputs of every kind end soon, in little memory, and with one clean line.

The corpus of a test run is small. ``TRTBENCH_ATTACKS=20`` takes twenty times as many seeds and all commands;
a case is found again by its name.
"""

import importlib
import os
import pkgutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from attacks import cases
from attacks.cases import Case
from support.attack import Outcome, attack

import trtbench.cli
import trtbench.report.text
from trtbench.export.calibration import image_files

SCALE = int(os.environ.get("TRTBENCH_ATTACKS", "1"))
pytestmark = pytest.mark.timeout(600 * SCALE)
COMMANDS = cases.QUICK_COMMANDS if SCALE == 1 else tuple(cases._ONNX_COMMANDS)


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Forks start with all of the command line."""
    for package in (trtbench.cli, trtbench.report.text):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    importlib.import_module("onnx.reference")
    importlib.import_module("trtbench.lint")


def ended(case: Case, root: Path) -> Outcome:
    folder = root / f"{len(list(root.iterdir()))}"
    folder.mkdir()
    case.prepare(folder)
    if not case.arguments:
        case = replace(case, arguments=cases.checkpoint_arguments(folder))
    outcome = attack(case.arguments, folder, case.environment)
    assert not list(folder.glob("*-ran")), f"{case.name} ran code"
    return outcome


def check(attacked: Iterable[Case], root: Path) -> int:
    """Attack with every case; fail with all that did not hold, and return how many there were."""
    failures, count = [], 0
    for case in attacked:
        outcome = ended(case, root)
        count += 1
        if faults := outcome.faults():
            failures.append(f"{case.name}: {', '.join(faults)}: {outcome.err[-300:]!r}")
    assert not failures, f"{len(failures)} of {count}:\n" + "\n".join(failures)
    return count


def test_onnx_files(tmp_path: Path) -> None:
    assert check(cases.onnx_cases(10 * SCALE, COMMANDS), tmp_path) >= 130


def test_json_files(tmp_path: Path) -> None:
    assert check(cases.json_cases(6 * SCALE), tmp_path) >= 90


def test_results_over_time(tmp_path: Path) -> None:
    assert check(cases.later_cases(3 * SCALE), tmp_path) >= 40


def test_journals(tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    finished.mkdir()
    case = cases.measured(finished)
    case.prepare(finished)
    assert attack(case.arguments, finished).code == 0
    assert check(cases.journal_cases(4 * SCALE, finished), tmp_path) >= 24


def test_names(tmp_path: Path) -> None:
    assert check(cases.name_cases(), tmp_path) >= 50


def test_environments(tmp_path: Path) -> None:
    assert check(cases.environment_cases(), tmp_path) >= 20


@pytest.fixture(scope="module")
def _torch() -> None:
    """Checkpoints and models need torch; forks start with it, and with one thread."""
    pytest.importorskip("timm")
    importlib.import_module("torch").set_num_threads(1)
    importlib.import_module("trtbench.export.model")


@pytest.mark.usefixtures("_torch")
def test_yaml_files(tmp_path: Path) -> None:
    assert check(cases.yaml_cases(3 * SCALE), tmp_path) >= 40


@pytest.mark.usefixtures("_torch")
def test_checkpoints(tmp_path: Path) -> None:
    assert check(cases.checkpoint_cases(24 * SCALE), tmp_path) >= 24


@pytest.mark.usefixtures("_torch")
@pytest.mark.skipif(SCALE == 1, reason="imports ModelOpt: set TRTBENCH_ATTACKS")
def test_folders_of_images(tmp_path: Path) -> None:
    # Before the forks: images are decoded after this import, which takes most of the limit on a busy machine.
    importlib.import_module("trtbench.export.pipeline")
    assert check(cases.image_cases(SCALE), tmp_path) >= 1


@pytest.mark.usefixtures("_torch")
def test_images(tmp_path: Path) -> None:
    images = importlib.import_module("trtbench.export.images")
    for case in cases.image_cases(20 * SCALE):
        folder = tmp_path / case.name
        folder.mkdir()
        case.prepare(folder)
        for path in image_files(folder):
            note = images.read_image(path, lambda image: image, 3)
            assert isinstance(note, str), f"{case.name}: {path} was read"
            assert str(path) in note


@pytest.mark.usefixtures("_torch")
def test_requests(tmp_path: Path) -> None:
    assert check(cases.request_cases(), tmp_path) >= 10


@pytest.mark.parametrize(
    "case",
    [*cases.onnx_cases(1, ("build", "bench", "export", "verify", "diff", "predict"))][-8:],
    ids=lambda case: case.name,
)
def test_commands_that_compile_or_run_refuse_files_that_are_none(case: Case, tmp_path: Path) -> None:
    outcome = ended(case, tmp_path)
    assert outcome.code in (1, 2)
    assert not outcome.faults()
