import itertools
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbench.errors import SpecError
from trtbench.recipes import Precision, Recipe, parse_recipe

RECIPES = st.builds(Recipe, st.sampled_from(Precision), st.booleans(), st.booleans())


@given(RECIPES)
def test_text_reads_back(recipe: Recipe) -> None:
    assert parse_recipe(str(recipe)) == recipe


def test_all_recipes_have_their_own_word() -> None:
    recipes = [Recipe(*choice) for choice in itertools.product(Precision, [False, True], [False, True])]
    assert len({str(recipe) for recipe in recipes}) == len(recipes) == 28


@given(RECIPES, st.data())
def test_case_and_white_space_do_not_matter(recipe: Recipe, data: st.DataObject) -> None:
    word = "".join(data.draw(st.sampled_from([c, c.upper()])) for c in str(recipe))
    padding = st.text(" \t\n", max_size=3)
    assert parse_recipe(data.draw(padding) + word + data.draw(padding)) == recipe


@pytest.mark.parametrize(
    ("word", "recipe"),
    [
        ("fp16", Recipe(Precision.FP16)),
        ("nvfp4@stock", Recipe(Precision.NVFP4, stock=True)),
        ("nvfp4+sparse", Recipe(Precision.NVFP4, sparse=True)),
        ("mxfp8+sparse@stock", Recipe(Precision.MXFP8, sparse=True, stock=True)),
    ],
)
def test_grammar(word: str, recipe: Recipe) -> None:
    assert parse_recipe(word) == recipe
    assert str(recipe) == word


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("", "recipe '' cannot be read"),
        ("fp15", "unknown precision 'fp15'"),
        ("nvfp4+dense", r"unknown modifier \+dense"),
        ("nvfp4+sparse+fast", r"unknown modifier \+fast"),
        ("nvfp4@fast", "unknown variant @fast"),
        ("nvfp4@stock+sparse", "cannot be read"),
        ("nvfp4@", "cannot be read"),
        ("nvfp4+", "cannot be read"),
        ("+sparse", "cannot be read"),
        ("@stock", "cannot be read"),
        ("fp16,nvfp4", "cannot be read"),
        ("nv fp4", "cannot be read"),
        ("nvfp4\nfp16", "cannot be read"),
        ("ｆｐ16", "cannot be read"),
    ],
)
def test_bad_word_gives_one_line_that_names_it_and_the_choices(word: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        parse_recipe(word)
    text = str(caught.value)
    assert "\n" not in text
    assert repr(word) in text
    assert "fp32, fp16, bf16, int8, fp8, mxfp8, nvfp4" in text


@given(st.text(string.ascii_lowercase + string.digits + "+@ ", max_size=20))
def test_any_text_is_a_recipe_or_a_spec_error(word: str) -> None:
    try:
        recipe = parse_recipe(word)
    except SpecError:
        return
    assert set(str(recipe)) <= set(word)
    assert parse_recipe(str(recipe)) == recipe


@pytest.mark.parametrize("precision", Precision)
def test_math_of_a_precision(precision: Precision) -> None:
    assert precision.math == {"nvfp4": "fp4"}.get(precision.value, precision.value)
    assert precision.is_quantized == (precision.value in {"int8", "fp8", "mxfp8", "nvfp4"})


@given(RECIPES)
def test_recipes_are_values(recipe: Recipe) -> None:
    assert len({recipe, parse_recipe(str(recipe)), pickle.loads(pickle.dumps(recipe))}) == 1  # noqa: S301
