"""The text of a comparison, character by character, of real engines and times.

``compare/comparison.json``: a ViT of two blocks in four recipes and a failed one, ``compare/sweep.json`` at
two batches, as TensorRT-RTX 1.7.1.116 compiled it without a GPU. ``versions/comparison.json``: in versions
1.5.0.114 and 1.7.1.116, on a machine whose docker had no daemon. ``versions/timed.json``: a ViT of one block
timed in onnxruntime 1.24.4 and 1.31.1 on a CPU, beside an environment without onnxruntime.
"""

from io import StringIO
from pathlib import Path

import pytest

from trtbench.report.text.compiled_table import format_shares
from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.stored import render_stored
from trtbench.results.comparison import with_keys
from trtbench.store.results import load_result

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("compare/comparison", "compare/sweep", "versions/comparison", "versions/timed")


def load(name):
    return load_result(GOLDEN / f"{name}.json")


def render(comparison, width=110, results="results"):
    console = VisibleConsole(file=StringIO(), width=width)
    render_stored(comparison, comparison.raw_files(Path(results)), console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def with_rows(comparison, change, **fields):
    """The comparison with what ``change`` makes of each row."""
    rows = tuple(change(row) for row in comparison.rows)
    return comparison.model_copy(update={"rows": rows, **fields})


def words(text):
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [110, 80])
def test_text(name, width):
    assert render(load(name), width) == (GOLDEN / f"{name}_{width}.txt").read_text()


@pytest.mark.parametrize("width", [60, 80, 110])
def test_with_many_long_recipes_nothing_vanishes_or_repeats(width):
    few = load("compare/comparison")
    long = [f"nvfp4:proj=fp16,fc{number}=fp8,head=fp16" for number in range(9)]
    rows = [few.rows[3].model_copy(update={"key": name, "subject": name, "findings": ()}) for name in long]
    many = few.model_copy(update={"rows": (*few.rows[:4], *rows)})
    wide, narrow = render(many, 400), render(many, width)
    assert {*wide.split()} ^ {*narrow.split()} <= {"role", "recipe"}
    lines = narrow.splitlines()
    tables = [line for line in lines if line.startswith("recipe ")]
    assert len(set(tables)) == len(tables)
    assert "GEMMs run in" in narrow
    assert narrow.count("GEMMs run in") == 1
    assert all(len(line) <= width for line in lines if line.startswith(("recipe", "nvfp4", "FLOPs", "role")))


@pytest.mark.parametrize("name", NAMES)
def test_json_reads_back(name):
    comparison = load(name)
    assert type(comparison).model_validate_json(comparison.model_dump_json()) == comparison


@pytest.mark.parametrize("name", ["compare/comparison", "versions/comparison"])
def test_a_reason_in_brackets_is_printed_as_it_is(name):
    def rename(row):
        return row.model_copy(update={"reason": "[its words]"}) if row.reason else row

    assert "[its words]" in render(with_rows(load(name), rename))


@pytest.mark.parametrize(
    ("shares", "text"),
    [({"fp16": 1.0}, "fp16"), ({"fp16": 0.255, "fp4": 0.745}, "fp4 74.5%, fp16 25.5%"), ({}, "")],
)
def test_shares(shares, text):
    assert format_shares(shares) == text


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("no GPU here", "no GPU here: compiled evidence only"),
        ("the GPU here is old", "not timed: the GPU here is old: compiled evidence only"),
    ],
)
def test_the_reason_for_no_times_is_given(reason, line):
    comparison = load("versions/comparison").model_copy(update={"not_timed": reason})
    assert render(comparison).splitlines()[1] == line


def test_samples_lie_beside_the_result():
    assert "every sample: elsewhere/results/" in render(load("versions/timed"), results="elsewhere/results")


def test_results_of_files_are_called_by_them():
    comparison = load("versions/timed").model_copy(update={"model": None})
    assert render(comparison).startswith("1 file, batch 1\n")
    named = comparison.model_copy(update={"sources": ("a.json", "b.json")})
    assert render(named).startswith("from a.json, b.json, batch 1\n")


