"""Fit the cost model of trtbench.predict to published kernel times, and say how wrong it is.

Run from the repository's root, after ``pip install 'trtbench[fit]'``:

    python docs/benchmarks/fit_cost_model.py

or with the wheel of aiconfigurator-core 0.12.0 (Apache-2.0) unpacked in a folder:

    python docs/benchmarks/fit_cost_model.py FOLDER

It takes about three minutes and writes

    trtbench/predict/fitted.yaml              the rates, and held-out errors
    docs/benchmarks/prediction_held_out.csv   a sample of held-out predictions beside what was measured
    docs/benchmarks/prediction_errors.svg     shares of kernels by error
    docs/prediction.md                        its tables, between the markers

No published time of a Vision Transformer is used: those are for check_cost_model.py.
"""

import csv
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.optimize import least_squares

from trtbench.predict.attention import AttentionRates, AttentionWork, attention_time
from trtbench.predict.fitted import ErrorBounds
from trtbench.predict.gemm import GemmRates, GemmWork, gemm_time
from trtbench.predict.gpus import find_gpu
from trtbench.predict.intervals import COVERAGE, Bounds, worst_of
from trtbench.predict.memory import MemoryRates, miss_share, pointwise_us
from trtbench.specs import GpuSpec

Array = NDArray[np.float64]
Rates = TypeVar("Rates", bound=BaseModel)
SOURCE = (
    "aiconfigurator-core 0.12.0 (PyPI), measured kernel times of TensorRT-LLM 1.3.0rc20, vLLM 0.24.0 "
    "and SGLang 0.5.14"
)
FOLDERS = {
    "rtx-pro-6000-se": "rtx_pro_6000_server",
    "l40s": "l40s",
    "h100": "h100_sxm",
    "h200": "h200_sxm",
    "b200": "b200_sxm",
    "b300": "b300_sxm",
}
VERSIONS = {"trtllm": "1.3.0rc20", "vllm": "0.24.0", "sglang": "0.5.14"}
STAND_INS = {
    "rtx-pro-6000-se": "l40s",
    "l40s": "rtx-pro-6000-se",
    "h100": "h200",
    "h200": "h100",
    "b200": "b300",
    "b300": "b200",
}
"""Left out, a GPU is predicted with the rates of the closest other one."""
FP4_STAND_INS = {**STAND_INS, "rtx-pro-6000-se": "b200"}
SAME_CHIP = ("h100", "h200")

ROWS = (
    64,
    128,
    192,
    256,
    257,
    512,
    768,
    1024,
    1025,
    1280,
    1536,
    2048,
    2304,
    3072,
    4096,
    4353,
    8192,
    16384,
    32768,
)
COLUMNS = (256, 512, 768, 1024, 1536, 2048, 2560, 3072, 3584, 4096, 5120, 6144)
WIDTHS = (256, 512, 768, 1024, 1536)
FEWEST_BLOCKS = 19
"""Fewer sums than this have no 90 % bounds: those of single kernels, which are wider, count."""
SEQUENCES = (52, 64, 104, 128, 192, 256, 400, 512, 576, 1024, 1296, 1500, 1536, 2048, 2304)
HEADS = (4, 8, 10, 12, 14, 16, 20, 24, 32)
FOLDS = 5
DTYPES = {"fp16": "bfloat16", "fp8": "fp8", "fp4": "nvfp4"}
OPERAND_BYTES = {"fp16": 2.0, "fp8": 1.0, "fp4": 0.5 + 1 / 16}
MOST_QUANTIZING = 0.5
"""Rows of which quantising the activation is a larger share say too little about the product."""


@dataclass(frozen=True)
class Rows:
    """Measured kernels of one GPU in one precision.

    ``shape``: M, N, K; or M, K; or batch, sequence, heads, head width.
    """

    gpu: GpuSpec
    kind: str
    precision: str
    shape: Array
    measured_us: Array
    quantizing_us: Array

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Rows":
        return replace(
            self,
            shape=self.shape[chosen],
            measured_us=self.measured_us[chosen],
            quantizing_us=self.quantizing_us[chosen],
        )

    @property
    def key(self) -> str:
        """What errors of such kernels are called."""
        return f"{self.kind} {self.precision}"


