"""Which recipe a comparison recommends: the fastest that keeps its accuracy, with what is uncertain."""

from typing import Any

import pytest
from support.timed import comparison, observe, row_of

from trtbench.compare.recommend import fastest, recommend
from trtbench.results import (
    Comparison,
    ComparisonRow,
    EngineSummary,
    Fidelity,
    FidelityReference,
    Finding,
    PredictedGroup,
    Prediction,
    Verdict,
)
from trtbench.specs import InputsSpec
from trtbench.specs.recipe import parse_recipe


def predicted(ms: float, spread: float = 1.1) -> Prediction:
    """A time whose kernels are off by one factor that is its own."""
    factor = (1 / spread, spread)
    return Prediction(
        gpu="g",
        target="sm120",
        clock_mhz=2000,
        level="measured",
        calibrated_on="g",
        source="",
        batch=8,
        gpu_compute_ms=ms,
        interval_ms=(ms / spread, ms * spread),
        coverage=0.9,
        error_pct=10,
        images_per_s=8000 / ms,
        by_role_ms={},
        by_kernel_ms={},
        groups={f"gemm {ms}": PredictedGroup(predicted_ms=ms, factor=factor, rates="fp16")},
        layers=(),
        assumptions=(),
    )


def fidelity(sqnr_db: float | None, top1: float | None = None, **fields: Any) -> Fidelity:
    """One on 200 real images, against an FP32 model that is right for 80 % of them."""
    return Fidelity(
        **{
            "onnx_sha256": "a",
            "reference": FidelityReference(
                recipe=parse_recipe("fp32"), sha256="b", top1=None if top1 is None else 0.8, top5=None
            ),
            "inputs": InputsSpec(directory="/val", samples=200),
            "samples": 200,
            "weights": "checkpoint",
            "runtime": "onnxruntime",
            "cosine": 1.0,
            "sqnr_db": sqnr_db,
            "max_abs_error": 0.1,
            "top1_agreement": None,
            "kl_divergence": None,
            "top1": top1,
            "top5": None,
            "per_block": (),
            **fields,
        }
    )


def row(recipe: str, ms: float | None, found: Fidelity | None = None, **fields: Any) -> ComparisonRow:
    engine = EngineSummary(path="", sha256="", size_bytes=10**7, backend="", backend_version="", build_s=1)
    values = {
        "key": recipe,
        "subject": recipe,
        "recipe": parse_recipe(recipe),
        "batch": 8,
        "engine": engine,
        "predicted": ms and predicted(ms),
        "fidelity": found,
    }
    return ComparisonRow.model_validate({**values, **fields})


def of(*rows: ComparisonRow) -> Any:
    (found,) = recommend(Comparison(environment=None, model="vit", rows=rows))
    return found


def test_the_fastest_is_taken_with_its_time_accuracy_and_size():
    smaller = row("fp16", 2).engine.model_copy(update={"size_bytes": 5 * 10**6})
    found = of(row("fp16", 2, fidelity(50)), row("fp8", 1, fidelity(30), engine=smaller))
    assert (found.row, found.by) == ("fp8", "predicted")
    assert found.text == (
        "take fp8: predicted 1 ms, 2.00x fp16 (1.65 to 2.42), SQNR 30.0 dB, "
        "engine 5.00 MB instead of 10.0 MB."
    )
    assert found.uncertain == (
        "times are predicted, not measured",
        "no class folders: SQNR stands for accuracy",
    )


@pytest.mark.parametrize(
    ("slow", "fast", "expected"),
    [
        (fidelity(50), fidelity(19.9), "fp16"),
        (fidelity(50), fidelity(20.0), "fp8"),
        (fidelity(50, 0.8), fidelity(10, 0.79), "fp8"),
        (fidelity(50, 0.8), fidelity(40, 0.785), "fp16"),
        (fidelity(50, weights="random"), fidelity(5, weights="random"), "fp8"),
        (fidelity(50), fidelity(5, inputs=InputsSpec()), "fp8"),
        (fidelity(50, 0.8, samples=30), fidelity(40, 0.7667, samples=30), "fp8"),
        (None, None, "fp8"),
    ],
)
def test_accuracy_counts_where_it_is_known(slow, fast, expected):
    assert of(row("fp16", 2, slow), row("fp8", 1, fast)).row == expected


