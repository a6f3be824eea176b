"""Time and error of a recipe as sums over its parts, each of which was made once."""

import math
from collections.abc import Mapping

from trtbench.predict.engine import predict_engine
from trtbench.results import BuiltEngine, Estimate, Fidelity, Prediction
from trtbench.specs import GpuSpec
from trtbench.specs.recipe import Recipe
from trtbench.tune.depth import deepened
from trtbench.tune.space import BASELINE, TIME_BASE, error_parts, time_parts

Times = Mapping[Recipe, Prediction]
Errors = Mapping[Recipe, float]
"""Noise power over signal power, by recipe."""


def whole_time(engine: BuiltEngine, gpu: GpuSpec, batch: int) -> Prediction:
    """Predict a model of ``engine.depth`` blocks from an engine of ``engine.blocks``.

    Raises:
        SpecError: the GPU cannot run a layer.
        BuildError: no layer belongs to one block alone.
    """
    layers = deepened(engine.audit.layers, engine.depth - engine.blocks)
    return predict_engine(engine.audit.model_copy(update={"layers": layers}), gpu, batch)


def relative_noise(fidelity: Fidelity) -> float:
    """Noise power over signal power: ``10 ** (-SQNR / 10)``."""
    return 0.0 if fidelity.sqnr_db is None else 10 ** (-fidelity.sqnr_db / 10)


def estimate_of(recipe: Recipe, times: Times, errors: Errors) -> Estimate:
    """What the parts add up to.

    Each part of the time counts as its difference from ``TIME_BASE``. Noise powers add where the errors of
    roles are not correlated; each part counts as what it adds to FP16's own.

    Raises:
        KeyError: a part is missing.
    """
    base, parts = times[TIME_BASE], [times[part] for part in time_parts(recipe)]
    noise = errors[BASELINE] + sum(max(0.0, errors[p] - errors[BASELINE]) for p in error_parts(recipe))
    return Estimate(
        gpu_compute_ms=base.gpu_compute_ms + sum(p.gpu_compute_ms - base.gpu_compute_ms for p in parts),
        sqnr_db=-10 * math.log10(noise) if noise else None,
    )
