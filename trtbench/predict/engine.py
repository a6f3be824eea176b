"""The time of a whole engine on a GPU, from its audit alone."""

from collections.abc import Callable, Sequence

import numpy as np

from trtbench.errors import SpecError
from trtbench.predict.arrays import Array
from trtbench.predict.attention import AttentionWork, attention_time
from trtbench.predict.fitted import Calibration, calibration_of
from trtbench.predict.gemm import gemm_time
from trtbench.predict.intervals import COVERAGE
from trtbench.predict.memory import dram_us, gelu_us, l2_us, miss_share, pointwise_us
from trtbench.predict.products import product_of, stacked
from trtbench.predict.residency import dram_traffic
from trtbench.predict.work import KernelWork, work_of
from trtbench.results import Audit, AuditedLayer, Bound, LayerPrediction, PredictedGroup, Prediction
from trtbench.specs import GpuSpec

Parts = dict[Bound, Array]
"""Parts of the time of each kernel in us, and ``total``."""


def predict_engine(audit: Audit, gpu: GpuSpec, batch: int) -> Prediction:
    """Predict the GPU time of one inference from the compiled layers of an engine.

    Args:
        audit: of an engine, not of a graph alone.
        gpu: where it would run; see ``find_gpu``.
        batch: images an inference, for the rate of images.

    Raises:
        SpecError: the audit is of a graph, the batch is not positive, no rates fit the GPU, or it has no
            tensor cores for a layer.
    """
    if audit.compiled_flops is None or not audit.layers:
        raise SpecError(
            "prediction needs a compiled engine, and this audit is of a graph alone: build it first"
        )
    if batch < 1:
        raise SpecError(f"batch {batch}: give at least 1")
    calibration = calibration_of(gpu)
    works = [work_of(layer) for layer in audit.layers]
    dram = dram_bytes(audit.layers, gpu, calibration)
    layers = predict_layers(works, dram, gpu, calibration)
    groups = _groups(works, layers, calibration)
    total = sum(layer.predicted_ms for layer in layers)
    # Errors add, since all kernels may be off in the same direction.
    low, high = (sum(each.factor[end] * each.predicted_ms for each in groups.values()) for end in (0, 1))
    return Prediction(
        gpu=gpu.name,
        target=gpu.target,
        clock_mhz=gpu.clock_mhz,
        level=calibration.level,
        calibrated_on=calibration.measured_gpu,
        source=calibration.source,
        batch=batch,
        gpu_compute_ms=total,
        interval_ms=(low, high),
        coverage=COVERAGE,
        error_pct=100 * max(high / total - 1, 1 - low / total),
        images_per_s=1e3 * batch / total,
        by_role_ms=_sums(layers, lambda layer: layer.role),
        by_kernel_ms=_sums(layers, lambda layer: layer.kernel),
        groups=groups,
        layers=layers,
        assumptions=_assumptions(audit, works, gpu, calibration),
    )


def dram_bytes(layers: tuple[AuditedLayer, ...], gpu: GpuSpec, calibration: Calibration) -> Array:
    """Bytes that each layer moves between L2 and DRAM, in execution order."""
    memory = calibration.rates.memory
    forgotten_bytes = gpu.l2_bytes * (memory.l2_kept + memory.l2_lost)
    return dram_traffic(layers, lambda distances: miss_share(distances, gpu, memory), forgotten_bytes)


def predict_layers(
    works: Sequence[KernelWork], dram: Array, gpu: GpuSpec, calibration: Calibration
) -> tuple[LayerPrediction, ...]:
    """Predict all kernels that share rates at once, then put them in execution order."""
    groups: dict[tuple[str, str, float], list[int]] = {}
    for index, work in enumerate(works):
        peak = work.peak(gpu) if work.kind != "pointwise" else 0.0
        groups.setdefault((work.kind, work.precision if peak else "", peak), []).append(index)
    found: dict[int, LayerPrediction] = {}
    for (_, _, peak), members in groups.items():
        chosen = [works[index] for index in members]
        total, parts = _time(chosen, dram[members], peak, gpu, calibration)
        for place, index in enumerate(members):
            bound = max(parts, key=lambda part: parts[part][place])
            found[index] = _layer(works[index], float(total[place]), bound, calibration)
    return tuple(found[index] for index in range(len(works)))


