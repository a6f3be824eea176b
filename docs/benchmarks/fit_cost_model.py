"""Fit the cost model of trtbench.predict to published kernel times, and say how wrong it is.

Run from the repository's root, after ``uv sync --extra fit``:

    python docs/benchmarks/fit_cost_model.py

or with the wheel of aiconfigurator-core 0.12.0 (Apache-2.0) unpacked in a folder:

    python docs/benchmarks/fit_cost_model.py FOLDER

It takes about two minutes of processor time and writes

    trtbench/predict/fitted.yaml              the rates, and held-out errors
    docs/benchmarks/prediction_held_out.csv   a sample of held-out predictions beside what was measured
    docs/benchmarks/prediction_errors.svg     shares of kernels by error
    docs/results/prediction_errors.md         its tables, between the markers

No published time of a Vision Transformer is used: those are for check_cost_model.py.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from cost_model_errors import FP4_STAND_INS, STAND_INS, HeldOut, errors, folds_by_family, folds_by_shape
from cost_model_report import coverage_table, tables, write_between, write_plot, write_sample
from cost_model_rows import (
    DTYPES,
    EAGER,
    FOLDERS,
    GELU,
    GENERATED,
    Array,
    Rows,
    predict,
    read_attention,
    read_gemm,
    read_pointwise,
    timed_attention,
    timed_gemm,
    timed_pointwise,
    together,
)
from pydantic import BaseModel
from scipy.optimize import least_squares

from trtbench.predict.attention import AttentionRates
from trtbench.predict.gemm import GemmRates
from trtbench.predict.gpus import find_gpu
from trtbench.predict.intervals import COVERAGE
from trtbench.predict.memory import MemoryRates

Rates = TypeVar("Rates", bound=BaseModel)
SOURCE = (
    "aiconfigurator-core 0.12.0 (PyPI), measured kernel times of TensorRT-LLM 1.3.0rc20, vLLM 0.24.0 "
    "and SGLang 0.5.14; H200: also torch 2.11 kernels, docs/benchmarks/h200"
)


@dataclass(frozen=True)
class Limits:
    """Where a fit starts, and how far it may go; the rates in the order of the model's fields."""

    start: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


MEMORY = Limits((1.5, 15, 0.85, 0.7, 0.4), (0.3, 2, 0.4, 0.05, 0.05), (6, 100, 1, 1.2, 1.5))
GEMM = Limits((0.8, 60, 30, 1500, 0.5, 2), (0.2, 8, 3, 50, 0.02, 0.3), (1, 1000, 1000, 20000, 1, 12))
ATTENTION = Limits((0.6, 1, 1500, 0.5, 3), (0.1, 0.3, 20, 0.02, 0.3), (1, 20, 30000, 1, 15))


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


@dataclass
class Fit:
    """Everything that is written."""

    gpus: dict[str, dict[str, Any]]
    gelu_clocks: float
    held_out: list[HeldOut]


def fit_all(data: Path) -> Fit:
    """Fit every measured GPU, then predict each with the rates of its stand-in."""
    gpus: dict[str, dict[str, Any]] = {}
    held_out: list[HeldOut] = []
    published: list[Rows] = []
    for gpu in FOLDERS:
        started = time.process_time()
        ours, theirs = read_pointwise(data, gpu)
        movers = with_timed(ours, timed_pointwise(GENERATED, "compiled_kernels.csv"))
        movers = with_timed(movers, timed_pointwise(EAGER, "kernels.csv"))
        memory = fit(MemoryRates, MEMORY, movers, None)
        held_out.append(HeldOut("fit", movers, predict(movers, memory, memory)))
        held_out += cross_validate(MemoryRates, MEMORY, movers, None, memory)
        # Another implementation of the same kernel: that TensorRT writes its own is part of the error.
        held_out.append(HeldOut("shape", theirs, predict(theirs, memory, memory)))
        attention = read_attention(data, gpu)
        published += [ours, theirs, attention]
        attention = with_timed(attention, timed_attention())
        rates = fit(AttentionRates, ATTENTION, attention, memory)
        held_out.append(HeldOut("fit", attention, predict(attention, rates, memory)))
        held_out += cross_validate(AttentionRates, ATTENTION, attention, memory, rates)
        gpus[gpu] = {"memory": memory, "gemm": {}, "attention": rates}
        for precision in precisions_of(gpu):
            rows = read_gemm(data, gpu, precision, memory)
            published.append(rows)
            if precision in ("fp16", "fp8"):
                rows = with_timed(rows, timed_gemm(precision))
            found = fit(GemmRates, GEMM, rows, memory)
            gpus[gpu]["gemm"][precision] = found
            held_out.append(HeldOut("fit", rows, predict(rows, found, memory)))
            held_out += cross_validate(GemmRates, GEMM, rows, memory, found)
        print(f"{gpu}: {time.process_time() - started:.0f} s")
    held_out += [_left_out(rows, gpus) for rows in published]
    clocks, others = fit_gelu(gpus["h200"]["memory"])
    return Fit(gpus, clocks, [*held_out, others])


