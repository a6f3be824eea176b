"""A GPU as the cost model knows it: a few figures, each with its source."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from trtbench.errors import SpecError
from trtbench.specs.base import Spec

Certainty = Literal["measured", "datasheet", "memory"]
"""``memory``: written down from memory, not checked against a document."""

FIGURES = ("sms", "clock_mhz", "flop_per_clock_sm", "l2_bytes", "dram_gb_per_s", "power_w", "sparse_factor")

DEFAULT_GPU = "rtx-pro-6000-se"
"""Of roofs and explanations, which choose no GPU by engines."""

_HIGHEST_CLOCK = 1.5
"""Times the clock of the table: boards boost above it, but not by half."""


class FigureSource(Spec):
    """Where a figure comes from, and how sure it is."""

    certainty: Certainty
    source: str = Field(min_length=1)


class GpuSpec(Spec):
    """One GPU. Peaks are dense; ``flop_per_clock_sm`` is per clock and SM, by precision.

    Its key ``fp16`` accumulates in FP32, ``fp16_fp16`` in FP16; precisions without tensor cores are missing.
    ``sparse_factor``: peak with 2:4 sparse weights over the dense peak.
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    chip: str
    calibrated_on: str | None = Field(
        default=None, description="measured GPU whose fitted rates it takes; its own name if measured"
    )
    not_predicted: str | None = Field(default=None, description="why no rates fit it")
    target: str = Field(pattern=r"sm\d+", description="compute capability, such as sm120")
    sms: int = Field(gt=0)
    clock_mhz: float = Field(gt=0)
    flop_per_clock_sm: dict[str, float]
    l2_bytes: float = Field(gt=0)
    dram_gb_per_s: float = Field(gt=0)
    power_w: float = Field(gt=0)
    sparse_factor: float = Field(ge=1)
    figures: dict[str, FigureSource]

    @model_validator(mode="after")
    def _has_rates_or_says_why_not(self) -> "GpuSpec":
        if (self.calibrated_on is None) == (self.not_predicted is None):
            raise ValueError("needs either calibrated_on or not_predicted")
        return self

    @field_validator("figures")
    @classmethod
    def _every_figure_has_a_source(cls, figures: dict[str, FigureSource]) -> dict[str, FigureSource]:
        if missing := [name for name in FIGURES if name not in figures]:
            raise ValueError(f"no source for {', '.join(missing)}")
        return figures

    def peak_flop_per_s(self, precision: str) -> float:
        """Dense peak in FLOP/s.

        Raises:
            SpecError: the GPU has no tensor cores for ``precision``.
        """
        return self.rate(precision) * self.sms * self.clock_mhz * 1e6

    def rate(self, precision: str) -> float:
        """Dense peak in FLOP per clock and SM.

        Raises:
            SpecError: the GPU has no tensor cores for ``precision``.
        """
        if precision not in self.flop_per_clock_sm:
            raise SpecError(
                f"{self.title} has no tensor cores for {precision}, "
                f"only for {', '.join(self.flop_per_clock_sm)}"
            )
        return self.flop_per_clock_sm[precision]

    def at_clock(self, clock_mhz: float) -> "GpuSpec":
        """The same GPU with its SMs at ``clock_mhz``; the DRAM keeps its own clock.

        Raises:
            SpecError: not a positive number, or beyond what any such GPU can hold.
        """
        highest = _HIGHEST_CLOCK * self.clock_mhz
        if not 0 < clock_mhz <= highest:
            raise SpecError(
                f"clock of {clock_mhz:g} MHz: give a number of MHz up to {highest:.0f}, "
                f"such as {self.clock_mhz:.0f}"
            )
        source = FigureSource(certainty="measured", source="clock given by the user")
        figures = {**self.figures, "clock_mhz": source}
        return self.model_copy(update={"clock_mhz": float(clock_mhz), "figures": figures})
