"""Why an engine is no faster: its waterfall beside that of FP16, the ceiling, and the levers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from trtbench.errors import Code
from trtbench.predict.engine import predict_engine
from trtbench.predict.levers import Gain, batch_gain, gains_of
from trtbench.predict.listing import gpu_entry
from trtbench.predict.pricing import PricedEngine, price
from trtbench.predict.rescale import at_batch
from trtbench.predict.speedup import predicted_speedup
from trtbench.predict.waterfall import waterfall_of
from trtbench.results import Audit, BatchRate, Ceiling, Explanation, Lever, Prediction, Waterfall
from trtbench.specs import ExportSpec, GpuSpec
from trtbench.specs.recipe import Precision, Recipe

FP16 = Recipe(Precision.FP16)
LEAST_SHARE = 0.01
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_NOTED = (Code.GEMM_FELL_BACK, Code.EMULATED, Code.ATTENTION_FELL_BACK, Code.SPARSITY_NOT_USED)


@dataclass(frozen=True)
class _Subject:
    """An engine on the GPU: as it was compiled, priced, and taken apart."""

    audit: Audit
    prediction: Prediction
    engine: PricedEngine
    waterfall: Waterfall


def explain_engine(
    spec: ExportSpec, audits: Mapping[Recipe, Audit], gpu: GpuSpec, not_compiled: Mapping[Recipe, str]
) -> Explanation:
    """Explain the engine of one recipe.

    Args:
        spec: the model, the recipe and the batch.
        audits: of engines of the same model and batch: that of the recipe, of FP16, and of whatever recipes
            are to be levers.
        gpu: where they would run.
        not_compiled: recipes that were to be levers, and why they are not.

    Raises:
        SpecError: no rates fit the GPU, or it has no tensor cores for a layer or for what was asked of one.
    """
    own = _subject(audits[spec.recipe], spec.recipe, gpu, spec.batch)
    fp16 = _subject(audits[FP16], FP16, gpu, spec.batch)
    rates = _batch_rates(own, fp16, spec.batch)
    others = ((recipe, audit) for recipe, audit in audits.items() if recipe != spec.recipe)
    gains = [_recipe_gain(own, recipe, audit, gpu) for recipe, audit in others]
    levers = [_lever(gain, "compiled", own, fp16) for gain in gains]
    repriced = (*gains_of(own.engine, fp16.engine, own.audit, spec.recipe), *batch_gain(rates, spec.batch))
    levers += [_lever(gain, "repriced", own, fp16) for gain in repriced]
    worth = [lever for lever in levers if lever.saves_ms >= LEAST_SHARE * own.engine.total_ms]
    assumptions = (*own.prediction.assumptions, *fp16.prediction.assumptions)
    return Explanation(
        model=spec.model.name,
        batch=spec.batch,
        img_size=spec.model.img_size,
        gpu=gpu_entry(gpu),
        waterfall=own.waterfall,
        fp16=fp16.waterfall,
        speedup_interval=predicted_speedup("", fp16.prediction, "", own.prediction).interval,
        ceiling=ceiling_of(own.waterfall, fp16.waterfall, gpu),
        levers=tuple(sorted(worth, key=lambda lever: -lever.saves_ms)),
        least_share=LEAST_SHARE,
        batches=rates,
        not_compiled={str(recipe): reason for recipe, reason in not_compiled.items()},
        notes=tuple(finding.message for finding in own.audit.findings if finding.code in _NOTED),
        assumptions=tuple(dict.fromkeys(assumptions)),
    )


def ceiling_of(own: Waterfall, fp16: Waterfall, gpu: GpuSpec) -> Ceiling:
    """Amdahl's law for the GEMMs of the FP16 engine; ``Ceiling`` has the formulas."""
    recipe = own.recipe
    if recipe.is_quantized:
        math, ratio = recipe.precision.math, fp16.ideal_ms / own.ideal_ms
    else:
        math = max((p.math for p in Precision if p.math in gpu.flop_per_clock_sm), key=gpu.rate)
        ratio = gpu.rate(math) / gpu.rate("fp16")
    gemm_ms = fp16.gemm_ms / ratio
    return Ceiling(
        math=math,
        peak_ratio=ratio,
        fp16_others=fp16.predicted_ms / (fp16.other_ms + gemm_ms),
        own_others=fp16.predicted_ms / (own.other_ms + gemm_ms),
        no_gemms=fp16.predicted_ms / own.other_ms,
    )


def _subject(audit: Audit, recipe: Recipe, gpu: GpuSpec, batch: int) -> _Subject:
    prediction, engine = predict_engine(audit, gpu, batch), price(audit.layers, gpu)
    return _Subject(audit, prediction, engine, waterfall_of(engine, recipe, prediction))


def _batch_rates(own: _Subject, fp16: _Subject, batch: int) -> tuple[BatchRate, ...]:
    """Images per second at each batch, of both engines."""

    def rate(subject: _Subject, other: int) -> float:
        layers = at_batch(subject.audit.layers, batch, other)
        return 1e3 * other / price(layers, subject.engine.gpu).total_ms

    return tuple(
        BatchRate(batch=other, images_per_s=rate(own, other), fp16_images_per_s=rate(fp16, other))
        for other in sorted({*_BATCHES, batch})
    )


def _recipe_gain(own: _Subject, recipe: Recipe, audit: Audit, gpu: GpuSpec) -> Gain:
    other_ms = price(audit.layers, gpu).total_ms
    return Gain(
        f"recipe {recipe}",
        own.engine.total_ms - other_ms,
        f"built and predicted to take {other_ms:.3f} ms; its accuracy differs",
    )


def _lever(gain: Gain, evidence: Literal["compiled", "repriced"], own: _Subject, fp16: _Subject) -> Lever:
    return Lever(
        name=gain.name,
        evidence=evidence,
        saves_ms=gain.saves_ms,
        at_most=gain.at_most,
        speedup=(fp16.engine.total_ms - gain.fp16_saves_ms) / (own.engine.total_ms - gain.saves_ms),
        basis=gain.basis,
    )
