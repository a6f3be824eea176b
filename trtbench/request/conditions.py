"""Words such as ``GEMM_FELL_BACK`` and ``sqnr<20`` as conditions that fail a comparison."""

import math
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Literal

from trtbench.errors import Code
from trtbench.request.arguments import ArgumentError
from trtbench.specs import Condition

_LIMITS = {"sqnr": ("<", "sqnr<20"), "top1-drop": (">", "top1-drop>0.5")}
_KINDS: tuple[Literal["warning", "slower", "less_coverage", "more_kernels"], ...] = (
    "warning",
    "slower",
    "less_coverage",
    "more_kernels",
)
_FORMS = (
    "warning, slower, less-coverage, more-kernels, sqnr<DB, top1-drop>POINTS, or a code of "
    "docs/reference/findings.md"
)


def parse_conditions(words: Sequence[str]) -> tuple[Condition, ...]:
    """Read what fails a comparison.

    Raises:
        ArgumentError: a word is unknown, or a limit is not a number.
    """
    return tuple(_condition(word) for word in dict.fromkeys(words))


def _condition(word: str) -> Condition:
    name, sign, limit = word.partition("<" if "<" in word else ">")
    if name in _LIMITS:
        return _limit(word, name, sign, limit)
    for kind in _KINDS:
        if word == kind.replace("_", "-"):
            return Condition(word=word, kind=kind)
    codes = {code.value: code for code in Code}
    if word in codes:
        return Condition(word=word, kind="code", code=codes[word])
    similar = get_close_matches(word.upper(), codes, n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"expected {_FORMS}"
    raise ArgumentError("fail_on", f"{word}: unknown; {hint}")


def _limit(word: str, name: str, sign: str, text: str) -> Condition:
    expected, example = _LIMITS[name]
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if sign != expected or not math.isfinite(limit):
        raise ArgumentError("fail_on", f"{word}: expected a number, such as {example}")
    return Condition(word=word, kind="sqnr" if name == "sqnr" else "top1_drop", limit=limit)
