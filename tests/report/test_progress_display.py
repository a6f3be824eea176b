"""Progress on a terminal, as far as it is text, and as plain lines elsewhere."""

import io
import re
from collections.abc import Sequence

import pytest

from trtbench.progress import Step
from trtbench.report.text import progress
from trtbench.report.text.console import VisibleConsole


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def shown(
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    *steps: Step,
    subjects: Sequence[str] = ("fp16", "nvfp4"),
    lines: int = 2,
) -> list[str]:
    """The last ``lines`` on a terminal after ``steps``, each of which takes a second."""
    stream, clock = io.StringIO(), Clock()
    console = VisibleConsole(file=stream, force_terminal=True, width=width, no_color=True, get_time=clock)
    monkeypatch.setattr(progress, "VisibleConsole", lambda **_: console)
    with progress.progress_display(subjects) as on_step:
        for step in steps:
            on_step(step)
            clock.now_s += 1
    picture = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", stream.getvalue())
    return [line.rstrip() for line in picture.splitlines() if line.strip()][-lines:]


def printed(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    steps: Sequence[tuple[float, Step]],
    subjects: Sequence[str] = ("fp16", "nvfp4"),
) -> list[str]:
    """Lines of a log, where each step comes at its time in seconds."""
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    with progress.progress_display(subjects) as on_step:
        for at_s, step in steps:
            clock.now_s = at_s
            on_step(step)
    return capfd.readouterr().err.splitlines()


TRACE = Step("export", "trace", 1, 4, subject="fp16")


def building(done: int, total: int = 6, subject: str = "nvfp4") -> Step:
    return Step("build", "Building engine", done, total, subject=subject)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_count_is_a_bar_on_any_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    words = Step("build", "compile for sm120 with TensorRT-RTX 1.7.1.116", subject="nvfp4")
    done, at_work = shown(monkeypatch, width, TRACE, words, building(3))
    assert re.search(r"fp16 +done +0:00:01$", done)
    assert re.search(r"nvfp4 build ━━━━ +3/6 Building.* 0:00:02$", at_work)


def test_a_step_that_does_not_count_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    audit = Step("audit", "read the compiled layers", subject="nvfp4")
    _, at_work = shown(monkeypatch, 80, building(0), building(3), audit)
    assert re.search(r"nvfp4 audit +read the compiled layers +0:00:03$", at_work)


def test_numbers_in_the_words_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Step("build", "Building engine, step 3 of 6", subject="nvfp4")
    _, at_work = shown(monkeypatch, 80, words)
    assert re.search(r"nvfp4 build +Building engine, step 3 of 6 +0:00:01$", at_work)


def test_brackets_in_the_words_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    (at_work,) = shown(monkeypatch, 80, Step("build", "[Foo/bar]"), subjects=["m[1]"], lines=1)
    assert re.search(r"m\[1\] build +\[Foo/bar\] +0:00:01$", at_work)


def test_time_left_is_that_of_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = Step("measure", "timed 14 blocks", 1, 2, 125.0, "nvfp4")
    _, at_work = shown(monkeypatch, 80, timing)
    assert re.search(r"measure ━━━━ +1/2 timed 14 blocks +0:00:01 2 min 05 s left$", at_work)


def test_time_left_is_estimated_where_the_stage_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    _, at_work = shown(monkeypatch, 80, *map(building, range(3)))
    assert at_work.endswith("0:00:03 4 s left")


def test_time_left_goes_by_the_speed_of_this_count_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Step("build", "Timing", subject="nvfp4", total=6)
    _, at_work = shown(monkeypatch, 80, *map(building, range(6)), other)
    assert at_work.endswith(" 0:00:07")


def test_a_count_that_is_full_does_not_stop_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    _, at_work = shown(monkeypatch, 80, building(6), Step("audit", "read", subject="nvfp4"))
    assert at_work.endswith(" 0:00:02")


def test_the_clock_of_a_subject_counts_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    verify = Step("verify", "compare images", 8, 10, subject="fp16")
    at_work, done = shown(monkeypatch, 80, TRACE, building(0), building(1), building(2), verify)
    assert re.search(r"fp16 +verify ━+ +8/10 compare images +0:00:02$", at_work)
    assert re.search(r"nvfp4 +done +0:00:03$", done)


def test_a_step_of_all_subjects_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = Step("measure", "timed 14 blocks", 1, 2)
    *_, at_work = shown(monkeypatch, 80, TRACE, timing, lines=3)
    assert re.search(r"^ *\S? +measure ━━━━ +1/2 timed 14 blocks +0:00:01$", at_work)


def test_a_step_without_subject_is_that_of_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    (at_work,) = shown(monkeypatch, 80, Step("measure", "load"), subjects=["fp16"], lines=1)
    assert re.search(r"fp16 measure +load +0:00:01$", at_work)


def test_a_log_has_subject_stage_words_and_numbers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [
        TRACE,
        Step("build", "compile", subject="nvfp4"),
        Step("measure", "load fp16", left_s=90.0),
        Step("measure", "timed 2 blocks", 0, 3, 11.6),
    ]
    assert printed(monkeypatch, capfd, [(0.0, step) for step in steps]) == [
        "fp16: export: trace (1/4)",
        "nvfp4: build: compile",
        "measure: load fp16 (1 min 30 s left)",
        "measure: timed 2 blocks (0/3, 12 s left)",
    ]


def test_a_log_with_one_subject_names_it_in_every_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = printed(monkeypatch, capfd, [(0.0, Step("setup", "make a wheel"))], subjects=["fp16"])
    assert lines == ["fp16: setup: make a wheel"]


def test_a_count_under_the_same_words_is_repeated_every_2_s(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [(done / 2, building(done, 100)) for done in range(10)]
    assert printed(monkeypatch, capfd, steps) == [
        f"nvfp4: build: Building engine ({done}/100)" for done in (0, 4, 8)
    ]


def test_new_words_under_the_same_count_are_repeated_every_2_s(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [(turn / 100, Step("measure", f"timed {turn} blocks", 0, 2)) for turn in range(250)]
    assert printed(monkeypatch, capfd, steps) == [
        "measure: timed 0 blocks (0/2)",
        "measure: timed 200 blocks (0/2)",
    ]


def test_a_step_with_new_words_and_a_new_count_is_shown_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    quantize = Step("export", "quantize", 2, 4, subject="fp16")
    lines = printed(monkeypatch, capfd, [(0.0, TRACE), (0.1, quantize)])
    assert lines[1:] == ["fp16: export: quantize (2/4)"]


def test_the_end_of_a_count_is_shown_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = printed(monkeypatch, capfd, [(done / 10, building(done)) for done in range(7)])
    assert lines == [f"nvfp4: build: Building engine ({done}/6)" for done in (0, 6)]


def test_subjects_do_not_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [(0.0, building(1)), (0.1, building(1, subject="fp16")), (0.2, building(2))]
    assert len(printed(monkeypatch, capfd, steps)) == 2