def test_what_is_faster_and_less_accurate_is_named():
    found = of(row("fp16", 2, fidelity(50, 0.8)), row("fp8", 1, fidelity(10, 0.5)))
    assert found.text.endswith(" Faster, but too far from FP32: fp8 (30.0 points of top-1).")
    assert "top-1 80.0% (FP32: 80.0%)" in found.text


@pytest.mark.parametrize(
    ("slow", "fast", "text"),
    [
        (
            fidelity(10),
            fidelity(11),
            "none: all have less than 20 dB, an RMS error of a tenth of the output.",
        ),
        (fidelity(10, 0.5), fidelity(11, 0.6), "none: all lose more than 1.0 points of top-1."),
    ],
)
def test_none_is_taken_where_none_keeps_its_accuracy(slow, fast, text):
    found = of(row("int8", 2, slow), row("fp8", 1, fast))
    assert (found.row, found.text) == (None, text)


def test_of_the_recipes_that_are_as_fast_within_one_percent_the_most_accurate_wins():
    recipes = {"fast": (1.0, 5), "as fast": (1.009, 3), "slower": (1.02, 1)}
    assert fastest(list(recipes), lambda r: recipes[r][0], lambda r: recipes[r][1]) == "as fast"


def test_made_up_weights_images_and_overlaps_are_uncertain():
    made_up = fidelity(9, weights="random", inputs=InputsSpec())
    warning = Finding(code="GEMM_FELL_BACK", severity="warning", message="", hint="")
    found = of(row("fp16", 1.1, made_up), row("fp8", 1, made_up, findings=(warning,)), row("int8", None))
    assert found.uncertain == (
        "times are predicted, not measured",
        "accuracy is not known: random weights and synthetic images",
        "fp16 may be as fast",
        "fp8 has warnings: GEMM_FELL_BACK",
        "without a predicted time: int8",
    )


def test_few_images_are_uncertain():
    found = of(row("fp16", 2, fidelity(50, 0.8)), row("fp8", 1, fidelity(30, 0.8, samples=30)))
    assert "30 images: one of them is 3.3 points of top-1" in found.uncertain


def test_measured_times_decide_and_their_verdict_is_shown():
    (found,) = recommend(comparison(8))
    assert (found.row, found.by) == ("nvfp4", "measured")
    assert "measured 1.2 ms, 1.25x fp16 (1.25 to 1.25)" in found.text
    assert "nvfp4 against fp16 is AMBIGUOUS" in found.uncertain
    assert "times are predicted, not measured" not in found.uncertain


def test_measured_intervals_that_overlap_are_uncertain():
    rows = tuple(row_of(observe(recipe, ms).measurement) for recipe, ms in (("fp16", 1.5), ("bf16", 1.501)))
    assert "bf16 may be as fast" in of(*rows).uncertain


def test_a_verdict_settles_more_than_intervals():
    rows = tuple(row_of(observe(recipe, ms).measurement) for recipe, ms in (("fp16", 1.5), ("bf16", 1.501)))
    settled = Verdict(
        baseline="fp16", arm="bf16", verdict="SLOWER", reason="", series=None, ratio=0.9, ci95=None
    )
    compared = Comparison(environment=None, model="vit", rows=rows, verdicts=(settled,))
    (found,) = recommend(compared)
    assert not any("may be as fast" in doubt for doubt in found.uncertain)


def test_each_shape_has_its_own():
    found = recommend(comparison(1, 64))
    assert [each.row for each in found] == ["nvfp4 b1", "nvfp4 b64"]


@pytest.mark.parametrize("rows", [(row("fp16", 1),), (row("fp16", None), row("fp8", None))])
def test_nothing_is_recommended_without_two_times(rows):
    assert recommend(Comparison(environment=None, model="vit", rows=rows)) == ()
