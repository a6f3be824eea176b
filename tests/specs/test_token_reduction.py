import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbench.errors import SpecError
from trtbench.specs import ModelSpec
from trtbench.specs.token_reduction import Evit, TokenReduction, Tome, parse_token_reduction

EVITS = st.builds(
    Evit,
    keep=st.integers(1, 99).map(lambda percent: percent / 100),
    at=st.sets(st.integers(0, 40), min_size=1).map(lambda at: tuple(sorted(at))),
)
REDUCTIONS = EVITS | st.builds(Tome, st.integers(1, 500))


@given(REDUCTIONS)
def test_text_reads_back(reduction: TokenReduction) -> None:
    assert parse_token_reduction(str(reduction)) == reduction


@given(REDUCTIONS, st.integers(1, 5000))
def test_some_patches_always_stay(reduction: TokenReduction, patches: int) -> None:
    assert 1 <= reduction.after(3, patches) <= patches


def test_patches_are_rounded_up_where_they_are_not_whole() -> None:
    evit = Evit(keep=0.1, at=(3,))
    assert [evit.after(3, patches) for patches in (196, 20, 2, 1, 10)] == [20, 2, 1, 1, 1]
    assert Evit(keep=0.7, at=(3,)).after(3, 10) == 7  # and not 8, although 0.7 * 10 > 7
    assert evit.after(4, 196) == 196


def test_tome_merges_at_most_half() -> None:
    assert [Tome(8).after(0, patches) for patches in (196, 10, 1)] == [188, 5, 1]


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("evit", "cannot be read"),
        ("evit:keep=0.5", "cannot be read"),
        ("evit:keep=0.5,at=3,r=2", "cannot be read"),
        ("dyvit:keep=0.5,at=3", "cannot be read"),
        ("evit:keep=half,at=3", "could not convert string to float: 'half'"),
        ("evit:keep=0.5,at=3+x", "invalid literal for int"),
        ("evit:keep=1,at=3", "keep=1: choose a share above 0 and below 1"),
        ("evit:keep=nan,at=3", "keep=nan: choose"),
        ("evit:keep=0.5,at=3+3", "name each block once"),
        ("evit:keep=0.5,at=-1", "name each block once, the first is 0"),
        ("tome:r=0", "merge at least 1 token"),
        ("tome:r=1.5", "invalid literal for int"),
    ],
)
def test_a_wrong_word_is_refused_in_one_line(word: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_token_reduction(word)
    text = str(caught.value)
    assert text.startswith(f"token reduction {word!r}")
    assert problem in text
    assert "\n" not in text


def test_a_model_without_reduction_is_written_as_before() -> None:
    assert "token_reduction" not in ModelSpec().model_dump(mode="json")
    spec = ModelSpec.model_validate({"token_reduction": "tome:r=8"})
    assert spec.model_dump(mode="json").get("token_reduction") == "tome:r=8"
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec
