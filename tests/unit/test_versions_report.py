"""The text of a comparison of versions and of a difference, character by character, from real engines.

``comparison.json``: a ViT of two blocks in TensorRT-RTX 1.5.0.114 and 1.7.1.116, on a machine whose docker
had no daemon. ``fp16_nvfp4.json``: its FP16 and NVFP4 engines of 1.7.1.116.
"""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from trtbench.report.diff import explanations, headline, render_diff, where
from trtbench.report.versions import render_versions
from trtbench.results.diff import EngineDiff
from trtbench.results.versions import VersionComparison

GOLDEN = Path(__file__).parents[1] / "golden" / "versions"


@pytest.fixture
def comparison():
    return VersionComparison.model_validate_json((GOLDEN / "comparison.json").read_bytes())


@pytest.fixture
def diff():
    return EngineDiff.model_validate_json((GOLDEN / "fp16_nvfp4.json").read_bytes())


def render(function, result, width):
    console = Console(file=StringIO(), width=width, highlight=False)
    function(result, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [110, 80])
def test_text_of_versions(comparison, width):
    assert render(render_versions, comparison, width) == (GOLDEN / f"comparison_{width}.txt").read_text()


@pytest.mark.parametrize("width", [110, 80])
def test_text_of_a_difference(diff, width):
    assert render(render_diff, diff, width) == (GOLDEN / f"fp16_nvfp4_{width}.txt").read_text()


def test_json_reads_back(comparison, diff):
    assert VersionComparison.model_validate_json(comparison.model_dump_json()) == comparison
    assert EngineDiff.model_validate_json(diff.model_dump_json()) == diff


def test_every_recipe_has_one_onnx_file_in_all_environments(comparison):
    for recipe in {str(row.recipe) for row in comparison.rows}:
        shas = {row.onnx_sha256 for row in comparison.rows if str(row.recipe) == recipe}
        assert len(shas) == 1


def test_explanations_add_up_to_the_headline(comparison):
    for difference in comparison.differences:
        changes = difference.diff.changes
        kernels = difference.diff.after.kernels - difference.diff.before.kernels
        assert sum(change.kernels for change in changes) == kernels
        assert bool(explanations(difference.diff)) == any(change.kind != "same" for change in changes)


def test_blocks_are_told_in_runs(diff):
    change = next(change for change in diff.changes if change.blocks)
    for blocks, text in (((0, 1, 2, 5), "blocks 0-2, 5"), ((3,), "block 3"), ((1, 2), "blocks 1-2")):
        assert where(change.model_copy(update={"blocks": blocks})) == f"{change.place} in {text}"


def test_a_difference_of_nothing(diff):
    same = diff.model_copy(
        update={"after": diff.before, "changes": tuple(c for c in diff.changes if c.kind == "same")}
    )
    assert headline(same) == "as many kernels, as many bytes"
    assert "these add up" not in render(render_diff, same, 110)


def test_a_reason_in_brackets_is_printed_as_it_is(comparison):
    rows = tuple(
        row.model_copy(update={"reason": "[its words]"}) if row.reason else row for row in comparison.rows
    )
    assert "[its words]" in render(render_versions, comparison.model_copy(update={"rows": rows}), 110)
