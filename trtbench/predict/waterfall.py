"""The predicted time of an engine taken apart, down to its GEMMs at the peak of the format asked for.

The cost model prices the engine again and again, each time with one cost less; a step is what a cost was
worth when it went. No cost is ever negative, so no step is, and their sum is exact. Two costs of one kernel
that overlap (tiles and DRAM traffic, multiplying and loading) are worth less together than apart, so the
order of their removal counts:

1. ``misses``: all traffic stays in L2. First, since it is what the engine's surroundings add to a kernel.
2. ``floor``: a kernel starts the moment the one before it ends. It adds to all else, so any place would do.
3. Whole kernels that are no GEMM of a Linear layer, by what they do. Independent of one another.
4. GEMMs, from what depends on the size to what depends on the GPU: ``waves`` (each is a part of an endless
   product: no partly filled tiles, no last wave, no idle SM), with the tiles of the best choice still;
   ``epilogue`` (results are stored and pipelines filled in no time); ``operand_loads`` (operands wait in the
   SM); ``peak_share`` (the loop over K runs at the peak of the tensor cores).
5. ``fell_back``: each product at the peak of the format that its recipe asks for. Last, or a product that
   fell back would also be charged with the efficiency that it no longer has.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import fsum
from typing import get_args

import numpy as np

from trtbench.predict.arrays import Array
from trtbench.predict.fitted import Calibration, GpuRates
from trtbench.predict.pricing import PricedEngine, kernels_ms
from trtbench.predict.products import Product, products_ms
from trtbench.predict.work import KernelWork
from trtbench.results import AuditedLayer, Prediction, Step, Waterfall, WaterfallStep
from trtbench.specs import GpuSpec
from trtbench.specs.recipe import Precision, Recipe

_ENDLESS = 6144
"""M and N of a product times this are whole tiles of every size, and enough of them for any GPU."""
_COUNTED_MS = 1e-9  # what is left of two equal times is not a kernel
_TRANSPOSES = "Tran"
_OPERATION_STEPS: dict[str, Step] = {
    "attention": "attention",
    "other": "attention",  # a softmax of its own
    "norm": "norm",
    "gelu": "gelu",
    "reformat": "reformat",
}


def waterfall_of(engine: PricedEngine, recipe: Recipe, prediction: Prediction) -> Waterfall:
    """Take the predicted time of an engine apart.

    Args:
        engine: priced on the GPU of ``prediction``.
        recipe: what its layers were asked to be.
        prediction: of the same engine, for its interval.
    """
    parts = _parts(engine, recipe)
    gemms = gemm_places(engine)
    steps = tuple(
        WaterfallStep(step=step, ms=fsum(added), kernels=int(np.count_nonzero(added > _COUNTED_MS)))
        for step, added in parts.items()
    )
    return Waterfall(
        recipe=recipe,
        ideal_ms=fsum(_peak_ms(engine, recipe)),
        steps=steps,
        predicted_ms=engine.total_ms,
        interval_ms=prediction.interval_ms,
        coverage=prediction.coverage,
        gemm_ms=fsum(engine.ms[gemms]),
    )


def gemm_places(engine: PricedEngine) -> list[int]:
    """Indices of the GEMMs of Linear layers."""
    return [index for index, work in enumerate(engine.works) if kernel_step(work) is None]


def kernel_step(work: KernelWork) -> Step | None:
    """The step that a whole kernel belongs to; None for a GEMM of a Linear layer."""
    layer = work.layer
    if layer.role == "patch_embed":
        return "patch_embed"
    if layer.role == "token_reduction":
        return "token_reduction"
    if work.kind == "gemm":
        return "attention" if layer.role == "attention" else None
    if layer.role == "quantize":
        return "quantize"
    if layer.op == "pointwise" and _TRANSPOSES in layer.name:
        return "reformat"
    return _OPERATION_STEPS.get(layer.op, "pointwise")


def _parts(engine: PricedEngine, recipe: Recipe) -> dict[Step, Array]:
    """What each step adds to each kernel, in ms; steps in their order."""
    no_misses = [0.0] * len(engine.works)
    cached = kernels_ms(engine.works, no_misses, engine.gpu, engine.calibration)
    bare = kernels_ms(engine.works, no_misses, engine.gpu, _without_floors(engine.calibration))
    parts: dict[Step, Array] = {step: np.zeros(len(engine.works)) for step in get_args(Step)}
    parts["misses"] = engine.ms - cached
    parts["floor"] = cached - bare
    for index, work in enumerate(engine.works):
        step = kernel_step(work)
        if step is not None:
            parts[step][index] = bare[index]
    gemms = gemm_places(engine)
    for step, added in _gemm_parts(engine, recipe, bare[gemms]).items():
        parts[step][gemms] = added
    return parts


def _gemm_parts(engine: PricedEngine, recipe: Recipe, bare: Array) -> dict[Step, Array]:
    """What each step adds to each GEMM; ``bare``: their times with all traffic in L2 and no floor."""
    endless = [
        replace(product, m=product.m * _ENDLESS, n=product.n * _ENDLESS, dram_bytes=0.0)
        for product in _gemms(engine)
    ]
    times = [bare]
    free: dict[str, float] = {"floor_us": 0.0, "wave_rounding": 0.0}
    for freed in (
        {},
        {"fill_clocks": 0.0, "store_bytes_per_clock_sm": np.inf},
        {"load_bytes_per_clock_sm": np.inf},
    ):
        free |= freed
        rates = _with_gemm_rates(engine.calibration.rates, free)
        times.append(products_ms(endless, engine.gpu, rates) / _ENDLESS**2)
    times += [_peak_ms(engine, recipe=None), _peak_ms(engine, recipe)]
    steps: tuple[Step, ...] = ("waves", "epilogue", "operand_loads", "peak_share", "fell_back")
    return {step: times[place] - times[place + 1] for place, step in enumerate(steps)}


def _gemms(engine: PricedEngine) -> Sequence[Product]:
    return [engine.product(index) for index in gemm_places(engine)]


def _peak_ms(engine: PricedEngine, recipe: Recipe | None) -> Array:
    """Time of each GEMM at the peak of its format, or of the one that a recipe asks for if that is higher."""
    gpu, works = engine.gpu, engine.works
    times = []
    for index, product in zip(gemm_places(engine), _gemms(engine), strict=True):
        asked = asked_peak(works[index].layer, recipe, gpu) if recipe else 0.0
        times.append(1e-3 * product.flops / (max(product.peak, asked) * gpu.sms * gpu.clock_mhz))
    return np.array(times)


def asked_peak(layer: AuditedLayer, recipe: Recipe, gpu: GpuSpec) -> float:
    """Peak of what a recipe asks of a layer, in FLOP per clock and SM; FP32 is multiplied in TF32.

    Raises:
        SpecError: the GPU has no tensor cores for it.
    """
    precision = recipe.precision_of(layer.role)
    return gpu.rate("tf32" if precision is Precision.FP32 else precision.math)


def _without_floors(calibration: Calibration) -> Calibration:
    free = {"floor_us": 0.0}
    rates = _with_gemm_rates(calibration.rates, free).model_copy(
        update={
            "memory": calibration.rates.memory.model_copy(update=free),
            "attention": calibration.rates.attention.model_copy(update=free),
        }
    )
    return calibration.model_copy(update={"rates": rates})


def _with_gemm_rates(rates: GpuRates, changes: dict[str, float]) -> GpuRates:
    """Rates of products that cost less; ``model_copy`` lets zero and infinity pass."""
    gemm = {name: each.model_copy(update=changes) for name, each in rates.gemm.items()}
    return rates.model_copy(update={"gemm": gemm})
