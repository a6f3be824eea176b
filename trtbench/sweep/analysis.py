"""Which factors of a grid a response depends on, and by how much."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from trtbench.results import Analysis, FactorShare, SweepRow
from trtbench.sweep.rule import rule_of

FACTORS = ("patch", "depth", "width", "heads", "image", "batch", "recipe", "runtime", "gpu")
RESPONSES = {
    "measured_gpu_compute_median_ms": "log",
    "measured_tflop_per_s": "log",
    "trace_busy_share": "linear",
    "predicted_gpu_compute_ms": "log",
    "predicted_tflop_per_s": "log",
    "compiled_other_bytes": "log",
}
"""Values that are analysed, and where ratios of them count."""
_FEWEST = 8
"""Cells below which there is nothing to split."""
_MOST_TERMS = 7
"""Factors, or pairs of them, up to which all orders are averaged; of more, a sample of orders."""
_SAMPLED_ORDERS = 16
_CONSTANT = 1e-9
"""Of a value: what different cells may differ by from rounding alone."""
_RIDGE = 1e-9
"""Of the number of cells."""

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Term = tuple[str, ...]
"""A factor, or a pair of them."""


def analyses_of(rows: Sequence[SweepRow]) -> tuple[Analysis, ...]:
    """One a response that enough cells have."""
    found = (analysis_of(rows, name) for name in RESPONSES)
    return tuple(each for each in found if each is not None)


def analysis_of(rows: Sequence[SweepRow], response: str) -> Analysis | None:
    """Split the variance of a response over factors and pairs of them; None where few have it, or all alike.

    A complete grid gives the shares of the analysis of variance. In an incomplete one factors are confounded,
    and what a factor adds depends on those before it: shares are means over all orders (Shapley values), so
    they still add up, with ``unexplained``, to 1.
    """
    scale = RESPONSES[response]
    kept = [row for row in rows if _is_number(row.values.get(response), scale)]
    factors = _varying(kept)
    raw = np.array([float(row.values[response] or 0) for row in kept])
    if len(kept) < _FEWEST or not factors or np.ptp(raw) <= _CONSTANT * np.abs(raw).max():
        return None
    values = np.log(raw) if scale == "log" else raw
    levels = {name: [_level(row, name) for row in kept] for name in factors}
    explained = _Explained(levels, values)
    shares = _shares(explained, factors)
    return Analysis(
        response=response,
        scale="log" if scale == "log" else "linear",
        cells=len(kept),
        combinations=math.prod(len(set(each)) for each in levels.values()),
        shares=tuple(sorted(shares, key=lambda each: -each.share)),
        unexplained=max(0.0, 1.0 - sum(each.share for each in shares)),
        effects=_effects(explained, levels, values, scale),
        rule=rule_of([row.cell for row in kept], values, scale),
    )


def _is_number(value: object, scale: str) -> bool:
    is_finite = isinstance(value, int | float) and math.isfinite(value)
    return is_finite and (scale == "linear" or float(str(value)) > 0)


def _varying(rows: Sequence[SweepRow]) -> list[str]:
    return [name for name in FACTORS if len({_level(row, name) for row in rows}) > 1]


def _level(row: SweepRow, name: str) -> str:
    return str(getattr(row.cell, name))


def _effects(
    explained: "_Explained", levels: Mapping[str, Sequence[str]], values: Array, scale: str
) -> dict[str, dict[str, float]]:
    """Mean by factor and level in a grid without gaps, by the main effects, in the order of the grid."""
    weights = explained.weights()
    middle = {name: float(each.mean()) for name, each in weights.items()}
    shares = {name: np.bincount(_codes(levels[name])) / len(values) for name in levels}
    base = float(values.mean()) - sum(float(shares[name] @ weights[name]) for name in levels)
    found: dict[str, dict[str, float]] = {}
    for name, each in levels.items():
        others = sum(middle[other] for other in levels if other != name)
        means = {
            level: base + others + float(weights[name][code])
            for level, code in dict(zip(each, _codes(each), strict=True)).items()
        }
        found[name] = {level: math.exp(mean) if scale == "log" else mean for level, mean in means.items()}
    return found


def _codes(levels: Sequence[str]) -> Codes:
    return np.asarray(np.unique(levels, return_inverse=True)[1], dtype=np.int64)


class _Explained:
    """Share of the variance that a set of terms explains; a term is a factor, or a pair of factors."""

    def __init__(self, levels: Mapping[str, Sequence[str]], values: Array) -> None:
        codes = {name: _codes(each) for name, each in levels.items()}
        self._main = list(codes)
        terms: list[Term] = [(name,) for name in levels]
        terms += combinations(levels, 2)
        self._columns: dict[Term, Codes] = {}
        start, parts = 0, []
        for term in terms:
            group = _combined([codes[name] for name in term])
            count = int(group.max()) + 1
            self._columns[term] = np.arange(start, start + count)
            parts.append(group + start)
            start += count
        self._gram, self._product = _sums(parts, start, values - values.mean())
        self._total = float(values.var()) * len(values)
        self._ridge = _RIDGE * len(values)
        self._known: dict[frozenset[Term], float] = {}

    def by(self, terms: Sequence[Term]) -> float:
        """Of 1, by all these terms together."""
        return self.along([], terms)[-1] if terms else 0.0

    def along(self, given: Sequence[Term], order: Sequence[Term]) -> list[float]:
        """Of 1, by ``given`` and the terms of ``order`` up to each."""
        if len(order) <= _MOST_TERMS:
            return [self._of(frozenset((*given, *order[: count + 1]))) for count in range(len(order))]
        # One factor for all: its leading blocks are those of the terms up to each.
        ends, shares = self._cumulated([*given, *order])
        return [float(shares[end - 1]) for end in ends[len(given) :]]

    def _of(self, terms: frozenset[Term]) -> float:
        if terms not in self._known:
            self._known[terms] = float(self._cumulated(sorted(terms))[1][-1])
        return self._known[terms]

    def _cumulated(self, terms: Sequence[Term]) -> tuple[list[int], Array]:
        """Where the columns of each term end, and the share that is explained up to each column."""
        columns = np.concatenate([self._columns[term] for term in terms])
        ends = np.cumsum([len(self._columns[term]) for term in terms]).tolist()
        lower = np.linalg.cholesky(self._matrix(columns))
        parts = solve_triangular(lower, self._product[columns], lower=True)
        return ends, np.asarray(np.cumsum(parts**2) / self._total, dtype=np.float64)

    def _matrix(self, columns: Codes) -> Array:
        # Indicators of one factor add up to 1: the ridge chooses one of many solutions, all of one fit.
        return self._gram[np.ix_(columns, columns)] + self._ridge * np.eye(len(columns))

    def weights(self) -> dict[str, Array]:
        """What each level adds, by factor, when no pair is taken into account."""
        columns = np.concatenate([self._columns[name,] for name in self._main])
        solved = np.linalg.solve(self._matrix(columns), self._product[columns])
        by_column = dict(zip(columns.tolist(), solved.tolist(), strict=True))
        return {name: np.array([by_column[each] for each in self._columns[name,]]) for name in self._main}


def _combined(codes: Sequence[Codes]) -> Codes:
    """A number for each combination of levels that occurs, by row."""
    _, inverse = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    return np.asarray(inverse.ravel(), dtype=np.int64)


def _sums(groups: Sequence[Codes], columns: int, centred: Array) -> tuple[Array, Array]:
    """Products of indicators with each other and with the response, both as distances from their means.

    Args:
        groups: by term, the column that is 1 in each row.
        columns: of all terms.
        centred: the response without its mean.
    """
    gram, product = np.zeros((columns, columns)), np.zeros(columns)
    for one in groups:
        np.add.at(product, one, centred)
        for other in groups:
            np.add.at(gram, (one, other), 1.0)
    counts = np.diag(gram)
    return gram - np.outer(counts, counts) / len(centred), product


def _shares(explained: _Explained, factors: Sequence[str]) -> list[FactorShare]:
    """Main effects among each other, then what pairs add to all of them."""
    main: list[Term] = [(name,) for name in factors]
    pairs: list[Term] = list(combinations(factors, 2))
    return [
        FactorShare(factors=term, share=share)
        for terms, given in ((main, []), (pairs, main))
        for term, share in _averaged(terms, given, explained).items()
    ]


def _averaged(terms: Sequence[Term], given: Sequence[Term], explained: _Explained) -> dict[Term, float]:
    """What each term adds to ``given`` and the terms before it, as a mean over orders."""
    added = dict.fromkeys(terms, 0.0)
    orders = list(_orders(terms))
    for order in orders:
        before = explained.by(given)
        for term, after in zip(order, explained.along(given, order), strict=True):
            added[term] += after - before
            before = after
    return {term: max(0.0, total / len(orders)) for term, total in added.items()}


def _orders(terms: Sequence[Term]) -> Iterator[Sequence[Term]]:
    """All orders of a few terms; of more, a sample that is the same every time."""
    if len(terms) <= _MOST_TERMS:
        yield from permutations(terms)
        return
    rng = np.random.default_rng(0)
    for _ in range(_SAMPLED_ORDERS // 2):
        order = [terms[index] for index in rng.permutation(len(terms))]
        yield order
        yield order[::-1]
