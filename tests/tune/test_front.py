"""Which recipes no other beats, which are confirmed next, and which one wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbench.tune.front import first_choice, next_choice, pareto

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20)


@given(POINTS)
def test_the_front_beats_all_others_and_none_of_itself(points):
    def beats(one, other):
        return one != other and one[0] <= other[0] and one[1] <= other[1]

    front = pareto(points, lambda point: point)
    assert front
    assert not any(beats(one, other) for one in front for other in front)
    assert all(point in front or any(beats(one, point) for one in front) for point in points)


def test_equals_both_stay_on_the_front():
    assert pareto([(1, 2), (1, 2), (2, 2)], lambda point: point) == [(1, 2), (1, 2)]


def test_at_first_the_whole_front_is_spread_over_and_the_expected_place_looked_at_closely():
    assert first_choice(41, None) == [0, 10, 20, 30, 40]
    assert first_choice(41, 25) == [0, 10, 20, 24, 25, 26, 30, 40]
    assert first_choice(3, 2) == [0, 1, 2]
    assert first_choice(1, None) == [0]


@pytest.mark.parametrize(
    ("meets", "following"),
    [
        ({0: False, 10: True}, [3, 6, 9]),
        ({0: False, 3: False, 6: True}, [4, 5]),
        ({0: False, 4: False, 5: True}, []),
        ({0: True}, []),
        ({0: False, 7: False}, [8, 9, 10]),
        ({0: False, 10: False}, []),
        # The error need not grow with the speed: what is faster and fails does not end the search.
        ({2: True, 5: False, 8: True}, [0, 1]),
    ],
)
def test_next_is_what_may_be_faster_than_the_fastest_that_keeps_the_bound(meets, following):
    assert next_choice(11, meets) == following


@given(st.integers(1, 60), st.integers(0, 60))
def test_the_boundary_is_found_in_few_rounds(count, boundary):
    """On a front where slower is better, the fastest that keeps the bound is confirmed in the end."""
    places, meets = first_choice(count, None), {}
    for _ in range(4):
        meets |= {place: place >= boundary for place in places}
        places = next_choice(count, meets)
    assert not places
    assert boundary >= count or min(place for place, met in meets.items() if met) == boundary
