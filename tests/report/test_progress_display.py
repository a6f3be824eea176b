"""Progress on a terminal, as far as it is text."""

import io
import re

import pytest
from rich.console import Console

from trtbench.report.text import progress


def shown(monkeypatch: pytest.MonkeyPatch, width: int, *steps: str) -> list[str]:
    """The last picture of two recipes, of which the second is at the last of ``steps``."""
    stream = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    console = Console(file=stream, force_terminal=True, width=width, no_color=True)
    with progress.recipe_progress(["fp16", "nvfp4"]) as on_step:
        on_step("fp16", "export: trace")
        for step in steps:
            on_step("nvfp4", step)
    picture = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", stream.getvalue())
    return [line.rstrip() for line in picture.splitlines() if line.strip()][-2:]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_build_that_counts_its_steps_has_a_bar_on_any_terminal(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    words = "build: compile for sm120 with TensorRT-RTX 1.7.1.116: Building engine"
    done, building = shown(monkeypatch, width, words, f"{words}, step 3 of 6")
    assert re.search(r"fp16 +done +0:00:00$", done)
    assert re.search(r"nvfp4 ━━━━ +3/6 build: compile for sm120.* 0:00:00$", building)


def test_other_steps_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = "build: Building engine, step 3 of 6"
    _, after = shown(monkeypatch, 80, counted, "audit: read the compiled layers")
    assert re.search(r"nvfp4 +audit: read the compiled layers +0:00:00$", after)
