"""Compare the cost model with kernels and whole Vision Transformers that were timed on an NVIDIA H200.

    python docs/benchmarks/check_h200.py

It reads what the scripts under ``docs/benchmarks/h200`` wrote, and writes tables into
docs/results/prediction_errors.md, between the markers.
A model is predicted from the list of its kernels, at the SM clock that was seen, and
none of its own times is used. Where torch runs kernels that no compiler would (its LayerNorm, cuDNN's patch
embedding with its reordered images), their rates come from the same kernels timed alone at other sizes.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from arguments import parse
from cost_model_report import Curve, write_between, write_curves
from cost_model_rows import (
    EAGER,
    GELU,
    GENERATED,
    H200,
    Array,
    Rows,
    predict,
    read_timed,
    timed_attention,
    timed_gemm,
    timed_pointwise,
)
from scipy.optimize import nnls

from trtbench.audit.kernel_shapes import tensor_bytes
from trtbench.predict.engine import predict_engine
from trtbench.predict.fitted import calibration_of
from trtbench.predict.gpus import find_gpu
from trtbench.results import Audit, AuditedLayer, LayerTensor

PAGE = Path(__file__).resolve().parents[1] / "results" / "prediction_errors.md"
Terms = Callable[[Array], Array]
"""What a time is proportional to, by rows and columns, or M, N and K: one row a kernel."""

CONVOLUTIONS = ("conv2d", "convolution", "Conv")
ELEMENTS: Terms = lambda s: np.c_[np.ones(len(s)), s[:, 0] * s[:, 1]]  # noqa: E731
OWN_KERNELS: dict[str, tuple[str, Terms]] = {
    "layer_norm": ("norm", lambda s: np.c_[np.ones(len(s)), s[:, 0], s[:, 0] * s[:, 1]]),
    "mul": ("scale", ELEMENTS),
    "cat": ("concatenate", ELEMENTS),
    "convolution": (
        "patch embedding",
        # Weights, images and results are reordered, each by a kernel of its own.
        lambda s: np.c_[np.ones(len(s)), s[:, [1, 0, 0]] * s[:, [2, 2, 1]], np.prod(s, axis=1)],
    ),
}
"""Operations of torch whose kernels are unlike a compiler's: the kind they were timed as, and their terms."""


# --- kernels --------------------------------------------------------------------------------------


def kernel_table() -> Iterator[str]:
    """Errors of the package's rates on kernels timed alone."""
    calibration = calibration_of(find_gpu("h200"))
    rates, memory = calibration.rates, calibration.rates.memory
    yield "| kernels | how many | median error | p90 | bias |"
    yield "|---|---|---|---|---|"
    movers = [
        (f"{name}, {where}", timed_pointwise({kind: moved}, file), memory)
        for where, file, kinds in (
            ("generated", "compiled_kernels.csv", {**GENERATED, **GELU}),
            ("torch's", "kernels.csv", {**EAGER, **GELU}),
        )
        for kind, moved in kinds.items()
        for name in [" ".join(kind)]
    ]
    products: list[tuple[str, Rows, Any]] = [
        (f"products in {precision.upper()}, cuBLAS", timed_gemm(precision), rates.gemm[precision])
        for precision in ("fp16", "fp8")
    ]
    fused = [("attention, the fastest of torch's", timed_attention(), rates.attention)]
    for name, rows, own in (*products, *fused, *movers):
        off = predict(rows, own, memory, calibration.gelu_clocks) / rows.measured_us - 1
        median, p90 = np.quantile(np.abs(off), (0.5, 0.9))
        yield f"| {name} | {len(off)} | {_pct(median)} | {_pct(p90)} | {_pct(np.median(off), '+')} |"


def _pct(share: Any, sign: str = "") -> str:
    return f"{100 * float(share):{sign}.0f} %"


# --- whole models ---------------------------------------------------------------------------------


def audit_of(operations: list[dict[str, Any]]) -> Audit:
    """The kernels of a model as those of an engine."""
    layers = tuple(layer_of(number, each) for number, each in enumerate(operations))
    return Audit(
        recipe=None, backend="torch", layers=layers, by_role=(), onnx_flops=0, compiled_flops=1,
        analytic_flops=None, gemm_flops_share={}, attention_precision=None, gemm_kernels=0,
        attention_kernels=0, quantize_kernels=0, other_kernels=0, other_bytes=0, findings=(),
    )  # fmt: skip


def layer_of(number: int, operation: dict[str, Any]) -> AuditedLayer:
    """One kernel: its tensors by the memory that they lie in, so that what is used again is known."""
    kind, sizes = kind_of(operation)
    inputs = _tensors(operation["inputs"], weights=False)
    constants = _tensors(operation["inputs"], weights=True)
    outputs = _tensors(operation["outputs"], weights=False)
    if kind == "attention":
        outputs = (outputs[0].model_copy(update={"dimensions": tuple(operation["inputs"][0][1])}),)
    m, n, k = sizes if kind in ("gemm", "conv") else (None, None, None)
    return AuditedLayer(
        name=f"{number} {operation['op']}", role=kind, op=kind, block=None,
        precision_in="fp16", precision_out="fp16", m=m, n=n, k=k,
        flops=4 * math.prod(sizes) if kind == "attention" else 0,
        bytes=sum(map(tensor_bytes, (*inputs, *constants, *outputs))),
        inputs=inputs, constants=constants, outputs=outputs,
    )  # fmt: skip


