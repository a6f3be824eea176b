"""Runs the tests of a GPU in pieces that each end in time: ``python3 tests/gpu/run_in_pieces.py FOLDER``.

A piece is one pytest process over tests of one file. It starts no test once most of its time is over, and is
killed at its limit; the tests that are left make the next piece. FOLDER keeps what came of each test, so that
the same command goes on where an interrupted one stopped: delete the folder to begin anew. It ends up with
``summary.txt`` and ``summary.json`` (what passed, failed, was skipped and why, and was not run at all) and a
log a piece.

Run it in the root of the repository. It takes pytest and nothing else: no uv, no network; with trtbench not
installed, set ``PYTHONPATH=.``.

Exit code: 0 all tests ran and none failed, 1 a test failed, 3 tests are left.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

QUOTED = 300
START_NONE_AFTER = 0.6
"""Share of a piece's time after which it starts no more tests."""

Results = dict[str, dict[str, Any]]
"""By test: ``outcome`` (passed, failed or skipped), ``reason`` and ``duration_s``."""


class Recorder:
    """The pytest plugin that writes down what is collected, starts and ends, at once."""

    def __init__(self, folder: Path, stop_after_s: float) -> None:
        self._folder, self._stop_at_s = folder, time.monotonic() + stop_after_s
        self._reports: list[pytest.TestReport] = []

    def _write(self, test: str, **fields: object) -> None:
        with (self._folder / "events.jsonl").open("a", encoding="utf-8") as events:
            events.write(json.dumps({"test": test, **fields}) + "\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported has failed, one that lacks a package is skipped."""
        if report.outcome != "passed":
            self._write(report.nodeid, outcome=report.outcome, reason=reason_of(report), duration_s=0)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.config.option.collectonly:
            names = json.dumps([item.nodeid for item in session.items])
            (self._folder / "collected.json").write_text(names, encoding="utf-8")

    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        if time.monotonic() > self._stop_at_s:
            pytest.exit("the next piece goes on", returncode=0)
        self._write(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test fails, or is skipped, if one of its phases does."""
        telling = [each for each in self._reports if each.outcome != "passed"] or self._reports
        duration_s = sum(each.duration for each in self._reports)
        outcome = "failed" if any(each.failed for each in telling) else telling[0].outcome
        self._write(nodeid, outcome=outcome, reason=reason_of(telling[0]), duration_s=duration_s)
        self._reports = []


def reason_of(report: pytest.CollectReport | pytest.TestReport) -> str | None:
    """What a skipped or failed test says, in one line."""
    if report.outcome == "passed":
        return None
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    # A file that cannot be imported says why at the end.
    text = str(crash.message)[:QUOTED] if crash else str(report.longrepr)[-QUOTED:]
    return " ".join(text.split())


def read_results(folder: Path) -> Results:
    """What came of each test; one that has started and not ended has ``outcome`` None."""
    path = folder / "events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return {event.pop("test"): {"outcome": None, **event} for event in events}


def pytest_process(folder: Path, arguments: list[str], limit_s: float, log: str) -> bool:
    """Run pytest with the recorder; False if it was killed at its limit."""
    own = [sys.executable, __file__, "--inside", str(START_NONE_AFTER * limit_s), str(folder)]
    # Neither workers, since tests share one GPU, nor what pyproject.toml selects.
    options = ["-o", "addopts=", "-m", "gpu", "-p", "no:xdist", "-p", "no:cacheprovider", "--rootdir", "."]
    with (folder / log).open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*own, *options, *arguments], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, SIGKILL)
                process.wait()
    return True


def run_pieces(folder: Path, tests: str, limit_s: float, most: int) -> None:
    """Run what is left, piece by piece."""
    pytest_process(folder, ["--collect-only", "-q", tests], limit_s, "collect.log")
    if not (folder / "collected.json").exists():
        raise SystemExit(f"no tests could be collected: see {folder / 'collect.log'}")
    first = len(list(folder.glob("piece-*.log")))
    for number in range(first, first + most):
        piece = next(pieces(folder), None)
        if piece is None:
            return
        log = f"piece-{number}.log"
        sys.stdout.write(f"{log}: {len(piece)} tests from {piece[0]}\n")
        sys.stdout.flush()
        before = read_results(folder)
        in_time = pytest_process(folder, ["-v", "-s", *piece], limit_s, log)
        fail_what_was_cut_short(folder, in_time, limit_s, log)
        if read_results(folder) == before:
            raise SystemExit(f"no test of this piece was started: see {folder / log}")


def pieces(folder: Path) -> Iterator[list[str]]:
    """The tests of each file that have no outcome yet."""
    results = read_results(folder)
    left = [test for test in collected(folder) if results.get(test, {}).get("outcome") is None]
    for _, group in groupby(left, key=lambda test: test.partition("::")[0]):
        yield list(group)


def collected(folder: Path) -> list[str]:
    tests: list[str] = json.loads((folder / "collected.json").read_text(encoding="utf-8"))
    return tests


def fail_what_was_cut_short(folder: Path, in_time: bool, limit_s: float, log: str) -> None:
    """A test that was running when its process ended has failed, and is not tried again."""
    why = "ended the process" if in_time else f"was running at the limit of {limit_s:g} s"
    with (folder / "events.jsonl").open("a", encoding="utf-8") as events:
        for test, result in read_results(folder).items():
            if result["outcome"] is None:
                failed = {"outcome": "failed", "reason": f"{why}: see {log}", "duration_s": None}
                events.write(json.dumps({"test": test, **failed}) + "\n")


def summarise(folder: Path) -> int:
    """Write both summaries, print the first lines, and return the exit code."""
    results = read_results(folder)
    names = dict.fromkeys([*collected(folder), *results])
    by_outcome: dict[str, list[str]] = {key: [] for key in ("failed", "not run", "skipped", "passed")}
    for test in names:
        by_outcome[results.get(test, {}).get("outcome") or "not run"].append(test)
    counts = {outcome: len(tests) for outcome, tests in by_outcome.items()}
    tests = {test: results.get(test, {"outcome": None}) for test in names}
    (folder / "summary.json").write_text(json.dumps({"counts": counts, "tests": tests}, indent=1) + "\n")
    head = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    lines = [head]
    for outcome, group in by_outcome.items():
        lines += ["", f"{outcome}:", *(f"  {line_of(test, tests[test])}" for test in group)]
    (folder / "summary.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{head}: see {folder / 'summary.txt'}\n")
    return 1 if counts["failed"] else 3 if counts["not run"] else 0


def line_of(test: str, result: dict[str, Any]) -> str:
    shown = f" ({result['duration_s']:.1f} s)" if result.get("duration_s") else ""
    return f"{test}{shown}" + (f": {result['reason']}" if result.get("reason") else "")


def main() -> int:
    if sys.argv[1:2] == ["--inside"]:
        stop_after_s, folder, *arguments = sys.argv[2:]
        return pytest.main(arguments, plugins=[Recorder(Path(folder), float(stop_after_s))])
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where results are kept")
    parser.add_argument("--tests", default="tests/gpu", help="file or folder of tests")
    parser.add_argument("--minutes", type=float, default=8, help="limit of a piece")
    parser.add_argument("--pieces", type=int, default=1000, help="run at most that many, then stop")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run_pieces(folder, options.tests, 60 * options.minutes, options.pieces)
    finally:
        code = summarise(folder) if (folder / "collected.json").exists() else 1
    return code


if __name__ == "__main__":
    sys.exit(main())
