"""The text of a comparison of versions and of a difference, character by character, from real engines.

``comparison.json``: a ViT of two blocks in TensorRT-RTX 1.5.0.114 and 1.7.1.116, on a machine whose docker
had no daemon. ``fp16_nvfp4.json``: its FP16 and NVFP4 engines of 1.7.1.116. ``timed.json``: a ViT of one
block timed in onnxruntime 1.24.4 and 1.31.1 on a CPU, beside an environment without onnxruntime.
"""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from trtbench.compare.stored_arms import raw_files
from trtbench.report.text.diff import explanations, headline, render_diff, where
from trtbench.report.text.versions import _versions, render_versions
from trtbench.results.diff import EngineDiff
from trtbench.results.versions import VersionComparison

GOLDEN = Path(__file__).parents[1] / "golden" / "versions"


@pytest.fixture
def comparison():
    return VersionComparison.model_validate_json((GOLDEN / "comparison.json").read_bytes())


@pytest.fixture
def timed():
    return VersionComparison.model_validate_json((GOLDEN / "timed.json").read_bytes())


@pytest.fixture
def diff():
    return EngineDiff.model_validate_json((GOLDEN / "fp16_nvfp4.json").read_bytes())


def render(function, result, width):
    console = Console(file=StringIO(), width=width, highlight=False)
    function(result, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def render_text(comparison, width, results="results"):
    """Print a comparison whose result lies in the folder ``results``."""
    files = raw_files(comparison, Path(results))
    return render(lambda result, console: render_versions(result, files, console), comparison, width)


@pytest.mark.parametrize("width", [110, 80])
def test_text_of_versions(comparison, width):
    assert render_text(comparison, width) == (GOLDEN / f"comparison_{width}.txt").read_text()


@pytest.mark.parametrize("width", [110, 80])
def test_text_of_versions_that_were_timed(timed, width):
    assert render_text(timed, width) == (GOLDEN / f"timed_{width}.txt").read_text()


def test_samples_lie_where_the_result_does(timed):
    assert "every sample: elsewhere/results/" in render_text(timed, 110, "elsewhere/results")


def test_rows_of_two_compilers_are_labelled(comparison):
    def by_tensorrt(row):
        engine = row.engine.model_copy(update={"backend": "tensorrt", "backend_version": "10.14.1.48"})
        return row.model_copy(update={"engine": engine, "environment": "docker:tensorrt"})

    rows = [by_tensorrt(row) if row.environment.endswith("1.7.1.116") else row for row in comparison.rows]
    (difference, *_) = comparison.differences
    after = {"backend": "tensorrt", "backend_version": "10.14.1.48"}
    changed = difference.diff.model_copy(update={"after": difference.diff.after.model_copy(update=after)})
    difference = difference.model_copy(update={"diff": changed, "after": "docker:tensorrt"})
    text = render_text(
        comparison.model_copy(update={"rows": tuple(rows), "differences": (difference,)}),
        120,
    )
    assert "fp16    TensorRT-RTX 1.5.0.114  fp16" in text
    assert "        TensorRT 10.14.1.48     fp16" in text
    assert "fp16, TensorRT-RTX 1.5.0.114 -> TensorRT 10.14.1.48: -4 kernels" in text


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("local", "venv:tensorrt-rtx==1.7.1.116"), ["local", "1.7.1.116"]),
        (("docker:a/tensorrt:25.11-py3", "docker:a/pytorch:25.11-py3"), None),
        (("docker:a/tensorrt:25.10-py3", "docker:a/tensorrt:25.11-py3"), ["25.10-py3", "25.11-py3"]),
        (("docker:nvcr.io/nvidia/tensorrt", "docker:localhost:5000/x/y"), ["tensorrt", "y"]),
        (("docker:localhost:5000/x/y:1.2", "docker:ubuntu:24.04"), ["1.2", "24.04"]),
        (("docker:a/b@sha256:" + 64 * "0", "docker:a/b:1@sha256:" + 64 * "0"), [14 * "0", "1"]),
    ],
)
def test_environments_of_one_version_are_told_apart(comparison, words, names):
    row = comparison.rows[0]
    found = _versions([row.model_copy(update={"environment": word}) for word in words])
    assert [found[word] for word in words] == (names or list(words))


