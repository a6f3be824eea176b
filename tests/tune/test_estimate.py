"""Times and errors of recipes as sums over their parts."""

import math

import pytest
from support.tunings import fidelity, prediction

from trtbench.predict.gpus import find_gpu
from trtbench.specs.recipe import LINEAR_ROLES, Precision, parse_recipe
from trtbench.tune.estimate import estimate_of, relative_noise
from trtbench.tune.space import BASELINE, all_recipes, error_parts, precisions_of, time_parts

ALL = all_recipes(precisions_of(find_gpu("rtx-5090")))
COST = {Precision.FP16: 4.0, Precision.FP8: 2.0, Precision.NVFP4: 1.0}
NOISE = {Precision.FP16: 0.0, Precision.FP8: 1e-3, Precision.NVFP4: 1e-2}
FLOOR = 1e-6


def separable_ms(recipe):
    """A time in which attention, MLP and head do not meet, though the roles within them do."""
    qkv, proj, fc1, fc2, head = (COST[recipe.precision_of(role)] for role in LINEAR_ROLES)
    return 10 + qkv * proj * (1 if recipe.fp8attn else 3) + fc1 * fc2 + head


def added_noise(recipe):
    return FLOOR + sum(NOISE[recipe.precision_of(role)] for role in LINEAR_ROLES) + 1e-4 * recipe.fp8attn


TIMES = {part: prediction(separable_ms(part)) for recipe in ALL for part in time_parts(recipe)}
ERRORS = {part: added_noise(part) for recipe in ALL for part in (BASELINE, *error_parts(recipe))}


def test_what_is_separable_is_estimated_exactly():
    for recipe in ALL:
        found = estimate_of(recipe, TIMES, ERRORS)
        assert found.gpu_compute_ms == pytest.approx(separable_ms(recipe))
        assert found.sqnr_db == pytest.approx(-10 * math.log10(added_noise(recipe)))


def test_a_part_with_less_noise_than_fp16_takes_none_away():
    errors = {**ERRORS, parse_recipe("fp16:head=fp8"): FLOOR / 2}
    assert estimate_of(parse_recipe("fp16:head=fp8"), TIMES, errors).sqnr_db == pytest.approx(60)


def test_a_missing_part_is_an_error_of_the_caller():
    with pytest.raises(KeyError):
        estimate_of(parse_recipe("fp16:head=fp8"), TIMES, {BASELINE: FLOOR})


def test_noise_is_relative_to_the_signal():
    assert relative_noise(fidelity(30.0)) == pytest.approx(1e-3)
    assert relative_noise(fidelity(None)) == 0
    without_noise = dict.fromkeys(ERRORS, 0.0)
    assert estimate_of(BASELINE, TIMES, without_noise).sqnr_db is None
