"""What a kernel or a call is, by its name: ``taxonomy.yaml`` has the patterns."""

import re
from functools import cache
from importlib import resources
from typing import Any

import yaml

from trtbench.results.trace import Category, Cause

_WITH_FORMAT = ("gemm", "conv", "attention")
"""Categories whose names give the format of operands; in other names it may be that of any tensor."""


@cache
def _table() -> dict[str, Any]:
    text = resources.files("trtbench.trace").joinpath("taxonomy.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


@cache
def _patterns(section: str, key: str) -> tuple[tuple[re.Pattern[str], Any], ...]:
    return tuple((re.compile(rule["pattern"]), rule[key]) for rule in _table()[section])


def _first(section: str, key: str, name: str) -> Any:
    return next((value for pattern, value in _patterns(section, key) if pattern.search(name)), None)


def category_of(name: str) -> Category:
    """What a kernel does; ``other`` if its name does not say."""
    found: Category = _first("kernels", "category", name) or "other"
    return found


def format_of(name: str, category: Category) -> str | None:
    """Format of the operands of a product, such as ``fp16`` or ``fp4``; None if the name does not say."""
    found: str | None = _first("formats", "format", name) if category in _WITH_FORMAT else None
    return found


def architecture_of(name: str) -> str | None:
    """The architecture that a kernel was written for, such as ``sm80``; None if the name does not say."""
    found = next((match for each in _table()["architectures"] if (match := re.search(each, name))), None)
    return f"sm{found[1]}" if found else None


def is_older(architecture: str | None, target: str | None) -> bool:
    """Whether a kernel is of an older generation than the GPU, ``sm80`` on ``sm120``."""
    if architecture is None or target is None:
        return False
    return generation(architecture) < generation(target)


def generation(target: str) -> int:
    """Major compute capability: 12 for ``sm120``."""
    return int(target.removeprefix("sm")) // 10


def cause_of_call(name: str) -> Cause:
    """What a function of CUDA does."""
    found: Cause = _first("calls", "cause", name) or "other CUDA calls"
    return found
