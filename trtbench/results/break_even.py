"""From how many tokens on a token reduction pays. Evidence kind: predicted, or measured where timed."""

from typing import ClassVar, Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION, Result
from trtbench.results.rows import Row, aligned, ends, flat
from trtbench.specs.base import Spec
from trtbench.specs.model import ImageSize, RecipeField
from trtbench.specs.token_reduction import TokenReductionField


class Side(Spec):
    """One of both models at one image size.

    ``tokens``: of the last MLP. ``kernels``: of an engine or a CUDA graph; null where neither is known.
    ``wall_ms``: one query alone, from its start on the host until its end; null where nothing was timed.
    """

    tokens: int
    flops: int
    kernels: int | None
    gpu_ms: float
    wall_ms: float | None


class Gain(Spec):
    """Time with all tokens over time with fewer, and its interval."""

    speedup: float
    interval: tuple[float, float]


class BreakEvenPoint(Spec):
    """Both models at one image size; ``tokens`` enter the first block."""

    img_size: ImageSize
    tokens: int
    full: Side
    reduced: Side
    gpu: Gain
    wall: Gain | None


class Crossing(Spec):
    """Tokens from which on the speed-up stays above 1; 0: at every size, null: not even at the largest.

    ``low``, ``high``: the same for the upper and the lower ends of the intervals of the speed-ups.
    """

    tokens: float | None
    low: float | None
    high: float | None


class BreakEvenCurve(Spec):
    """One recipe in one runtime (null: predicted) at one batch, by tokens."""

    recipe: RecipeField
    runtime: str | None
    batch: int
    evidence: Literal["predicted", "measured"]
    points: tuple[BreakEvenPoint, ...]
    gpu: Crossing
    wall: Crossing | None


class BreakEven(Result):
    """All curves of one model and token reduction; ``gpu``: where times are predicted or measured."""

    SHOWN: ClassVar[tuple[str, ...]] = ("recipe", "runtime", "batch", "tokens", "gpu_speedup", "wall_speedup")

    schema_version: int = SCHEMA_VERSION
    kind: Literal["break_even"] = "break_even"
    model: str
    token_reduction: TokenReductionField
    gpu: str | None
    curves: tuple[BreakEvenCurve, ...]
    failed: tuple[str, ...] = Field(default=(), description="cells without a time, each with its reason")

    @property
    def evidence(self) -> tuple[str, ...]:
        """Of the curves."""
        return tuple(dict.fromkeys(curve.evidence for curve in self.curves))

    def to_rows(self) -> list[Row]:
        """One a point, with the break-even tokens of its curve."""
        return aligned(
            {
                **flat(curve, "recipe", "runtime", "batch", "evidence"),
                **flat(point, "img_size", "tokens"),
                **flat(point.full, *_SIDE, prefix="full_"),
                **flat(point.reduced, *_SIDE, prefix="reduced_"),
                **_gain("gpu", point.gpu, curve.gpu),
                **(_gain("wall", point.wall, curve.wall) if point.wall and curve.wall else {}),
            }
            for curve in self.curves
            for point in curve.points
        )


_SIDE = ("tokens", "flops", "kernels", "gpu_ms", "wall_ms")


def _gain(name: str, gain: Gain, crossing: Crossing) -> Row:
    return {
        f"{name}_speedup": gain.speedup,
        **ends(f"{name}_speedup", gain.interval),
        f"{name}_break_even_tokens": crossing.tokens,
        f"{name}_break_even_low_tokens": crossing.low,
        f"{name}_break_even_high_tokens": crossing.high,
    }
