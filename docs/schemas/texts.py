"""Descriptions of the properties of results: from docstrings of their types, and units in their names."""

import inspect
import re

from pydantic import BaseModel

_UNITS = {
    "_ms": "In milliseconds.",
    "_us": "In microseconds.",
    "_s": "In seconds.",
    "_bytes": "In bytes.",
    "_mhz": "In MHz.",
    "_w": "In watts.",
    "_j": "In joules.",
    "_c": "In degrees Celsius.",
    "_db": "In dB.",
    "_pct": "In percent.",
    "_tflops": "In TFLOP/s.",
    "gb_per_s": "In GB/s.",
    "images_per_s": "Images a second.",
    "queries_per_s": "Queries a second.",
    "_utc": "UTC, in ISO 8601.",
    "_share": "A fraction, from 0 to 1.",
    "sha256": "SHA-256, in hexadecimal digits.",
}
"""By the end of a name; the longest that fits counts."""


def description_of(model: type[BaseModel], name: str) -> str | None:
    """What the docstrings say of a property, then its unit; None where neither is known."""
    said = [
        text
        for base in model.__mro__
        if issubclass(base, BaseModel) and base is not BaseModel
        for text in [_said(inspect.cleandoc(base.__doc__ or ""), name)]
        if text
    ]
    fits = [text for end, text in _UNITS.items() if name.endswith(end)]
    unit = max(fits, key=lambda text: next(len(end) for end in _UNITS if _UNITS[end] == text), default="")
    parts = [*said[:1], *[unit] * bool(unit)]
    return " ".join(parts) or None


def summary_of(model: type[BaseModel]) -> str:
    """The docstring of a type without its arguments, which describe properties."""
    return inspect.cleandoc(model.__doc__ or "").partition("\nArgs:\n")[0].strip()


def _said(docstring: str, name: str) -> str | None:
    """The entry under ``Args:``, or the sentences that name the property."""
    text, _, arguments = docstring.partition("\nArgs:\n")
    entry = re.search(
        rf"^    (?:\w+, )*{name}(?:, \w+)*: ((?:.+\n?)(?:     +.+\n?)*)", arguments, re.MULTILINE
    )
    if entry:
        return _sentence(entry[1])
    sentences = re.split(r"(?<=[.;])\s+(?=[A-Z`])", " ".join(text.split()))
    found = [each for each in sentences if re.search(rf"``{name}``", each)]
    return _sentence(" ".join(found).removeprefix(f"``{name}``: ")) if found else None


def _sentence(text: str) -> str:
    text = " ".join(text.split()).rstrip(";.")
    return f"{text[:1].upper()}{text[1:]}."
