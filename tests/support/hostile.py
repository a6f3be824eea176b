"""Results in which every text that may be anything is an attack."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from trtbench.errors import TrtbenchError
from trtbench.results import Result

Payload = Callable[[int], str]
LONG = "\ue000"
_Place = tuple[dict[Any, Any] | list[Any], Any]


def hostile(result: Result, payload: Payload) -> tuple[Result, int]:
    """The result with other texts, as far as its model takes them, and how many these are.

    Texts in the same place of several rows are replaced together; ``payload`` gets their number, so that keys
    stay apart. ``LONG`` in a payload stands for 100,000 characters.
    """
    raw = json.loads(result.model_dump_json())
    taken = 0
    for places in [*_texts(raw).values(), *_keys(raw).values()]:
        undo = [_replace(place, payload(taken + index)) for index, place in enumerate(places)]
        try:
            type(result).model_validate_json(json.dumps(raw))
            taken += len(places)
        except (ValidationError, TrtbenchError):
            for step in reversed(undo):
                step()
    text = json.dumps(raw, ensure_ascii=False).replace(LONG, "<script>hit=1</script>" * 4545)
    return type(result).model_validate_json(text), taken


def _texts(raw: Any) -> dict[str, list[_Place]]:
    """Where texts are, by a path without positions and keys of mappings."""
    found: dict[str, list[_Place]] = {}
    for path, holder, key in _walk(raw, ""):
        if isinstance(holder[key], str):
            found.setdefault(path, []).append((holder, key))
    return found


def _keys(raw: Any) -> dict[str, list[_Place]]:
    """Where keys of objects are, by the path of the object."""
    found: dict[str, list[_Place]] = {}
    for path, holder, key in _walk(raw, ""):
        if isinstance(holder[key], dict):
            found.setdefault(path, []).extend((holder[key], _Key(each)) for each in holder[key])
    return found


def _walk(raw: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Every value behind its path, with what holds it."""
    pairs = list(raw.items() if isinstance(raw, dict) else enumerate(raw))
    for key, value in pairs:
        here = f"{path}/{key}" if isinstance(raw, dict) else f"{path}/*"
        yield here, raw, key
        if isinstance(value, dict | list):
            yield from _walk(value, here)


class _Key(str):
    """A key that is replaced itself."""


def _replace(place: _Place, text: str) -> Callable[[], None]:
    """Put the text there; return what puts the old one back."""
    holder, key = place
    if isinstance(key, _Key):
        holder[text] = holder.pop(str(key))
        return lambda: holder.__setitem__(str(key), holder.pop(text))
    old = holder[key]
    holder[key] = text
    return lambda: holder.__setitem__(key, old)


def emptied(result: Result) -> tuple[Result, int]:
    """The result without all that its model can do without, and how many fields these are."""
    raw = json.loads(result.model_dump_json())
    taken = 0
    places: dict[str, list[_Place]] = {}
    for path, holder, key in _walk(raw, ""):
        if isinstance(holder, dict) and not path.endswith(("/kind", "/schema_version")):
            places.setdefault(path, []).append((holder, key))
    for group in places.values():
        old = [(holder, key, holder.pop(key)) for holder, key in group if key in holder]
        try:
            type(result).model_validate_json(json.dumps(raw))
            taken += len(old)
        except (ValidationError, TrtbenchError):
            for holder, key, value in old:
                holder[key] = value
    return type(result).model_validate_json(json.dumps(raw)), taken
