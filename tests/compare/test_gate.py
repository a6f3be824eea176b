"""What fails a comparison: findings, warnings, SLOWER arms, errors; also what cannot be judged."""

from pathlib import Path

import pytest
from support.timed import comparison as timed

from trtbench.compare.gate import reasons_to_fail
from trtbench.request import ArgumentError, parse_conditions
from trtbench.results import Comparison
from trtbench.store.results import load_result

GOLDEN = Path(__file__).parents[1] / "golden"
SWEEP = load_result(GOLDEN / "compare" / "sweep.json")


def reasons(word: str, comparison: Comparison = SWEEP) -> list[str]:
    return [reason for _, reason in reasons_to_fail(comparison, parse_conditions([word]))]


def accurate(top1: float | None, sqnr_db: float | None = 20.0) -> Comparison:
    """The sweep with this accuracy in all rows, where FP32 is right for 80 %."""
    rows = []
    for row in SWEEP.rows:
        reference = row.fidelity.reference.model_copy(update={"top1": None if top1 is None else 0.8})
        changes = {"reference": reference, "top1": top1, "sqnr_db": sqnr_db}
        rows.append(row.model_copy(update={"fidelity": row.fidelity.model_copy(update=changes)}))
    return SWEEP.model_copy(update={"rows": tuple(rows)})


def test_a_finding_fails_each_row_that_has_it():
    found = reasons("GEMM_FELL_BACK")
    assert {reason.partition(":")[0] for reason in found} == {"nvfp4@stock b1", "nvfp4@stock b8"}
    assert sorted(found)[0].startswith("nvfp4@stock b1: 2 of 9 GEMMs (qkv in blocks 0-1;")
    assert all("\n" not in reason for reason in found)
    assert reasons("EMULATED") == []


def test_a_remark_fails_by_its_code_and_not_as_a_warning():
    assert len(reasons("SCALE_PADDING")) == 2
    codes = {reason.split(": ")[1] for reason in reasons("warning")}
    assert codes == {"GEMM_FELL_BACK", "FP32_ACTIVATIONS"}


def test_findings_of_what_was_timed_and_of_environments_count():
    assert [reason.partition(":")[0] for reason in reasons("THROTTLED", timed(8))] == ["nvfp4"]


def test_the_code_of_a_failure_counts():
    found = reasons("GPU_OUT_OF_MEMORY", timed(8))
    assert found == ["mxfp8: out of GPU memory [2.1 GB]: take a smaller batch"]


def test_slower_and_incomparable_arms_fail():
    assert reasons("slower", timed(8)) == [
        "mxfp8 against fp16 is INCOMPARABLE: mxfp8 failed: out of GPU memory [2.1 GB]: take a smaller batch"
    ]
    assert reasons("slower") == ["there is no verdict, because no two arms were timed"]


@pytest.mark.parametrize(
    ("word", "top1", "sqnr_db", "fails"),
    [
        ("sqnr<20", None, 19.9, "SQNR 19.9 dB"),
        ("sqnr<20", None, 20.0, None),
        ("sqnr<20", None, None, None),
        ("top1-drop>0.5", 0.794, None, "top-1 79.4% (FP32: 80.0%), 0.60 points lower"),
        ("top1-drop>0.7", 0.794, None, None),
        (
            "top1-drop>0.5",
            None,
            None,
            "its top-1 accuracy is not known; compare on --data with class folders",
        ),
    ],
)
def test_errors_have_limits(word, top1, sqnr_db, fails):
    found = reasons(word, accurate(top1, sqnr_db))
    assert found == ([] if fails is None else [f"{row.key}: {fails}" for row in SWEEP.rows])


def test_an_unknown_error_fails_but_not_that_of_a_failed_row():
    gone = SWEEP.rows[0].model_copy(update={"fidelity": None})
    failed = SWEEP.rows[1].model_copy(update={"fidelity": None, "status": "failed"})
    comparison = SWEEP.model_copy(update={"rows": (gone, failed)})
    assert reasons("sqnr<1", comparison) == [f"{gone.key}: its error against FP32 is not known"]


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("GEMM_FEL_BACK", "GEMM_FEL_BACK: unknown; did you mean GEMM_FELL_BACK?"),
        ("gemm_fell_back", "did you mean GEMM_FELL_BACK?"),
        ("nonsense", "nonsense: unknown; expected warning, slower, less-coverage, more-kernels, sqnr<DB"),
        ("", ": unknown; expected warning"),
        ("warning<3", "warning<3: unknown"),
        ("sqnr", "sqnr: expected a number, such as sqnr<20"),
        ("sqnr<abc", "sqnr<abc: expected a number, such as sqnr<20"),
        ("sqnr>20", "sqnr>20: expected a number, such as sqnr<20"),
        ("sqnr<nan", "sqnr<nan: expected a number"),
        ("top1-drop>", "top1-drop>: expected a number, such as top1-drop>0.5"),
    ],
)
def test_a_word_that_is_no_condition_is_refused(word, problem):
    with pytest.raises(ArgumentError) as caught:
        parse_conditions([word])
    assert problem in caught.value.problem
    assert caught.value.argument == "fail_on"
