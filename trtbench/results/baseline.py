"""What changed since a stored comparison: the same cells then and now."""

from collections.abc import Callable
from typing import Literal

from trtbench.results.measurement import VerdictWord
from trtbench.results.rows import Row
from trtbench.specs.base import Spec
from trtbench.units import format_bytes

_REL_TOL = 1e-9
"""Between the same number computed on two machines."""


class Pair(Spec):
    """A number ``before``, in the baseline, and ``after``, of now; null where it is not known."""

    before: float | None
    after: float | None

    @property
    def rises(self) -> bool:
        """Whether it is greater now, beyond rounding."""
        return self._by() > _REL_TOL

    @property
    def falls(self) -> bool:
        """Whether it is less now, beyond rounding."""
        return self._by() < -_REL_TOL

    def _by(self) -> float:
        if self.before is None or self.after is None or self.before == self.after:
            return 0.0
        return (self.after - self.before) / max(abs(self.before), abs(self.after))


class TimeChange(Spec):
    """Time of a query in ms by one kind of evidence, then and now.

    ``speedup``: time of the baseline by that of now, with its ``interval``: 95 % of measured times; of
    predicted ones, all ratios that the factors of the groups allow. Both are null where the two times do not
    compare, and ``reason`` says why.
    """

    evidence: Literal["measured", "predicted"]
    before_ms: float
    after_ms: float
    verdict: VerdictWord
    reason: str
    speedup: float | None
    interval: tuple[float, float] | None


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.4f}"


def _share(share: float) -> str:
    return f"{share:.1%}"


def _whole(count: float) -> str:
    return f"{count:.0f}"


def _decibels(decibels: float) -> str:
    return f"{decibels:.1f}"


_PAIRS: dict[str, tuple[str, Callable[[float], str]]] = {
    "coverage": ("coverage", _share),
    "kernels": ("kernels", _whole),
    "traffic": ("other_bytes", format_bytes),
    "SQNR dB": ("sqnr_db", _decibels),
}
"""By header of a table, the field of a ``RowChange`` and how its numbers are written."""
_HEADERS = (
    "status",
    *(f"{kind} {name}" for kind in ("measured", "predicted") for name in ("ms", "speed-up", "verdict")),
    *_PAIRS,
)


def _arrow(pair: Pair, write: Callable[[float], str]) -> str:
    before, after = ("unknown" if each is None else write(each) for each in (pair.before, pair.after))
    return before if before == after else f"{before} -> {after}"


class RowChange(Spec):
    """A row and its counterpart in the baseline.

    Args:
        key: of the row; of the baseline's where the row is missing.
        status: ``new`` has no counterpart, ``missing`` is only in the baseline; ``incomparable`` has another
            model, shape, weights or target, or failed on a side.
        reason: why it is incomparable.
        times: measured, then predicted; those that are known on both sides.
        coverage: share of FLOPs that run in the precision that was asked for, from 0 to 1. Compiled.
        kernels: all kernels of the engine. Compiled.
        other_bytes: traffic of kernels that are neither GEMMs nor attention, in bytes. Compiled.
        sqnr_db: of the output against FP32, in dB. Emulated.
    """

    key: str
    status: Literal["compared", "incomparable", "new", "missing"]
    reason: str | None = None
    times: tuple[TimeChange, ...] = ()
    coverage: Pair | None = None
    kernels: Pair | None = None
    other_bytes: Pair | None = None
    sqnr_db: Pair | None = None

    @property
    def deciding(self) -> TimeChange | None:
        """The time that says whether the row is slower: measured where both were timed, else predicted."""
        return self.times[0] if self.times else None

    def cells(self) -> dict[str, str]:
        """Texts of a table by header, ``before -> after`` where a number changed."""
        texts: dict[str, str] = {}
        for each in self.times:
            pair = Pair(before=each.before_ms, after=each.after_ms)
            texts[f"{each.evidence} ms"] = _arrow(pair, _ms)
            texts[f"{each.evidence} speed-up"] = f"{each.speedup:.3f}x" if each.speedup else ""
            texts[f"{each.evidence} verdict"] = each.verdict
        for header, (field, write) in _PAIRS.items():
            if (found := getattr(self, field)) is not None:
                texts[header] = _arrow(found, write)
        return texts if self.status == "compared" else {"status": self.status, **texts}

    def columns(self) -> Row:
        """The numbers of the baseline, one column a value, beside those of now."""
        columns: Row = {"baseline_status": self.status}
        for each in self.times:
            columns[f"baseline_{each.evidence}_ms"] = each.before_ms
            columns[f"baseline_{each.evidence}_speedup"] = each.speedup
            columns[f"baseline_{each.evidence}_verdict"] = each.verdict
        for field, _ in _PAIRS.values():
            if (found := getattr(self, field)) is not None:
                columns[f"baseline_{field}"] = found.before
        return columns


class BaselineChanges(Spec):
    """Every row beside that of a stored comparison.

    ``file``: of the baseline. ``differs``: recorded versions and the commit where they differ, with both.
    """

    file: str
    differs: tuple[str, ...] = ()
    rows: tuple[RowChange, ...]

    def of(self, key: str) -> RowChange | None:
        """The change of the row with this key."""
        return next((row for row in self.rows if row.key == key and row.status != "missing"), None)

    @property
    def title(self) -> str:
        """What stands above the table."""
        return f"Against the baseline {self.file}" + (f" ({'; '.join(self.differs)})" if self.differs else "")

    def notes(self) -> list[str]:
        """Why rows are incomparable, and what a verdict other than SAME rests on, one line each."""
        reasons = [f"{row.key}: {row.status}: {row.reason}" for row in self.rows if row.reason]
        verdicts = [(row.key, each) for row in self.rows for each in row.times if each.verdict != "SAME"]
        reasons += [f"{key}: {each.verdict}, {each.evidence}: {each.reason}" for key, each in verdicts]
        return [" ".join(reason.split()) for reason in reasons]

    def table(self) -> list[Row]:
        """Rows of a table with the columns that a row has something for, by header."""
        cells = [row.cells() for row in self.rows]
        headers = [name for name in _HEADERS if any(name in each for each in cells)]
        return [
            {"recipe": row.key, **{name: each.get(name, "") for name in headers}}
            for row, each in zip(self.rows, cells, strict=True)
        ]