@dataclass(frozen=True)
class Limits:
    """Where a fit starts, and how far it may go; the rates in the order of the model's fields."""

    start: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


MEMORY = Limits((1.5, 15, 0.85, 0.7, 0.4), (0.3, 2, 0.4, 0.05, 0.05), (6, 100, 1, 1.2, 1.5))
GEMM = Limits((0.8, 60, 30, 1500, 0.5, 2), (0.2, 8, 3, 50, 0.02, 0.3), (1, 1000, 1000, 20000, 1, 12))
ATTENTION = Limits((0.6, 1, 1500, 0.5, 3), (0.1, 0.3, 20, 0.02, 0.3), (1, 20, 30000, 1, 15))


# --- reading --------------------------------------------------------------------------------------


def read(
    data: Path, gpu: str, kind: str, file: str, **wanted: tuple[Any, ...]
) -> dict[tuple[Any, ...], dict[str, float]]:
    """Latency in us by the values of the columns ``wanted``, then by framework."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for framework, version in VERSIONS.items():
        path = data / FOLDERS[gpu] / kind / framework / version / f"{file}.parquet"
        if not path.is_file():
            continue
        table = pq.read_table(path, columns=[*wanted, "latency", "device"])
        for column, values in wanted.items():
            table = table.filter(pc.is_in(table[column], pc_array(values, table[column].type)))
        # A few rows of B300 call themselves GB300.
        table = table.filter(pc.invert(pc.match_substring(table["device"], " GB")))
        keys = zip(*(table[column].to_pylist() for column in wanted), strict=True)
        for key, latency in zip(keys, table["latency"].to_pylist(), strict=True):
            found.setdefault(key, {})[framework] = latency * 1e3
    return found


def pc_array(values: tuple[Any, ...], kind: Any) -> Any:
    """Values of a filter, in the type of its column."""
    import pyarrow as pa

    return pa.array(values, type=kind)


def read_pointwise(data: Path, gpu: str) -> tuple[Rows, Rows]:
    """Static FP8 quantisers, which read 2 bytes an element and write 1: TensorRT-LLM's, then vLLM's."""
    found = read(data, gpu, "quantize", "scale_matrix_perf", m=ROWS, k=COLUMNS)
    both = []
    for framework in ("trtllm", "vllm"):
        rows = [(m, k, times[framework]) for (m, k), times in found.items() if framework in times]
        m, k, measured = np.array(rows, float).T
        both.append(Rows(find_gpu(gpu), "pointwise", "any", np.c_[m, k], measured, np.zeros_like(m)))
    return both[0], both[1]


def read_attention(data: Path, gpu: str) -> Rows:
    """Encoder attention in BF16, the fastest framework of each shape."""
    found = read(
        data, gpu, "encoder_attention", "encoder_attention_perf",
        batch_size=(1, 2, 4, 8, 16, 32, 64), isl=SEQUENCES, num_heads=HEADS, head_dim=(64, 80),
        attn_dtype=("bfloat16",),
    )  # fmt: skip
    rows = np.array([(*key[:4], min(times.values())) for key, times in found.items()], float)
    return Rows(find_gpu(gpu), "attention", "fp16", rows[:, :4], rows[:, 4], np.zeros(len(rows)))


def read_gemm(data: Path, gpu: str, precision: str, memory: MemoryRates) -> Rows:
    """Products of N and K within a factor of 4, with what their rows spend on quantising the activation.

    BF16 rows are the product alone. FP8 rows of TensorRT-LLM and vLLM also find the scale and quantise: both
    are measured alone in the same framework (``quantize/``). NVFP4 rows also quantise: priced as a kernel
    that reads 2 bytes an element and writes 9/16.
    """
    found = read(
        data, gpu, "gemm", "gemm_perf", gemm_dtype=(DTYPES[precision],), m=ROWS, n=COLUMNS, k=COLUMNS
    )
    scales = read(data, gpu, "quantize", "computescale_perf", m=ROWS, k=COLUMNS) if precision == "fp8" else {}
    casts = read(data, gpu, "quantize", "scale_matrix_perf", m=ROWS, k=COLUMNS) if precision == "fp8" else {}
    spec, rows = find_gpu(gpu), []
    for (_, m, n, k), times in found.items():
        if max(n, k) > 4 * min(n, k):
            continue
        if precision == "fp16":
            rows.append((m, n, k, min(times.values()), 0.0))
        elif precision == "fp4":
            moved = np.array([(2 + OPERAND_BYTES["fp4"]) * m * k])
            # What the product moves comes between two quantisations of the same activation.
            distance = moved + 2 * m * n + OPERAND_BYTES["fp4"] * n * k
            extra = pointwise_us(moved, moved * miss_share(distance, spec, memory), spec, memory)[0]
            rows.append((m, n, k, min(times.values()), extra))
        elif row := _fp8_row(times, scales.get((m, k), {}), casts.get((m, k), {})):
            # Beyond L2, the scale's own rows are differences of long times, and often 0.
            rows += [(m, n, k, *row)] * (3 * m * k < 0.6 * spec.l2_bytes)
    table = np.array(rows, float)
    table = table[table[:, 4] < MOST_QUANTIZING * table[:, 3]]
    return Rows(spec, "gemm", precision, table[:, :3], table[:, 3], table[:, 4])


def _fp8_row(
    times: dict[str, float], scale: dict[str, float], cast: dict[str, float]
) -> tuple[float, float] | None:
    """Total time and the quantising in it, of the framework whose product alone is fastest."""
    known = [
        (times[name] - scale[name] - cast[name], times[name], scale[name] + cast[name])
        for name in ("trtllm", "vllm")
        if name in times and scale.get(name, 0) > 0.05 and name in cast
    ]
    return min(known)[1:] if known else None


# --- predicting what was measured -----------------------------------------------------------------


def predict(rows: Rows, rates: Any, memory: MemoryRates) -> Array:
    """Predicted times of ``rows`` in us, quantising included; activations are warm, weights cold."""
    gpu = rows.gpu
    if rows.kind == "pointwise":
        moved = 3 * rows.shape[:, 0] * rows.shape[:, 1]
        return pointwise_us(moved, moved * miss_share(moved, gpu, rates), gpu, rates)
    if rows.kind == "attention":
        batch, sequence, heads, width = rows.shape.T
        moved = 4 * 2 * batch * sequence * heads * width
        dram = moved * miss_share(moved, gpu, memory)
        work = AttentionWork(batch * heads, sequence, sequence, width, moved, dram)
        return attention_time(work, gpu.rate("fp16"), gpu, rates, memory).total_us
    m, n, k = rows.shape.T
    size = OPERAND_BYTES[rows.precision]
    warm, cold = m * k * size + m * n * 2, n * k * size
    dram = cold + warm * miss_share(warm + cold, gpu, memory)
    work = GemmWork(m, n, k, np.full_like(m, size), np.full_like(m, 2.0), dram)
    return gemm_time(work, gpu.rate(rows.precision), gpu, rates, memory).total_us + rows.quantizing_us


def fit(
    model: type[Rates], limits: Limits, rows: Rows, memory: MemoryRates | None, start: Rates | None = None
) -> Rates:
    """Rates that make the logarithm of the times fit; outliers count less than their square."""
    names = list(model.model_fields)
    low, high = np.log(limits.low), np.log(limits.high)
    first = np.log([getattr(start, name) for name in names] if start else limits.start)

    def rates(logs: Array) -> Rates:
        return model(**dict(zip(names, map(float, np.minimum(np.exp(logs), limits.high)), strict=True)))

    def residuals(logs: Array) -> Array:
        found = rates(logs)
        return np.log(predict(rows, found, memory or found) / rows.measured_us)  # type: ignore[arg-type]

    margin = 1e-6 * (high - low)
    solved = least_squares(
        residuals, np.clip(first, low + margin, high - margin), bounds=(low, high),
        loss="soft_l1", f_scale=0.1, diff_step=1e-3, max_nfev=20 if start else 60,
    )  # fmt: skip
    return rates(solved.x)


# --- held out -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeldOut:
    """Predictions of rows that the rates had not seen; ``split`` is shape, family or gpu."""

    split: str
    rows: Rows
    predicted_us: Array

    @property
    def ratios(self) -> Array:
        """Measured over predicted."""
        return self.rows.measured_us / self.predicted_us


def folds_by_shape(rows: Rows) -> Iterator[NDArray[np.bool_]]:
    """Kernels of the same weights (N and K), or of the same sequence, are in one fold."""
    columns = {"gemm": (1, 2), "attention": (1,), "pointwise": (1,)}[rows.kind]
    _, group = np.unique(rows.shape[:, columns], axis=0, return_inverse=True)
    fold = np.random.default_rng(0).permutation(group.max() + 1)[group.ravel()] % FOLDS
    return (fold == number for number in range(FOLDS))


def folds_by_family(rows: Rows) -> Iterator[NDArray[np.bool_]]:
    """All four products of a width (or its heads, or its activations) are left out together."""
    if rows.kind == "attention":
        width = rows.shape[:, 2] * rows.shape[:, 3]
        return (width == each for each in np.unique(width)[::4])
    if rows.kind == "pointwise":
        return (rows.shape[:, 1] == each for each in WIDTHS)
    return (in_family(rows, width) for width in WIDTHS)


def in_family(rows: Rows, width: int) -> NDArray[np.bool_]:
    """Whether N and K are those of QKV, the projection or the MLP of a transformer of this width."""
    pairs = [(width, width), (3 * width, width), (4 * width, width), (width, 4 * width)]
    return np.any([(rows.shape[:, 1] == n) & (rows.shape[:, 2] == k) for n, k in pairs], axis=0)


def cross_validate(
    model: type[Rates], limits: Limits, rows: Rows, memory: MemoryRates | None, full: Rates
) -> Iterator[HeldOut]:
    """Predictions by shape and by family."""
    for split, folds in (("shape", folds_by_shape(rows)), ("family", folds_by_family(rows))):
        for held_out in folds:
            if not held_out.any():
                continue
            rates = fit(model, limits, rows[~held_out], memory, full)
            yield HeldOut(split, rows[held_out], predict(rows[held_out], rates, memory or rates))  # type: ignore[arg-type]


def block_ratios(held_out: list[HeldOut]) -> dict[str, Array]:
    """By GPU: measured over predicted for the sum of a width's products at each M."""
    by_gpu: dict[str, list[float]] = {}
    for gpu in dict.fromkeys(each.rows.gpu.name for each in held_out):
        parts = [each for each in held_out if each.rows.gpu.name == gpu]
        shape = np.concatenate([part.rows.shape for part in parts])
        times = np.concatenate([np.c_[part.rows.measured_us, part.predicted_us] for part in parts])
        whole = Rows(parts[0].rows.gpu, "gemm", "", shape, times[:, 0], times[:, 1])
        for width in WIDTHS:
            family = in_family(whole, width)
            for m in np.unique(shape[family, 0]):
                chosen = family & (shape[:, 0] == m)
                if chosen.sum() >= 3:
                    by_gpu.setdefault(gpu, []).append(times[chosen, 0].sum() / times[chosen, 1].sum())
    return {gpu: np.array(ratios) for gpu, ratios in by_gpu.items()}


