"""What ``docs/benchmarks/fit_cost_model.py`` fitted: rates of measured GPUs, and held-out errors."""

from functools import cache
from typing import Literal

from pydantic import Field

from trtbench.errors import SpecError
from trtbench.predict.attention import AttentionRates
from trtbench.predict.gemm import GemmRates
from trtbench.predict.gpus import find_gpu
from trtbench.predict.intervals import Bounds
from trtbench.predict.memory import MemoryRates
from trtbench.results import Level
from trtbench.specs import GpuSpec, Spec
from trtbench.specs.yaml_text import load_packaged_yaml

Kind = Literal["gemm", "attention", "pointwise"]


class ErrorBounds(Spec):
    """Held-out errors of one kind of kernel in one precision.

    ``median_pct`` and ``p90_pct`` are of the predicted time of one kernel, without sign. ``kernel`` bounds
    one kernel, ``total`` the sum of the kernels of this kind in a block of a model.
    """

    median_pct: float
    p90_pct: float
    kernel: Bounds
    total: Bounds

    def widened_to(self, other: "ErrorBounds") -> "ErrorBounds":
        """The errors that hold both."""
        return ErrorBounds(
            median_pct=max(self.median_pct, other.median_pct),
            p90_pct=max(self.p90_pct, other.p90_pct),
            kernel=self.kernel.widened_to(other.kernel),
            total=self.total.widened_to(other.total),
        )


Errors = dict[str, ErrorBounds]
"""By kind and precision, such as ``gemm fp8``."""


class GpuRates(Spec):
    """Fitted rates of one GPU, ``gemm`` by precision, and errors on its own held-out kernels."""

    memory: MemoryRates
    gemm: dict[str, GemmRates]
    attention: AttentionRates
    errors: Errors


class Fitted(Spec):
    """``fitted.yaml``; ``same_chip`` and ``unmeasured`` are errors with the rates of another GPU."""

    source: str
    licence: str
    coverage: float
    gelu_clocks: float = Field(gt=0, description="of one SM for an element; measured on an H200")
    gpus: dict[str, GpuRates]
    same_chip: Errors
    unmeasured: Errors


class Calibration(Spec):
    """The rates that a GPU is predicted with, and how wrong they are on it."""

    level: Level
    measured_gpu: str
    source: str
    gelu_clocks: float
    rates: GpuRates
    errors: Errors
    unmeasured: Errors

    def bounds(self, kind: Kind, precision: str, precision_measured: bool = True) -> ErrorBounds:
        """Errors of a kind of kernel; those of an unmeasured GPU where the precision was never timed."""
        errors = self.errors if precision_measured else self.unmeasured
        return errors[f"{kind} {precision}"]


@cache
def fitted() -> Fitted:
    """The fit that comes with the package."""
    return Fitted.model_validate(load_packaged_yaml("trtbench.predict", "fitted.yaml"))


def calibration_of(gpu: GpuSpec) -> Calibration:
    """Rates and errors for ``gpu``.

    Raises:
        SpecError: no rates fit it, and why.
    """
    if gpu.calibrated_on is None:
        raise SpecError(f"no prediction for {gpu.title}: {gpu.not_predicted}")
    fit, measured = fitted(), find_gpu(gpu.calibrated_on)
    level, rates = level_of(gpu, measured), fit.gpus[measured.name]
    return Calibration(
        level=level,
        measured_gpu=measured.name,
        source=fit.source,
        gelu_clocks=fit.gelu_clocks,
        rates=rates,
        errors=_errors(fit, level, rates.errors),
        unmeasured=fit.unmeasured,
    )


def _errors(fit: Fitted, level: Level, own: Errors) -> Errors:
    """Those of the level, and never less than those of the measured GPU itself."""
    if level == "measured":
        return own
    borrowed = fit.same_chip if level == "same_chip" else fit.unmeasured
    return {key: borrowed[key].widened_to(errors) for key, errors in own.items()}


def level_of(gpu: GpuSpec, measured: GpuSpec) -> Level:
    """How far ``gpu`` is from the GPU whose rates it takes."""
    if gpu.name == measured.name:
        return "measured"
    same = gpu.chip == measured.chip and gpu.flop_per_clock_sm == measured.flop_per_clock_sm
    return "same_chip" if same else "unmeasured"
