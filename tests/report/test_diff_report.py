"""The text of a difference between two engines, character by character.

``fp16_nvfp4.json``: a ViT of two blocks in FP16 and in NVFP4, as TensorRT-RTX 1.7.1.116 compiled it.
"""

from io import StringIO
from pathlib import Path

import pytest

from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.diff import explanations, headline, render_diff, where
from trtbench.results.diff import EngineDiff
from trtbench.store.results import load_result

GOLDEN = Path(__file__).parents[1] / "golden" / "versions"


@pytest.fixture
def diff():
    return EngineDiff.model_validate_json((GOLDEN / "fp16_nvfp4.json").read_bytes())


def render(diff, width):
    console = VisibleConsole(file=StringIO(), width=width)
    render_diff(diff, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [110, 80])
def test_text_of_a_difference(diff, width):
    assert render(diff, width) == (GOLDEN / f"fp16_nvfp4_{width}.txt").read_text()


def test_explanations_add_up_to_the_headline():
    comparison = load_result(GOLDEN / "comparison.json")
    for difference in comparison.differences:
        changes = difference.diff.changes
        kernels = difference.diff.after.kernels - difference.diff.before.kernels
        assert sum(change.kernels for change in changes) == kernels
        assert bool(explanations(difference.diff)) == any(change.kind != "same" for change in changes)


def test_blocks_are_listed_as_ranges(diff):
    change = next(change for change in diff.changes if change.blocks)
    for blocks, text in (((0, 1, 2, 5), "blocks 0-2, 5"), ((3,), "block 3"), ((1, 2), "blocks 1-2")):
        assert where(change.model_copy(update={"blocks": blocks})) == f"{change.place} in {text}"


def test_a_difference_of_nothing(diff):
    same = diff.model_copy(
        update={"after": diff.before, "changes": tuple(c for c in diff.changes if c.kind == "same")}
    )
    assert headline(same) == "as many kernels, as many bytes"
    assert "these add up" not in render(same, 110)


def test_json_reads_back(diff):
    assert EngineDiff.model_validate_json(diff.model_dump_json()) == diff