def kind_of(operation: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    """Kind of kernel, and M, N and K; or heads, queries, keys and head width."""
    name, shapes = operation["op"], [shape for _, shape, _, _ in operation["inputs"]]
    if name == "linear":
        return "gemm", (math.prod(shapes[0][:-1]), *shapes[1])
    if name in ("Gemm", "MatMul"):
        return "gemm", (math.prod(shapes[0][:-1]), operation["outputs"][0][1][-1], shapes[0][-1])
    if name in ("addmm", "mm"):
        rows, weights = shapes[-2:]
        return "gemm", (rows[0], weights[1], weights[0])
    if "attention" in name:
        batch, heads, sequence, width = shapes[0]
        return "attention", (batch * heads, sequence, sequence, width)
    if name in CONVOLUTIONS:
        weights, made = shapes[1], operation["outputs"][0][1]
        return "conv", (math.prod(made) // made[1], weights[0], math.prod(weights[1:]))
    words = {"gelu": "gelu", "layer_nor": "norm", "Gelu": "gelu", "LayerNormalization": "norm"}
    return next((kind for word, kind in words.items() if word in name), "pointwise"), ()


def _tensors(described: list[list[Any]], weights: bool) -> tuple[LayerTensor, ...]:
    elements: dict[int, int] = {}
    for memory, shape, _, is_weight in described:
        if is_weight is weights:
            elements[memory] = elements.get(memory, 0) + math.prod(shape)
    return tuple(
        LayerTensor(name=str(memory), dimensions=(count,), strides=(1,), dtype="Half", format="")
        for memory, count in elements.items()
    )


def own_rates() -> dict[str, Array]:
    """Coefficients of torch's own kernels, from the same kernels timed alone: least relative errors."""
    found = {}
    for operation, (kind, terms) in OWN_KERNELS.items():
        rows = [(*shape, us) for each, _, shape, us in read_timed("kernels.csv") if each == kind]
        table = np.array(rows, float)
        found[operation] = nnls(terms(table[:, :-1]) / table[:, -1:], np.ones(len(table)))[0]
    return found


def own_us(operation: dict[str, Any], rates: dict[str, Array]) -> float | None:
    """Time of a kernel of torch's own; None of any other."""
    name = operation["op"]
    if name in CONVOLUTIONS:
        name, sizes = "convolution", kind_of(operation)[1]
    else:
        shape = operation["outputs"][0][1]
        sizes = (math.prod(shape[:-1]), shape[-1])
    if name not in rates:
        return None
    return float((OWN_KERNELS[name][1](np.array([sizes], float)) @ rates[name])[0])


@dataclass(frozen=True)
class TimedModel:
    """A whole model: words for it, batch, SM clock, and its times."""

    name: str
    batch: int
    clock_mhz: int
    measured_us: float
    predicted_us: float

    @property
    def off(self) -> float:
        """Relative error of the prediction."""
        return self.predicted_us / self.measured_us - 1


def timed_models(file: str) -> list[TimedModel]:
    """Whole models, predicted from their kernels."""
    rates, found = own_rates(), []
    for model in json.loads((H200 / file).read_text(encoding="utf-8"))["models"]:
        prediction = predict_engine(
            audit_of(model["operations"]), find_gpu("h200", model["clock_mhz"]), model["batch"]
        )
        total_us = 0.0
        for operation, layer in zip(model["operations"], prediction.layers, strict=True):
            total_us += own_us(operation, rates) or 1e3 * layer.predicted_ms
        words = "".join(f" {key}={value}" for key, value in model["overrides"].items())
        name = model["model"] + words
        found.append(TimedModel(name, model["batch"], model["clock_mhz"], model["us"], total_us))
    return found


def model_table(models: list[TimedModel]) -> Iterator[str]:
    """Predicted beside measured."""
    yield "| model | batch | SM clock | measured us | predicted us | error |"
    yield "|---|---|---|---|---|---|"
    for each in models:
        yield (
            f"| {each.name} | {each.batch} | {each.clock_mhz} | {each.measured_us:.0f} "
            f"| {each.predicted_us:.0f} | {_pct(each.off, '+')} |"
        )
    offs = [each.off for each in models]
    size = np.abs(offs)
    yield ""
    yield (
        f"Median error {_pct(np.median(size))}, 90th percentile {_pct(np.quantile(size, 0.9))}, "
        f"bias {_pct(np.median(offs), '+')}; {np.sum(size <= 0.1)} of {len(size)} within 10 %."
    )


FILES = {
    "compiled": ("compiled_models.json", "#1f77b4"),
    "eager": ("models.json", "#2ca02c"),
    "onnxruntime": ("onnxruntime_models.json", "#d62728"),
}


def main() -> None:
    """Write the tables, and a picture of the errors."""
    parse(__doc__)
    tables = {"h200 kernels": kernel_table()}
    curves = []
    for word, (file, colour) in FILES.items():
        models = timed_models(file)
        tables[f"h200 {word}"] = model_table(models)
        curves.append(Curve(f"{word}, {len(models)}", colour, np.abs([each.off for each in models])))
    write_curves(curves, ("whole models, measured", "on an H200"), H200.parent / "h200_errors.svg")
    for marker, lines in tables.items():
        text = "\n".join(lines)
        print(f"{text}\n")
        write_between(PAGE, marker, text)


if __name__ == "__main__":
    main()
