"""Which recipes no other one beats, and which of them to confirm."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

_SPREAD = 5
_AROUND = (-1, 0, 1)
_PER_ROUND = 3


def pareto(items: Sequence[T], costs: Callable[[T], Sequence[float]]) -> list[T]:
    """Those that no other beats: one that costs no more in all and less in something. Of equals, all stay."""
    priced = [(item, tuple(costs(item))) for item in items]
    return [item for item, cost in priced if not any(_beats(other, cost) for _, other in priced)]


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def first_choice(count: int, expected: int | None) -> list[int]:
    """Places on a front of ``count`` recipes, fastest first, to confirm at first.

    Args:
        count: recipes on the front.
        expected: where the fastest that keeps what was asked for is expected; None: nothing was asked.
    """
    spread = {round(step * (count - 1) / (_SPREAD - 1)) for step in range(_SPREAD)}
    around = {expected + step for step in _AROUND} if expected is not None else set()
    return sorted(place for place in spread | around if 0 <= place < count)


def next_choice(count: int, meets: Mapping[int, bool]) -> list[int]:
    """Places to confirm next: between the fastest that keeps what was asked for and the next faster one.

    Args:
        count: recipes on the front, fastest first.
        meets: for each confirmed place, whether it does.
    """
    passing = min((place for place, is_met in meets.items() if is_met), default=count)
    failing = max((place for place, is_met in meets.items() if not is_met and place < passing), default=-1)
    between = [place for place in range(failing + 1, passing) if place not in meets]
    step = max(1, round(len(between) / _PER_ROUND))
    return between[::-1][::step][:_PER_ROUND][::-1]