def ratios_by_gpu(held_out: list[HeldOut]) -> dict[str, Array]:
    """Measured over predicted of single kernels."""
    names = dict.fromkeys(each.rows.gpu.name for each in held_out)
    return {
        name: np.concatenate([each.ratios for each in held_out if each.rows.gpu.name == name])
        for name in names
    }


def bounds_of(held_out: list[HeldOut]) -> ErrorBounds:
    """Errors of one kernel, and bounds for it and for a block's sum that hold on every GPU among the rows."""
    kernels = ratios_by_gpu(held_out)
    blocks = block_ratios(held_out) if held_out[0].rows.kind == "gemm" else {}
    totals = {
        gpu: blocks[gpu] if len(blocks.get(gpu, ())) >= FEWEST_BLOCKS else kernels[gpu] for gpu in kernels
    }
    off = 100 * np.abs(1 / np.concatenate(list(kernels.values())) - 1)
    return ErrorBounds(
        median_pct=float(np.median(off)),
        p90_pct=float(np.quantile(off, 0.9)),
        kernel=worst_of(kernels.values()),
        total=worst_of(totals.values()),
    )


# --- all of it ------------------------------------------------------------------------------------


@dataclass
class Fit:
    """Everything that is written."""

    gpus: dict[str, dict[str, Any]]
    held_out: list[HeldOut]