def with_timed(rows: Rows, timed: Rows) -> Rows:
    """Published kernels and, on the GPU that they were timed on, our own."""
    return together(rows, timed) if rows.gpu.name == timed.gpu.name else rows


def fit_gelu(memory: MemoryRates) -> tuple[float, HeldOut]:
    """Clocks of an SM for the GELU of one element, from generated kernels, and those of torch held out."""
    generated, eager = timed_pointwise(GELU, "compiled_kernels.csv"), timed_pointwise(GELU, "kernels.csv")

    def residuals(logs: Array) -> Array:
        found = predict(generated, memory, memory, float(np.exp(logs[0])))
        return np.asarray(np.log(found / generated.measured_us))

    clocks = float(np.exp(least_squares(residuals, [np.log(0.3)], loss="soft_l1", f_scale=0.1).x[0]))
    return clocks, HeldOut("shape", eager, predict(eager, memory, memory, clocks))


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


def plain(value: Any) -> Any:
    """Models as mappings, numbers with four digits."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write_fitted(found: Fit, path: Path) -> None:
    """Write the rates and errors that the package reads."""
    bounds = errors(found.held_out)
    own = bounds["own"]
    document = {
        "source": SOURCE,
        "licence": "Apache-2.0",
        "coverage": COVERAGE,
        "gelu_clocks": plain(found.gelu_clocks),
        "gpus": plain({gpu: {**rates, "errors": own[gpu]} for gpu, rates in found.gpus.items()}),
        "same_chip": plain(bounds["same_chip"]),
        "unmeasured": plain(bounds["unmeasured"]),
    }
    head = "# Written by docs/benchmarks/fit_cost_model.py; docs/explanation/prediction.md explains it.\n"
    path.write_text(head + yaml.safe_dump(document, sort_keys=False, width=110), encoding="utf-8")


def data_folder(wheel: Path | None) -> Path:
    """Where the tables are: in the unpacked wheel that was named, else in the installed package."""
    if wheel is not None:
        return wheel / "aiconfigurator_core" / "systems" / "data"
    import aiconfigurator_core

    return Path(aiconfigurator_core.__file__).parent / "systems" / "data"


def main() -> None:
    """Fit, and write all files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="the unpacked wheel; default: the package")
    root = Path(__file__).resolve().parents[2]
    found = fit_all(data_folder(parser.parse_args().folder))
    write_fitted(found, root / "trtbench" / "predict" / "fitted.yaml")
    write_sample(found.held_out, root / "docs" / "benchmarks" / "prediction_held_out.csv")
    write_plot(found.held_out, root / "docs" / "benchmarks" / "prediction_errors.svg")
    page = root / "docs" / "results" / "prediction_errors.md"
    write_between(page, "errors", tables(found.held_out))
    write_between(page, "coverage", coverage_table(found.held_out))
    print(tables(found.held_out), coverage_table(found.held_out), sep="\n\n")


if __name__ == "__main__":
    main()
