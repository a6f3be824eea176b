"""When a process round has measured enough. A count alone never ends it, and never too few blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trtbench.results import Statistic
from trtbench.specs import BenchSpec

CONSTANTS_SHARE = 0.05
"""Of the time of a run: what blocks on constant inputs may take in all, as far as it is known before."""


@dataclass
class RoundState:
    """How far a round is: turns that every arm has taken, and what the blocks of each arm took."""

    turns: int = 0
    spent_s: dict[str, float] = field(default_factory=dict)

    def add(self, label: str, spent_s: float, bench: BenchSpec) -> None:
        """Count a block of an arm: for what it took, or for what was asked where time is only scripted."""
        block_s = max(spent_s, bench.block_ms / 1000)
        self.spent_s[label] = self.spent_s.get(label, 0.0) + block_s


@dataclass
class ConstantsState:
    """What blocks on constant inputs took in a run, by arm, with uploads and the proof of outputs."""

    spent_s: dict[str, list[float]] = field(default_factory=dict)

    def add(self, label: str, spent_s: float, bench: BenchSpec) -> None:
        """Count one block, as ``RoundState`` does."""
        self.spent_s.setdefault(label, []).append(max(spent_s, bench.block_ms / 1000))

    def has_time_for(self, label: str, block_s: float, elapsed_s: float) -> bool:
        """Whether one more would stay within their share of a run's time.

        It is taken to last as long as the longest before it of the same arm; the first as an ordinary block.
        """
        next_s = max(self.spent_s.get(label, [block_s]))
        spent_s = sum(map(sum, self.spent_s.values()))
        return spent_s + next_s <= CONSTANTS_SHARE * elapsed_s


def has_min_blocks(state: RoundState, bench: BenchSpec) -> bool:
    """Whether every arm has the blocks that no rule may cut."""
    return state.turns >= bench.min_blocks


def time_is_spent(state: RoundState, bench: BenchSpec, rounds: int) -> bool:
    """Whether the slowest arm has had its share of ``duration_s``, which all rounds share equally."""
    return max(state.spent_s.values(), default=0.0) >= bench.duration_s / rounds


def is_precise(half_widths: Sequence[float], bench: BenchSpec) -> bool:
    """Whether every interval is narrower than asked; without any there is nothing to be precise about."""
    return bool(half_widths) and max(half_widths) <= bench.target_half_width


def round_is_done(
    state: RoundState, bench: BenchSpec, rounds: int, half_widths: Callable[[], Sequence[float]]
) -> bool:
    """Join the rules; ``half_widths`` of all arms are computed only when the answer depends on them."""
    if not has_min_blocks(state, bench):
        return False
    return time_is_spent(state, bench, rounds) or is_precise(half_widths(), bench)


def relative_half_width(statistic: Statistic) -> float:
    """Half the width of the interval of the median, relative to the median."""
    low, high = statistic.ci95
    return (high - low) / 2 / statistic.median
