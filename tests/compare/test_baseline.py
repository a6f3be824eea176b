"""A comparison beside a stored one: rows that match, what changed, and what fails a gate."""

from io import StringIO
from pathlib import Path

import pytest
from support.later import GOLDEN, MONDAY, changed, predicted, timed

import trtbench as tb
from trtbench.compare.baseline import Baseline, with_changes
from trtbench.compare.gate import judged_words, reasons_to_fail
from trtbench.report.text.baseline import render_changes
from trtbench.report.text.console import VisibleConsole
from trtbench.request import parse_conditions
from trtbench.results import Comparison, RowChange
from trtbench.specs import ModelSpec
from trtbench.store.results import load_result

FILE = Path("main.json")
SWEEP = load_result(GOLDEN / "compare" / "sweep.json")


def beside(old: Comparison, new: Comparison) -> Comparison:
    return with_changes(new, Baseline(FILE, old))


def change_of(comparison: Comparison, key: str) -> RowChange:
    found = comparison.changes.of(key)
    assert found is not None
    return found


def reasons(comparison: Comparison, word: str) -> list[str]:
    return [reason for _, reason in reasons_to_fail(comparison, parse_conditions([word]))]


def render(comparison: Comparison, width: int) -> str:
    console = VisibleConsole(file=StringIO(), width=width)
    render_changes(comparison.changes, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def with_row(comparison: Comparison, at: int, **fields: object) -> Comparison:
    rows = list(comparison.rows)
    rows[at] = rows[at].model_copy(update=fields)
    return comparison.model_copy(update={"rows": tuple(rows)})


def worse() -> Comparison:
    """A slower row, one with more kernels, one with less coverage, one of another shape, one that is new."""
    slower = predicted(2, row=1, sha="b2" * 20, factor=1.1)
    rows = list(slower.rows)
    rows[2] = changed(rows[2], kernels=3)
    rows[6] = changed(rows[6], fell_back=True)
    rows[0] = rows[0].model_copy(update={"batch": 2})
    rows[3] = rows[3].model_copy(update={"key": "fp32 b1", "subject": "fp32"})
    return slower.model_copy(update={"rows": tuple(rows), "predicted_speedups": (), "recommendations": ()})


def test_the_same_again_changed_in_nothing():
    found = beside(predicted(1), predicted(2))
    assert {row.status for row in found.changes.rows} == {"compared"}
    assert {row.deciding.verdict for row in found.changes.rows} == {"SAME"}
    assert found.changes.notes() == []
    assert all(reasons(found, word) == [] for word in ("slower", "less-coverage", "more-kernels"))


def test_what_changed_is_found_and_fails():
    found = beside(predicted(1), worse())
    assert reasons(found, "slower") == [
        "fp16 b1 is INCOMPARABLE against main.json: batch differs: 1 and 2",
        "nvfp4@stock b1 is SLOWER against main.json, predicted: 0.9524x, 0.9451 to 0.9662 by the errors of "
        "the cost model",
    ]
    assert reasons(found, "more-kernels")[1:] == ["nvfp4+fp8attn b1: 54 kernels, 51 in main.json"]
    assert (
        "% of the FLOPs run in the precision asked for, 100.0% in main.json"
        in reasons(found, "less-coverage")[1]
    )
    assert judged_words(found) == {"SLOWER", "SAME", "INCOMPARABLE"}
    statuses = {row.key: row.status for row in found.changes.rows}
    assert statuses["fp32 b1"] == "new"
    assert statuses["fp16+sparse b1"] == "missing"
    assert found.changes.differs == ("commit a1a1a1a1a -> b2b2b2b2b",)


@pytest.mark.parametrize("width", [110, 80])
def test_text(width):
    found = render(beside(predicted(1), worse()), width)
    assert found == (GOLDEN / "compare" / f"baseline_{width}.txt").read_text()


def test_a_table_in_markdown_and_columns_in_csv():
    found = beside(predicted(1), worse())
    assert "Against the baseline main.json (commit a1a1a1a1a -> b2b2b2b2b)" in found.to_markdown()
    assert "| nvfp4@stock b1 |  | 0.1201 -> 0.1261 | 0.952x | SLOWER |" in found.to_markdown()
    row = found.to_rows()[1]
    assert row["baseline_predicted_ms"] == MONDAY.rows[1].predicted.gpu_compute_ms
    assert row["baseline_predicted_verdict"] == "SLOWER"
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_measured_times_have_a_verdict_without_samples():
    slower = beside(timed(1, 1.5), timed(2, 1.6, trtbench_version="0.2.0"))
    (time,) = change_of(slower, "fp16").times
    assert (time.evidence, time.verdict) == ("measured", "SLOWER")
    assert time.speedup == pytest.approx(1.5 / 1.6)
    assert time.interval[0] < time.speedup < time.interval[1] < 1
    assert slower.changes.differs == ("trtbench 0.1.0 -> 0.2.0",)
    assert beside(timed(1, 1.5), timed(2, 1.5)).changes.rows[0].deciding.verdict == "SAME"


def test_measured_and_predicted_times_are_never_compared():
    once = with_row(timed(1), 0, predicted=MONDAY.rows[0].predicted)
    (only,) = change_of(beside(timed(1), once), "fp16").times
    assert only.evidence == "measured"
    alone = with_row(once, 0, measured=None)
    found = beside(timed(1), alone)
    assert change_of(found, "fp16").times == ()
    assert reasons(found, "slower") == ["fp16: neither timed nor predicted both here and in main.json"]


def test_another_gpu_is_incomparable():
    found = beside(timed(1), timed(2, gpu="NVIDIA H200"))
    assert reasons(found, "slower") == [
        "fp16 is INCOMPARABLE against main.json, measured: gpu differs: NVIDIA RTX PRO 6000 Blackwell and "
        "NVIDIA H200"
    ]
    other = MONDAY.rows[0].predicted.model_copy(update={"gpu": "rtx-5090"})
    found = beside(MONDAY, with_row(MONDAY, 0, predicted=other))
    assert "predicted: GPU differs: rtx-pro-6000-se at 2430 MHz and rtx-5090" in reasons(found, "slower")[0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": ModelSpec(seed=1)}, "model seed differs: 0 and 1"),
        ({"model": ModelSpec(pretrained=True)}, "model pretrained differs: False and True"),
        ({"targets": ("sm89",)}, "target differs: sm120 and sm89"),
        ({"img_size": 64}, "img_size differs: "),
        ({"status": "failed", "reason": "no\nroom"}, "failed: no room"),
    ],
)
def test_unlike_rows_are_incomparable(fields, words):
    old = with_row(MONDAY, 0, model=ModelSpec())
    found = change_of(beside(old, with_row(old, 0, **fields)), "fp16 b1")
    assert found.status == "incomparable"
    assert words in found.reason


