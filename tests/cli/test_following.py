"""The command that a comparison ends with: what settles most of its recommendation, to be pasted."""

from pathlib import Path

import pytest
from support.timed import comparison as timed

from trtbench.cli.following import after_comparison
from trtbench.cli.groups import Given
from trtbench.cli.options import CompareOptions, OutputOptions, PredictOptions
from trtbench.results import Comparison, Fidelity
from trtbench.store.results import load_result

GOLDEN = Path(__file__).parents[1] / "golden"
PREDICTED = load_result(GOLDEN / "predict" / "predictions.json")
FIDELITY = load_result(GOLDEN / "compare" / "sweep.json").rows[0].fidelity
OPTIONS = CompareOptions(model="vit_tiny_patch16_224", batch="1,8", target=["sm120"])
GIVEN = Given(["--model", "--batch", "--target"])


def verified(weights: str, compared: Comparison = PREDICTED) -> Comparison:
    found = Fidelity.model_validate({**FIDELITY.model_dump(), "weights": weights})
    rows = tuple(row.model_copy(update={"fidelity": found}) for row in compared.rows)
    return compared.model_copy(update={"rows": rows})


def following(compared: Comparison, options: object = OPTIONS, given: Given = GIVEN) -> str | None:
    return after_comparison(compared, options, given, OutputOptions(store=Path("s t")))


RECIPES = "fp16 nvfp4@stock nvfp4+fp8attn fp16+sparse"


def test_random_weights_are_replaced_first():
    assert following(verified("random")) == (
        f"trtbench compare {RECIPES} --model vit_tiny_patch16_224 --batch 1,8 --target sm120 "
        "--pretrained --store 's t'"
    )


def test_a_model_that_has_no_weights_of_timm_is_explained():
    deep = CompareOptions(model="vit_tiny_patch16_224", overrides=["depth=2"], batch="8")
    command = following(verified("random"), deep, Given(["--set", "--batch"]))
    assert (
        command == "trtbench explain fp16+sparse --set depth=2 --batch 8 --gpu rtx-pro-6000-se --store 's t'"
    )


@pytest.mark.parametrize("weights", ["pretrained", "checkpoint"])
def test_a_prediction_is_explained(weights):
    assert following(verified(weights)).startswith("trtbench explain fp16+sparse ")


def test_without_errors_they_are_measured():
    command = after_comparison(PREDICTED, PredictOptions(batch="1,8"), Given(["--batch"]), OutputOptions())
    assert command == f"trtbench verify {RECIPES} --batch 8"


def test_an_ambiguous_verdict_is_measured_longer():
    command = following(
        timed(8), CompareOptions(duration_s=6, env=["local"]), Given(["--duration-s", "--env"])
    )
    assert command.endswith("--env local --duration-s 12 --store 's t'")


def test_what_was_measured_is_tuned():
    settled = verified("checkpoint", timed(8)).model_copy(
        update={"verdicts": (), "predicted_on": PREDICTED.predicted_on}
    )
    assert following(settled) == (
        "trtbench tune vit_tiny_patch16_224 --batch 8 --gpu rtx-pro-6000-se --store 's t'"
    )


def test_models_from_elsewhere_are_tuned_too():
    settled = verified("file", timed(8)).model_copy(
        update={"verdicts": (), "predicted_on": PREDICTED.predicted_on}
    )
    own = CompareOptions(model="own.onnx", batch="8")
    command = following(settled, own, Given(["--model", "--batch"]))
    assert command == "trtbench tune own.onnx --batch 8 --gpu rtx-pro-6000-se --store 's t'"


def test_files_without_a_recommendation_have_none():
    assert following(PREDICTED.model_copy(update={"recommendations": ()})) is None
    rows = tuple(row.model_copy(update={"subject": "a.onnx"}) for row in PREDICTED.rows)
    assert following(PREDICTED.model_copy(update={"rows": rows})) is None
