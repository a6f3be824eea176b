"""A decision rule: a shallow regression tree over the sizes of models, with its error on left-out cells."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from trtbench.results import Rule, RuleError
from trtbench.specs import SweepCell

NUMBERS = ("patch", "depth", "width", "heads", "image", "batch")
WORDS = ("recipe", "runtime", "gpu")
_DEPTH = 3
_SMALLEST = 2
"""Cells at the end of a path."""
_GAIN = 0.01
"""Of all variance that a question has to explain."""
_FOLDS = 10

Array = npt.NDArray[np.float64]
Method = Literal["rule", "log-linear", "mean"]
Predict = Callable[[Array], Array]


@dataclass(frozen=True)
class _Table:
    """Cells as numbers, one column a question may be about; a word is 1 where it holds, else 0."""

    names: tuple[str, ...]
    columns: Array


@dataclass(frozen=True)
class _Node:
    """A value, or a question with what follows where the answer is at most ``threshold``, and above."""

    value: float
    count: int
    column: int = -1
    threshold: float = 0.0
    low: "_Node | None" = None
    high: "_Node | None" = None


def rule_of(cells: Sequence[SweepCell], values: Array, scale: str) -> Rule | None:
    """Fit the rule to all cells, and measure the error of rules that are fitted without a tenth of them.

    Beside it stand a linear model of the logarithms of all sizes, and the mean. None where cells are too few,
    or no question explains anything.

    Args:
        cells: their sizes, recipes and so on.
        values: the response, as a logarithm on a ``log`` scale.
        scale: ``log`` or ``linear``.
    """
    table = _table(cells)
    folds = min(_FOLDS, len(cells))
    tree = _grown(table.columns, values, _DEPTH, _GAIN * float(values.var()) * len(values))
    if tree.low is None:
        return None
    errors = tuple(
        _error(method, fit, table.columns, values, scale, folds) for method, fit in _METHODS.items()
    )
    return Rule(lines=tuple(_lines(tree, table.names, scale)), folds=folds, errors=errors)


def _table(cells: Sequence[SweepCell]) -> _Table:
    columns: dict[str, list[float]] = {}
    for name in NUMBERS:
        numbers = [getattr(cell, name) or 0 for cell in cells]
        columns |= {name: numbers} if len(set(numbers)) > 1 else {}
    for name in WORDS:
        words = [str(getattr(cell, name)) for cell in cells]
        for word in sorted(set(words))[1:]:
            columns[f"{name} is {word}"] = [float(each == word) for each in words]
    shaped = np.array(list(columns.values()), dtype=np.float64).reshape(len(columns), len(cells))
    return _Table(tuple(columns), shaped.T)


def _grown(columns: Array, values: Array, depth: int, least_gain: float) -> _Node:
    leaf = _Node(float(values.mean()), len(values))
    split = _best_split(columns, values) if depth else None
    if split is None or split[0] < least_gain:
        return leaf
    _, column, threshold = split
    is_low = columns[:, column] <= threshold
    low = _grown(columns[is_low], values[is_low], depth - 1, least_gain)
    high = _grown(columns[~is_low], values[~is_low], depth - 1, least_gain)
    return _Node(leaf.value, leaf.count, column, threshold, low, high)


def _best_split(columns: Array, values: Array) -> tuple[float, int, float] | None:
    """The question that explains most: what it gains, its column and its threshold."""
    best: tuple[float, int, float] | None = None
    total, count = float(values.sum()), len(values)
    for column in range(columns.shape[1]):
        for threshold in np.unique(columns[:, column])[:-1]:
            is_low = columns[:, column] <= threshold
            lows = int(is_low.sum())
            if min(lows, count - lows) < _SMALLEST:
                continue
            low = float(values[is_low].sum())
            gain = low**2 / lows + (total - low) ** 2 / (count - lows) - total**2 / count
            if best is None or gain > best[0]:
                best = gain, column, float(threshold)
    return best


def _fit_tree(columns: Array, values: Array) -> Predict:
    tree = _grown(columns, values, _DEPTH, _GAIN * float(values.var()) * len(values))
    return lambda asked: np.array([_followed(tree, row) for row in asked])


def _followed(node: _Node, row: Array) -> float:
    while node.low is not None and node.high is not None:
        node = node.low if row[node.column] <= node.threshold else node.high
    return node.value


def _fit_linear(columns: Array, values: Array) -> Predict:
    solved, *_ = np.linalg.lstsq(_logarithms(columns), values, rcond=None)
    return lambda asked: np.asarray(_logarithms(asked) @ solved, dtype=np.float64)


def _logarithms(columns: Array) -> Array:
    return np.hstack([np.ones((len(columns), 1)), np.log1p(columns)])


def _fit_mean(columns: Array, values: Array) -> Predict:
    return lambda asked: np.full(len(asked), values.mean())


def _error(
    method: Method,
    fit: Callable[[Array, Array], Predict],
    columns: Array,
    values: Array,
    scale: str,
    folds: int,
) -> RuleError:
    fold = np.random.default_rng(0).permutation(np.arange(len(values)) % folds)
    predicted = np.empty(len(values))
    for number in range(folds):
        is_out = fold == number
        predicted[is_out] = fit(columns[~is_out], values[~is_out])(columns[is_out])
    found, true = (np.exp(each) if scale == "log" else each for each in (predicted, values))
    off = 100 * np.abs(found - true) / np.maximum(np.abs(true), 1e-12)
    return RuleError(method=method, median_pct=float(np.median(off)), p90_pct=float(np.quantile(off, 0.9)))


_METHODS: dict[Method, Callable[[Array, Array], Predict]] = {
    "rule": _fit_tree,
    "log-linear": _fit_linear,
    "mean": _fit_mean,
}


def _lines(node: _Node, names: Sequence[str], scale: str, indent: int = 0) -> Iterator[str]:
    pad = "  " * indent
    if node.low is None or node.high is None:
        value = np.exp(node.value) if scale == "log" else node.value
        yield f"{pad}{value:.3g} ({node.count} cells)"
        return
    name = names[node.column]
    if " is " in name:
        subject, _, word = name.partition(" is ")
        asked = (f"{subject} other than {word}", f"{subject} {word}")
    else:
        asked = (f"{name} at most {node.threshold:g}", f"{name} above {node.threshold:g}")
    for words, child in zip(asked, (node.low, node.high), strict=True):
        yield f"{pad}{words}:"
        yield from _lines(child, names, scale, indent + 1)