def fit_all(data: Path) -> Fit:
    """Fit every measured GPU, then predict each with the rates of its stand-in."""
    gpus: dict[str, dict[str, Any]] = {}
    held_out: list[HeldOut] = []
    seen: list[tuple[Rows, Any]] = []
    for gpu in FOLDERS:
        ours, theirs = read_pointwise(data, gpu)
        memory = fit(MemoryRates, MEMORY, ours, None)
        held_out += cross_validate(MemoryRates, MEMORY, ours, None, memory)
        # Another implementation of the same kernel: that TensorRT writes its own is part of the error.
        held_out.append(HeldOut("shape", theirs, predict(theirs, memory, memory)))
        attention = read_attention(data, gpu)
        gpus[gpu] = {
            "memory": memory,
            "gemm": {},
            "attention": fit(AttentionRates, ATTENTION, attention, memory),
        }
        held_out += cross_validate(AttentionRates, ATTENTION, attention, memory, gpus[gpu]["attention"])
        seen += [(ours, None), (theirs, None), (attention, None)]
        for precision in precisions_of(gpu):
            rows = read_gemm(data, gpu, precision, memory)
            rates = fit(GemmRates, GEMM, rows, memory)
            gpus[gpu]["gemm"][precision] = rates
            held_out += cross_validate(GemmRates, GEMM, rows, memory, rates)
            seen.append((rows, rates))
        print(
            f"{gpu}: {sum(len(r.measured_us) for r, _ in seen if r.gpu.name == gpu)} kernels, "
            f"{time.process_time():.0f} s"
        )
    held_out += [_left_out(rows, gpus) for rows, _ in seen]
    return Fit(gpus, held_out)


