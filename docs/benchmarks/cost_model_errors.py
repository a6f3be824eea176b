"""Errors of the cost model on kernels that its rates have not seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from cost_model_rows import FOLDERS, Array, Rows
from numpy.typing import NDArray

from trtbench.predict.fitted import ErrorBounds
from trtbench.predict.intervals import worst_of

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
FOLDS = 5
WIDTHS = (256, 512, 768, 1024, 1536)
FEWEST_BLOCKS = 19
"""Fewer sums than this have no 90 % bounds: those of single kernels, which are wider, count."""


@dataclass(frozen=True)
class HeldOut:
    """Predictions of rows: seen by the rates (``split`` is fit), or not (shape, family or gpu)."""

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


def errors(held_out: list[HeldOut], own_splits: tuple[str, ...] = ("shape", "family")) -> dict[str, Any]:
    """Bounds of each measured GPU on its own held-out kernels, then of GPUs predicted with another's rates.

    ``own_splits``: the bounds hold in each of these.
    """
    keys = list(dict.fromkeys(each.rows.key for each in held_out))
    own: dict[str, dict[str, Any]] = {gpu: {} for gpu in FOLDERS}
    borrowed: dict[str, dict[str, Any]] = {"same_chip": {}, "unmeasured": {}}
    for key in keys:
        kernels = [each for each in held_out if each.rows.key == key]
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