def test_why_nothing_was_timed_is_told(comparison):
    reason = "no NVIDIA driver answers: NVML Shared Library Not Found"
    text = render_text(comparison.model_copy(update={"not_timed": reason}), 110)
    assert f"not timed: {reason}\n" in text


def test_times_stand_beside_what_was_compiled(comparison, timed):
    rows = [
        row.model_copy(update={"measured": timed.rows[0].measured, "runtime": "tensorrt_rtx"})
        if row.status == "ok"
        else row
        for row in comparison.rows
    ]
    text = render_text(comparison.model_copy(update={"rows": tuple(rows)}), 110)
    assert "compiled for sm120 from one ONNX file a recipe, with the same build options\n" in text
    assert "nothing here was timed" not in text
    assert "GEMM FLOPs run in" in text
    assert "median ms" in text


class TestFailedRowsOfAComparisonThatIsTimed:
    """What failed is in the table of times, a baseline as well, and has a line with its reason."""

    @pytest.fixture
    def with_failed(self, timed):
        """The comparison without its ``words`` being ready."""

        def change(*words):
            reason = "uv pip failed: there is no such version"
            rows, places = [], []
            for row in timed.rows:
                failed = {"status": "failed", "reason": reason, "measured": None, "onnx_sha256": None}
                rows.append(row.model_copy(update=failed) if row.environment in words else row)
            for record in timed.environments:
                lost = {"contents": None, "reason": reason}
                places.append(record.model_copy(update=lost) if record.environment in words else record)
            return timed.model_copy(update={"rows": tuple(rows), "environments": tuple(places)})

        return change

    def test_an_environment_that_is_not_ready(self, with_failed):
        text = render_text(with_failed("local"), 110)
        assert ["local", "failed"] in [line.split() for line in text.splitlines()]
        assert "fp32 in local failed: the environment is not ready\n" in text
        assert text.count("uv pip failed: there is no such version") == 1

    def test_the_baseline(self, with_failed):
        first = "venv:onnxruntime==1.24.4"
        lines = render_text(with_failed(first), 110).splitlines()
        header = next(number for number, line in enumerate(lines) if line.startswith("recipe"))
        assert lines[header + 1].split() == ["fp32", "1.24.4", "failed"]
        assert lines[header + 2].split()[:2] == ["1.31.1", "1.6067"]
        assert f"fp32 in {first} failed: the environment is not ready" in lines

    def test_all(self, timed, with_failed):
        text = render_text(with_failed(*(row.environment for row in timed.rows)), 110)
        assert text.startswith("vit_tiny_patch16_224, batch 1; nothing was timed\n")
        assert ["fp32", "1.24.4", "failed"] in [line.split() for line in text.splitlines()]
        assert "sha256 None" not in text


def test_nothing_that_was_compiled_is_told_as_such(comparison):
    rows = [
        row.model_copy(update={"status": "failed", "reason": "no compiler", "engine": None, "targets": ()})
        for row in comparison.rows
    ]
    text = render_text(comparison.model_copy(update={"rows": tuple(rows), "differences": ()}), 110)
    head = "vit_tiny_patch16_224, batch 8; nothing was compiled; nothing here was timed on a GPU"
    assert text.splitlines()[0] == head
    assert f"fp16 in {rows[0].environment} failed: no compiler" in text


@pytest.mark.parametrize("width", [110, 80])
def test_text_of_a_difference(diff, width):
    assert render(render_diff, diff, width) == (GOLDEN / f"fp16_nvfp4_{width}.txt").read_text()


def test_json_reads_back(comparison, timed, diff):
    assert VersionComparison.model_validate_json(timed.model_dump_json()) == timed
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
    assert "[its words]" in render_text(comparison.model_copy(update={"rows": rows}), 110)