def precisions_of(gpu: str) -> tuple[str, ...]:
    """Precisions that a GPU has tensor cores for."""
    return tuple(precision for precision in DTYPES if precision in find_gpu(gpu).flop_per_clock_sm)


def _left_out(rows: Rows, gpus: dict[str, dict[str, Any]]) -> HeldOut:
    stand_ins = FP4_STAND_INS if rows.precision == "fp4" else STAND_INS
    other = gpus[stand_ins[rows.gpu.name]]
    rates = {"pointwise": other["memory"], "attention": other["attention"]}.get(rows.kind) or other["gemm"][
        rows.precision
    ]
    return HeldOut("gpu", rows, predict(rows, rates, other["memory"]))


def errors(found: Fit, own_splits: tuple[str, ...] = ("shape", "family")) -> dict[str, Any]:
    """Bounds of each measured GPU on its own held-out kernels, then of GPUs predicted with another's rates.

    ``own_splits``: the bounds hold in each of these.
    """
    keys = list(dict.fromkeys(each.rows.key for each in found.held_out))
    own: dict[str, dict[str, Any]] = {gpu: {} for gpu in FOLDERS}
    borrowed: dict[str, dict[str, Any]] = {"same_chip": {}, "unmeasured": {}}
    for key in keys:
        kernels = [each for each in found.held_out if each.rows.key == key]
        for gpu in FOLDERS:
            splits = [[e for e in kernels if (e.split, e.rows.gpu.name) == (s, gpu)] for s in own_splits]
            if all(splits):
                own[gpu][key] = reduce(ErrorBounds.widened_to, map(bounds_of, splits))
        left_out = [e for e in kernels if e.split == "gpu"]
        borrowed["unmeasured"][key] = bounds_of(left_out)
        # No two boards of one chip have FP4: for these, what FP8 shows.
        same = [e for e in left_out if e.rows.gpu.name in SAME_CHIP]
        borrowed["same_chip"][key] = bounds_of(same) if same else borrowed["same_chip"]["gemm fp8"]
    return {"own": own, **borrowed}


