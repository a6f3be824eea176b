"""Recipes of a search, and the parts that their times and errors are composed of."""

import pytest

from trtbench.predict.gpus import find_gpu
from trtbench.specs.recipe import parse_recipe
from trtbench.tune.space import (
    BASELINE,
    TIME_BASE,
    all_recipes,
    error_parts,
    precisions_of,
    time_parts,
)

ALL = all_recipes(precisions_of(find_gpu("rtx-5090")))


def words(recipes):
    return [str(recipe) for recipe in recipes]


def test_every_precision_in_every_role_and_both_attentions():
    assert len(set(ALL)) == 3**5 * 2
    assert BASELINE in ALL
    assert TIME_BASE in ALL


def test_each_is_named_as_a_user_would_write_it():
    assert all(parse_recipe(str(recipe)) == recipe for recipe in ALL)


def test_a_gpu_without_fp4_is_not_searched_for_it():
    assert len(all_recipes(precisions_of(find_gpu("l40s")))) == 2**5 * 2


@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        ("fp16", ["fp8:qkv=fp16,proj=fp16", "fp8:fc1=fp16,fc2=fp16", "fp8:head=fp16"]),
        ("fp8", ["fp8", "fp8", "fp8"]),
        ("nvfp4:proj=fp8+fp8attn", ["fp8:qkv=nvfp4+fp8attn", "fp8:fc1=nvfp4,fc2=nvfp4", "fp8:head=nvfp4"]),
    ],
)
def test_times_are_composed_of_attention_mlp_and_head(recipe, parts):
    assert words(time_parts(parse_recipe(recipe))) == parts


@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        ("fp16", []),
        ("fp16+fp8attn", ["fp16+fp8attn"]),
        ("fp8:qkv=fp16,fc1=nvfp4", ["fp16:proj=fp8", "fp16:fc1=nvfp4", "fp16:fc2=fp8", "fp16:head=fp8"]),
    ],
)
def test_errors_are_composed_of_quantised_roles(recipe, parts):
    assert words(error_parts(parse_recipe(recipe))) == parts


def test_few_parts_stand_for_all_recipes():
    assert len({part for recipe in ALL for part in time_parts(recipe)}) == 18 + 9 + 3 - 2
    assert len({part for recipe in ALL for part in error_parts(recipe)}) == 5 * 2 + 1
