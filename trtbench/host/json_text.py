"""JSON that trtbench or another program wrote; every fault in it is a ValueError that says why."""

import json
import math
from typing import Any

_MOST_DIGITS = 40
"""More than any count has: seeds of 64 bits have 20."""


def parse_json(text: bytes) -> Any:
    """Parse JSON of which every reader makes the same: no name twice, and no numbers that JSON has not.

    Raises:
        ValueError: it is no such JSON; the text says why.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_int=_countable,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parse_foreign_json(text: bytes) -> Any:
    """Parse what another program wrote as JSON.

    Compilers write names of layers as they are in the model, so they may hold what JSON wants escaped.

    Raises:
        ValueError: it is not JSON, or not UTF-8; the text says why.
    """
    try:
        return json.loads(text, strict=False)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r:.80} is named twice")
    return found


def _finite(word: str) -> float:
    value = float(word)
    if math.isinf(value):
        _refuse_constant(word)
    return value


def _countable(word: str) -> int:
    """An integer that can be computed with as a float, as counts are."""
    if len(word) > _MOST_DIGITS:
        raise ValueError(f"{word[:_MOST_DIGITS]}... is too large a number")
    return int(word)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number of JSON")