# --- writing --------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Models as mappings, numbers with four digits."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write_fitted(found: Fit, path: Path) -> None:
    """Write the rates and errors that the package reads."""
    bounds = errors(found)
    own = bounds["own"]
    document = {
        "source": SOURCE,
        "licence": "Apache-2.0",
        "coverage": COVERAGE,
        "gpus": plain({gpu: {**rates, "errors": own[gpu]} for gpu, rates in found.gpus.items()}),
        "same_chip": plain(bounds["same_chip"]),
        "unmeasured": plain(bounds["unmeasured"]),
    }
    head = "# Written by docs/benchmarks/fit_cost_model.py: do not edit. docs/prediction.md explains it.\n"
    path.write_text(head + yaml.safe_dump(document, sort_keys=False, width=110), encoding="utf-8")


def write_sample(held_out: list[HeldOut], path: Path, rows: int = 25) -> None:
    """Write a few held-out kernels of every GPU, precision and split, drawn at random."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["split", "gpu", "kind", "precision", "shape", "measured_us", "predicted_us"])
        groups: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
        for each in held_out:
            for shape, measured, predicted in zip(
                each.rows.shape, each.rows.measured_us, each.predicted_us, strict=True
            ):
                groups.setdefault((each.split, each.rows.gpu.name, each.rows.key), []).append(
                    ("x".join(f"{size:.0f}" for size in shape), f"{measured:.4g}", f"{predicted:.4g}")
                )
        for (split, gpu, key), found in groups.items():
            for index in sorted(rng.choice(len(found), min(rows, len(found)), replace=False)):
                writer.writerow([split, gpu, *key.split(), *found[index]])


SPLITS = {"shape": "held-out shapes", "family": "held-out model widths", "gpu": "GPU left out"}


def tables(held_out: list[HeldOut]) -> str:
    """Errors by split, and by GPU, as Markdown."""
    keys = list(dict.fromkeys(each.rows.key for each in held_out))
    lines = ["| kernels | " + " | ".join(f"{words}: median, p90" for words in SPLITS.values()) + " |"]
    lines += ["|---|" + "---|" * len(SPLITS)]
    for key in keys:
        cells = [_cell([e for e in held_out if e.split == split and e.rows.key == key]) for split in SPLITS]
        lines.append(f"| {key} | {' | '.join(cells)} |")
    lines += [
        "",
        "| GPU | kernels | rows | held-out shapes: median, p90, bias | predicted with "
        "| GPU left out: median, p90, bias |",
    ]
    lines += ["|---|---|---|---|---|---|"]
    for gpu in FOLDERS:
        for key in keys:
            own = [e for e in held_out if e.rows.gpu.name == gpu and e.rows.key == key]
            shape, left = ([e for e in own if e.split == split] for split in ("shape", "gpu"))
            if own:
                stand_in = (FP4_STAND_INS if "fp4" in key else STAND_INS)[gpu]
                count = sum(len(e.ratios) for e in shape)
                lines.append(
                    f"| {gpu} | {key} | {count} | {_cell(shape, True)} | {stand_in} | {_cell(left, True)} |"
                )
    return "\n".join(lines)


def coverage_table(found: Fit) -> str:
    """How many kernels lie within intervals that were made without them, as Markdown."""
    own = errors(found, ("shape",))["own"]
    lines = [
        "| GPU | kernels | widths held out, interval from held-out shapes "
        "| GPU left out, interval from the other GPUs |",
        "|---|---|---|---|",
    ]
    for key in dict.fromkeys(each.rows.key for each in found.held_out):
        kernels = [each for each in found.held_out if each.rows.key == key]
        left_out = ratios_by_gpu([each for each in kernels if each.split == "gpu"])
        for gpu, ratios in left_out.items():
            widths = np.concatenate(
                [e.ratios for e in kernels if (e.split, e.rows.gpu.name) == ("family", gpu)]
            )
            others = worst_of(each for other, each in left_out.items() if other != gpu)
            lines.append(
                f"| {gpu} | {key} | {_within(widths, own[gpu][key].kernel)} | {_within(ratios, others)} |"
            )
    return "\n".join(lines)


def _within(ratios: Array, bounds: Bounds) -> str:
    return f"{100 * np.mean((ratios >= bounds.low) & (ratios <= bounds.high)):.0f} %"


def _cell(held_out: list[HeldOut], bias: bool = False) -> str:
    if not held_out:
        return "-"
    off = np.concatenate([each.predicted_us / each.rows.measured_us for each in held_out]) - 1
    text = f"{100 * np.median(np.abs(off)):.1f} %, {100 * np.quantile(np.abs(off), 0.9):.0f} %"
    return f"{text}, {100 * np.median(off):+.0f} %" if bias else text


COLOURS = {
    "gemm fp16": "#1f77b4",
    "gemm fp8": "#2ca02c",
    "gemm fp4": "#d62728",
    "attention fp16": "#9467bd",
    "pointwise any": "#8c564b",
}


def write_plot(held_out: list[HeldOut], path: Path) -> None:
    """Write the share of kernels within each error: held-out shapes solid, left-out GPUs dashed."""
    left, bottom, width, height, most = 50, 250, 420, 220, 60
    percents = np.arange(0, most + 1)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="640" height="300" fill="white"/>',
    ]
    for share in (0, 25, 50, 75, 90, 100):
        y = bottom - height * share / 100
        parts.append(f'<line x1="{left}" y1="{y}" x2="{left + width}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{share} %</text>')
    for percent in range(0, most + 1, 10):
        x = left + width * percent / most
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{percent} %</text>')
    parts.append(
        f'<text x="{left + width / 2}" y="{bottom + 36}" text-anchor="middle">'
        "error of the predicted time</text>"
    )
    for row, (key, colour) in enumerate(COLOURS.items()):
        for split, dash in (("shape", ""), ("gpu", ' stroke-dasharray="4 3"')):
            off = [np.abs(1 / e.ratios - 1) for e in held_out if e.split == split and e.rows.key == key]
            shares = [np.mean(np.concatenate(off) * 100 <= percent) for percent in percents]
            points = " ".join(
                f"{left + width * p / most:.1f},{bottom - height * s:.1f}"
                for p, s in zip(percents, shares, strict=True)
            )
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>'
            )
        parts.append(f'<text x="{left + width + 20}" y="{60 + 18 * row}" fill="{colour}">{key}</text>')
    parts.append(f'<text x="{left + width + 20}" y="170">solid: held-out shapes</text>')
    parts.append(f'<text x="{left + width + 20}" y="186">dashed: GPU left out</text></svg>')
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def write_between(path: Path, marker: str, text: str) -> None:
    """Replace what stands between ``<!-- marker -->`` and ``<!-- end marker -->``."""
    page = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end {marker} -->)", re.DOTALL)
    path.write_text(pattern.sub(lambda match: f"{match[1]}{text}\n{match[2]}", page), encoding="utf-8")


def data_folder(words: list[str]) -> Path:
    """Where the tables are: in the unpacked wheel that was named, else in the installed package."""
    if words:
        return Path(words[0]) / "aiconfigurator_core" / "systems" / "data"
    import aiconfigurator_core

    return Path(aiconfigurator_core.__file__).parent / "systems" / "data"


def main() -> None:
    """Fit, and write all files."""
    root = Path(__file__).resolve().parents[2]
    found = fit_all(data_folder(sys.argv[1:]))
    write_fitted(found, root / "trtbench" / "predict" / "fitted.yaml")
    write_sample(found.held_out, root / "docs" / "benchmarks" / "prediction_held_out.csv")
    write_plot(found.held_out, root / "docs" / "benchmarks" / "prediction_errors.svg")
    write_between(root / "docs" / "prediction.md", "errors", tables(found.held_out))
    write_between(root / "docs" / "prediction.md", "coverage", coverage_table(found))
    print(tables(found.held_out), coverage_table(found), sep="\n\n")


if __name__ == "__main__":
    main()