class TestEngines:
    def test_image_sizes_have_a_column(self):
        sizes = {8: 96, 1: 64}
        sized = with_rows(
            load("compare/sweep"), lambda row: row.model_copy(update={"img_size": sizes[row.batch]})
        )
        text = render(sized)
        assert "batches 1, 8, images of 64, 96 pixels, compiled" in text
        assert ["fp16", "64", "1"] in [line[:3] for line in words(text)]
        assert ["96", "8", "59.9"] in [line[:3] for line in words(text)]

    def test_recipes_stand_together_from_the_smallest_batch_on(self):
        lines = [line[:2] for line in words(render(load("compare/sweep")))]
        assert [line for line in lines if {"1", "8"} & {*line}] == [
            ["fp16", "1"],
            ["8", "59.9"],
            ["nvfp4@stock", "1"],
            ["8", "13.1"],
        ]

    def test_two_compilers_are_named(self):
        def by_tensorrt(row):
            if not row.environment.endswith("1.7.1.116"):
                return row
            engine = row.engine.model_copy(update={"backend": "tensorrt", "backend_version": "10.14.1.48"})
            return row.model_copy(update={"engine": engine})

        text = render(with_rows(load("versions/comparison"), by_tensorrt), 120)
        assert "compiled for sm120 by tensorrt_rtx 1.5.0.114, tensorrt 10.14.1.48;" in text
        assert "\nfp16    TensorRT-RTX 1.5.0.114  5.67 MB" in text
        assert "\n        TensorRT 10.14.1.48     5.28 MB" in text
        assert "fp16, TensorRT-RTX 1.5.0.114 -> TensorRT 10.14.1.48: -4 kernels" in text

    def test_roles_are_shown_for_one_shape_in_one_environment(self):
        assert "\nqkv  " in render(load("compare/comparison"))
        assert "\nqkv  " not in render(load("compare/sweep"))
        assert "\nqkv  " not in render(load("versions/comparison"))

    def test_a_comparison_without_compiled_rows_says_so(self):
        def fail(row):
            gone = {"engine": None, "compiled": None, "targets": (), "findings": ()}
            return row.model_copy(update={"status": "failed", "reason": "no compiler", **gone})

        text = render(with_rows(load("versions/comparison"), fail, differences=()))
        head = "vit_tiny_patch16_224, batch 8; nothing was compiled; nothing here was timed on a GPU"
        assert text.splitlines()[0] == head
        (line,) = (line for line in text.splitlines() if "failed: no compiler" in line)
        assert line.startswith("fp16 in venv:tensorrt-rtx==1.5.0.114, fp16 in ")
        assert "GEMM" not in text


class TestTimesInSeveralEnvironments:
    """What failed is in the table of times, a baseline as well, and has a line with its reason."""

    @pytest.fixture
    def with_failed(self):
        """The comparison without its ``environments`` being ready."""

        def change(*environments):
            reason = "uv pip failed: there is no such version"
            timed = load("versions/timed")

            def fail(row):
                failed = {"status": "failed", "reason": reason, "measured": None, "onnx": None}
                return row.model_copy(update=failed) if row.environment in environments else row

            records = [
                record.model_copy(update={"contents": None, "reason": reason})
                if record.environment in environments
                else record
                for record in timed.environments
            ]
            return with_rows(timed, fail, environments=tuple(records), verdicts=())

        return change

    def test_times_stand_beside_what_was_compiled(self):
        (timed, *_) = load("versions/timed").rows

        def time(row):
            fields = {"measured": timed.measured, "runtime": "tensorrt_rtx"}
            return row.model_copy(update=fields) if row.status == "ok" else row

        text = render(with_rows(load("versions/comparison"), time))
        assert "nothing here was timed" not in text
        assert "GEMMs run in" in text
        assert "median ms" in text
        assert "runtime" not in text

    def test_one_that_is_not_ready(self, with_failed):
        text = render(with_failed("local"))
        assert ["local", "failed"] in words(text)
        assert "fp32 in local failed: the environment is not ready\n" in text
        assert text.count("uv pip failed: there is no such version") == 1

    def test_the_baseline(self, with_failed):
        first = "venv:onnxruntime==1.24.4"
        lines = render(with_failed(first)).splitlines()
        header = next(number for number, line in enumerate(lines) if line.startswith("recipe"))
        assert lines[header + 1].split() == ["fp32", "1.24.4", "failed"]
        assert lines[header + 2].split()[:2] == ["1.31.1", "1.6067"]
        assert f"fp32 in {first} failed: the environment is not ready" in lines

    def test_all(self, with_failed):
        text = render(with_failed(*(row.environment for row in load("versions/timed").rows)))
        assert text.startswith("vit_tiny_patch16_224, batch 1; nothing here was timed on a GPU\n")
        assert text.count("failed: the environment is not ready") == 1
        assert "median ms" not in text

    @pytest.mark.parametrize(
        ("environments", "names"),
        [
            (("local", "venv:tensorrt-rtx==1.7.1.116"), ["local", "1.7.1.116"]),
            (("docker:a/tensorrt:25.11-py3", "docker:a/pytorch:25.11-py3"), None),
            (("docker:a/tensorrt:25.10-py3", "docker:a/tensorrt:25.11-py3"), ["25.10-py3", "25.11-py3"]),
            (("docker:nvcr.io/nvidia/tensorrt", "docker:localhost:5000/x/y"), ["tensorrt", "y"]),
            (("docker:localhost:5000/x/y:1.2", "docker:ubuntu:24.04"), ["1.2", "24.04"]),
            (("docker:a/b@sha256:" + 64 * "0", "docker:a/b:1@sha256:" + 64 * "0"), [14 * "0", "1"]),
        ],
    )
    def test_environments_of_one_version_are_told_apart(self, environments, names):
        comparison = load("versions/comparison")
        rows = [comparison.rows[0].model_copy(update={"environment": word}) for word in environments]
        text = render(comparison.model_copy(update={"rows": tuple(with_keys(rows)), "differences": ()}), 200)
        table = text[text.index("recipe ") :].replace("fp16 ", "", 1).splitlines()[1:]
        assert [line.split()[0] for line in table[: len(rows)]] == (names or list(environments))
