"""Stop rules: never too few blocks, never a count alone."""

import pytest

from trtbench.measure.stop import (
    ConstantsState,
    RoundState,
    is_precise,
    relative_half_width,
    round_is_done,
)
from trtbench.results import Statistic
from trtbench.specs import BenchSpec

BENCH = BenchSpec(processes=2, block_ms=250, min_blocks=4, duration_s=10, target_half_width=0.01)


def statistic(low, high):
    return Statistic(
        samples=9, median=1.0, ci95=(low, high), mean=1.0, minimum=0.9, p90=1.1, p99=1.1, maximum=1.1
    )


NARROW, WIDE = 0.005, 0.1


def done(turns, spent_s, half_widths):
    return round_is_done(RoundState(turns, {"a": spent_s, "b": 0.1}), BENCH, 2, lambda: half_widths)


@pytest.mark.parametrize(
    ("spent_s", "next_s", "elapsed_s", "expected"),
    [(0.0, 0.25, 4.9, False), (0.0, 0.25, 5.0, True), (0.25, 0.25, 9.9, False), (0.25, 0.25, 10.0, True)],
)
def test_blocks_on_zeros_have_a_twentieth_of_the_time(spent_s, next_s, elapsed_s, expected):
    state = ConstantsState()
    if spent_s:
        state.add("b", spent_s, BENCH)
    assert state.has_time_for("a", next_s, elapsed_s) is expected


def test_what_a_block_on_zeros_took_counts_for_the_next_one():
    """Uploads, the fill and the proof of outputs come on top of what an ordinary block takes."""
    state = ConstantsState()
    state.add("a", 1.0, BENCH)
    state.add("a", 0.5, BENCH)
    assert not state.has_time_for("a", 0.25, 49.9)
    assert state.has_time_for("a", 0.25, 50.0)
    assert state.has_time_for("b", 0.25, 35.0), "another arm has other uploads and outputs"


def test_half_width():
    assert relative_half_width(statistic(0.9, 1.2)) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("turns", "spent_s", "half_widths", "expected"),
    [
        (3, 99.0, [NARROW], False),
        (4, 1.0, [NARROW, NARROW], True),
        (4, 1.0, [NARROW, WIDE], False),
        (4, 1.0, [], False),
        (1000, 4.9, [WIDE], False),
        (4, 5.0, [WIDE], True),
    ],
)
def test_rules_together(turns, spent_s, half_widths, expected):
    assert done(turns, spent_s, half_widths) is expected


def test_intervals_are_not_computed_while_they_cannot_matter():
    def never():
        raise AssertionError

    assert not round_is_done(RoundState(1, {"a": 1.0}), BENCH, 2, never)
    assert round_is_done(RoundState(9, {"a": 5.0}), BENCH, 2, never)


def test_nothing_is_precise_without_an_interval():
    assert not is_precise([], BENCH)


def test_a_block_counts_for_what_it_took_and_at_least_for_what_was_asked():
    state = RoundState()
    state.add("a", 0.001, BENCH)
    state.add("a", 0.5, BENCH)
    assert state.spent_s == {"a": pytest.approx(0.75)}