def test_text_of_others_stays_on_its_line():
    nasty = with_row(
        MONDAY.model_copy(update={"predicted_speedups": (), "recommendations": ()}),
        0,
        key="a\n# b|c\x1b[31m",
        subject="x",
        status="failed",
        reason="no\n# room",
    )
    found = beside(MONDAY, nasty)
    assert not any(line.startswith("#") for line in found.to_markdown().splitlines())
    assert all("\n" not in line for line in found.changes.notes())
    assert "\x1b" not in render(found, 110) + found.to_markdown()
    assert "a # b\\|c\\x1b[31m" in found.to_markdown()


def test_a_row_of_one_batch_finds_its_cell_among_several():
    one = SWEEP.model_copy(update={"rows": (SWEEP.rows[0].model_copy(update={"key": "fp16"}),)})
    found = beside(SWEEP, one).changes
    assert (found.rows[0].key, found.rows[0].status) == ("fp16", "compared")
    assert sum(row.status == "missing" for row in found.rows) == len(SWEEP.rows) - 1


def test_no_counterpart_at_all_fails():
    strange = with_row(timed(1), 0, key="x", subject="x")
    assert reasons(beside(timed(1), strange), "slower") == ["no row has a counterpart in main.json"]


class TestCommands:
    @pytest.fixture
    def files(self, tmp_path):
        predicted(1).save(tmp_path / "old.json")
        predicted(2, row=1, factor=1.1).save(tmp_path / "new.json")
        timed(1).save(tmp_path / "timed.json")

    @pytest.mark.parametrize(
        ("conditions", "code"),
        [(["slower"], 3), (["more-kernels"], 0), (["less-coverage"], 0), (["slower", "sqnr<1"], 1)],
    )
    def test_a_gate_builds_nothing(self, trtbench, files, conditions, code):
        options = [word for each in conditions for word in ("--fail-on", each)]
        ended, out, err = trtbench("compare", "--from", "new.json", "--baseline", "old.json", *options)
        assert ended == code, err
        assert "Against the baseline old.json" in out
        assert ("SLOWER against old.json" in err) == ("slower" in conditions)

    def test_stored_measured_rows_need_no_samples(self, trtbench, files):
        code, out, err = trtbench("compare", "--from", "timed.json", "--baseline", "timed.json")
        assert (code, err) == (0, "")
        assert "SAME" in out

    def test_the_same_in_python(self, trtbench, files):
        found = tb.compare_stored(["new.json"], baseline="old.json")
        assert change_of(found, "nvfp4@stock b1").deciding.verdict == "SLOWER"

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["--fail-on", "more-kernels"], "--fail-on more-kernels needs --baseline, a stored comparison"),
            (["--baseline", "gone.json"], "gone.json: no such file"),
            (["--baseline", "aa.json"], "aa.json: compares an arm with itself"),
            (["--baseline", "."], ".: a folder"),
        ],
    )
    def test_what_is_wrong_is_said_before_any_work(self, trtbench, words, problem):
        Path("aa.json").write_bytes((GOLDEN / "measure" / "aa.json").read_bytes())
        code, out, err = trtbench("compare", "fp16", "--model", "no-such-model", *words)
        assert code in (1, 2)
        assert out == ""
        (line,) = err.splitlines()
        assert problem in line