def _time(
    works: list[KernelWork], dram: Array, peak: float, gpu: GpuSpec, calibration: Calibration
) -> tuple[Array, Parts]:
    """Total and parts, in us, of kernels of one kind and precision."""
    kind, rates = works[0].kind, calibration.rates
    traffic = np.array([float(work.layer.bytes) for work in works])
    if kind == "pointwise":
        elements = np.array([work.gelu_elements for work in works])
        parts: Parts = {
            "compute": gelu_us(elements, gpu, calibration.gelu_clocks),
            "l2": l2_us(traffic, gpu, rates.memory),
            "dram": dram_us(dram, gpu, rates.memory),
            "floor": np.full_like(dram, rates.memory.floor_us),
        }
        return pointwise_us(traffic, dram, gpu, rates.memory, parts["compute"]), parts
    if kind == "attention":
        heads, queries, keys, width = np.array([work.sizes for work in works]).T
        attention = attention_time(
            AttentionWork(heads, queries, keys, width, traffic, dram),
            peak,
            gpu,
            rates.attention,
            rates.memory,
        )
        floor = np.full_like(dram, rates.attention.floor_us)
        parts = {
            "compute": attention.tiles_us,
            "l2": l2_us(traffic, gpu, rates.memory),
            "dram": dram_us(dram, gpu, rates.memory),
            "floor": floor,
        }
        return attention.total_us, parts
    products = [product_of(work, each, gpu) for work, each in zip(works, dram, strict=True)]
    gemm_rates = rates.gemm[works[0].fitted_precision]
    gemm = gemm_time(stacked(products), peak, gpu, gemm_rates, rates.memory)
    floor = np.full_like(dram, gemm_rates.floor_us)
    return gemm.total_us, {"compute": gemm.tiles_us, "dram": gemm.dram_us, "floor": floor}


def _layer(work: KernelWork, total_us: float, bound: Bound, calibration: Calibration) -> LayerPrediction:
    bounds = calibration.bounds(work.kind, work.fitted_precision, work.precision_measured).kernel
    milliseconds = total_us / 1e3
    return LayerPrediction(
        name=work.layer.name,
        role=work.layer.role,
        kernel=work.layer.op,
        predicted_ms=milliseconds,
        interval_ms=(milliseconds * bounds.low, milliseconds * bounds.high),
        bound=bound,
    )


def _groups(
    works: list[KernelWork], layers: tuple[LayerPrediction, ...], calibration: Calibration
) -> dict[str, PredictedGroup]:
    """Kernels by ``KernelWork.group``, the longest first."""
    sums: dict[str, float] = {}
    for work, layer in zip(works, layers, strict=True):
        sums[work.group] = sums.get(work.group, 0.0) + layer.predicted_ms
    works_of = {work.group: work for work in works}
    groups = {}
    for name, milliseconds in sorted(sums.items(), key=lambda item: -item[1]):
        work = works_of[name]
        bounds = calibration.bounds(work.kind, work.fitted_precision, work.precision_measured).total
        groups[name] = PredictedGroup(
            predicted_ms=milliseconds, factor=(bounds.low, bounds.high), rates=work.fitted_precision
        )
    return groups


def _sums(layers: tuple[LayerPrediction, ...], key: Callable[[LayerPrediction], str]) -> dict[str, float]:
    """Milliseconds by ``key``, the longest first."""
    sums: dict[str, float] = {}
    for layer in layers:
        sums[key(layer)] = sums.get(key(layer), 0.0) + layer.predicted_ms
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def _assumptions(
    audit: Audit, works: list[KernelWork], gpu: GpuSpec, calibration: Calibration
) -> tuple[str, ...]:
    """What the prediction takes for granted, the weightier first."""
    clock = gpu.figures["clock_mhz"].source
    found = [
        f"the clock stays at {gpu.clock_mhz:.0f} MHz ({clock}), whatever the power limit",
        "kernels run in sequence in a CUDA graph, as fast as those of cuBLAS, CUTLASS, FlashAttention",
    ]
    if audit.targets and gpu.target not in audit.targets:
        found.append(f"layers as compiled for {', '.join(audit.targets)}, not for {gpu.target}")
    if calibration.level != "measured":
        found.append(
            f"efficiencies of {calibration.measured_gpu}: no kernel times of {gpu.title} are published"
        )
    unmeasured = sorted({f"{work.kind} in {work.precision}" for work in works if not work.precision_measured})
    if unmeasured:
        found.append(
            f"no kernel times for {', '.join(unmeasured)}: peaks of that precision, efficiency of another"
        )
    if any(
        work.kind == "gemm" and work.precision == "fp16" and "f16f16" not in work.layer.tactic_name
        for work in works
    ):
        found.append("FP16 products accumulate in FP32, unless the name of the tactic says otherwise")
    sorts = sum(work.layer.op == "sort" for work in works)
    if sorts:
        found.append(f"top-k takes as long as moving its bytes: no times of its {sorts} kernels are known")
    if audit.recipe is not None and audit.recipe.sparse:
        found.append("2:4 sparse weights run as dense ones")
    return tuple(found)
