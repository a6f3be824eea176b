import itertools
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbench.errors import SpecError
from trtbench.specs.recipe import LINEAR_ROLES, Precision, Recipe, parse_recipe

FP16_BASED = [p for p in Precision if p not in (Precision.FP32, Precision.BF16)]


@st.composite
def recipes_with_roles(draw: st.DrawFn) -> Recipe:
    precision = draw(st.sampled_from(FP16_BASED))
    chosen = draw(st.dictionaries(st.sampled_from(LINEAR_ROLES), st.sampled_from(FP16_BASED)))
    roles = tuple(
        (role, chosen[role]) for role in LINEAR_ROLES if chosen.get(role, precision) is not precision
    )
    return Recipe(precision, roles, draw(st.booleans()), draw(st.booleans()))


PLAIN = st.builds(
    Recipe,
    st.sampled_from(Precision),
    roles=st.just(()),
    sparse=st.booleans(),
    fp8attn=st.just(False),
    stock=st.booleans(),
)
RECIPES = PLAIN | recipes_with_roles()


@given(RECIPES)
def test_text_reads_back(recipe: Recipe) -> None:
    assert parse_recipe(str(recipe)) == recipe


def test_all_recipes_have_their_own_word() -> None:
    recipes = [
        Recipe(precision, roles, *options)
        for precision in Precision
        for roles in [(), (("qkv", Precision.FP8),), (("qkv", Precision.FP8), ("head", Precision.FP16))]
        for options in itertools.product([False, True], repeat=3)
    ]
    assert len({str(recipe) for recipe in recipes}) == len(recipes) == 168


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
        ("fp8+fp8attn", Recipe(Precision.FP8, fp8attn=True)),
        (
            "nvfp4:qkv=fp8,head=fp16",
            Recipe(Precision.NVFP4, (("qkv", Precision.FP8), ("head", Precision.FP16))),
        ),
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
        ("nvfp4:", "cannot be read"),
        ("nvfp4:norm=fp8", "unknown role 'norm'"),
        ("nvfp4:qkv", "unknown precision ''"),
        ("nvfp4:qkv=fp9", "unknown precision 'fp9'"),
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


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("nvfp4:qkv=fp8,qkv=fp16", "role qkv is named twice"),
        ("bf16+fp8attn", "not with fp32 or bf16"),
        ("nvfp4:qkv=fp32", "not with fp32 or bf16"),
        ("fp8+fp8attn@stock", "neither roles nor"),
        ("nvfp4:qkv=fp8@stock", "neither roles nor"),
    ],
)
def test_contradictions_are_refused(word: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        parse_recipe(word)


def test_a_role_with_the_main_precision_says_nothing() -> None:
    assert parse_recipe("nvfp4:head=fp16,qkv=nvfp4") == parse_recipe("nvfp4:head=fp16")


def test_precision_of_a_role() -> None:
    recipe = parse_recipe("fp16:qkv=fp8,fc1=nvfp4")
    assert [recipe.precision_of(role).value for role in LINEAR_ROLES] == [
        "fp8",
        "fp16",
        "nvfp4",
        "fp16",
        "fp16",
    ]
    assert [precision.value for precision in recipe.precisions] == ["fp16", "fp8", "nvfp4"]
    assert recipe.is_quantized


@pytest.mark.parametrize("word", ["fp16", "bf16+sparse", "fp32"])
def test_casts_need_no_quantizer(word: str) -> None:
    assert not parse_recipe(word).is_quantized


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
