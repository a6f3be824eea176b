"""Mutated texts: JSON, journals and YAML; each follows from its kind and its seed."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

Mutate = Callable[[str, Random], bytes]

_VALUES = (
    None,
    True,
    -1,
    0,
    10**400,
    1e308,
    "",
    "\x1b]0;owned\x07\u202e",
    "x[/b]",
    "../../../etc/passwd",
    "\0",
    "=cmd|'/c calc'!A0",
    [],
    {},
    [[[]]],
    "x" * 100_000,
)


def _flip(text: str, random: Random) -> bytes:
    data = bytearray(text.encode())
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)


def _cut(text: str, random: Random) -> bytes:
    return text.encode()[: random.randrange(len(text))]


def _splice(text: str, random: Random) -> bytes:
    start, end = sorted(random.sample(range(len(text)), 2))
    part = text[start : min(end, start + 100)]
    return (
        text[:start] + random.choice(("", part * 3, "\n\n", "\t", "\x1b[2J", "&a *a")) + text[end:]
    ).encode()


def _encoded(text: str, random: Random) -> bytes:
    return random.choice(
        (
            text.encode("utf-16"),
            b"\xef\xbb\xbf" + text.encode(),
            text.encode() + b"\xff\xfe",
            b"\0" * 100 + text.encode(),
            text.encode() + b"\0",
            b"",
        )
    )


def _nested(text: str, random: Random) -> bytes:
    open_, close = random.choice((("[", "]"), ('{"a":', "}"), ("- ", "")))
    depth = random.choice((200, 5000, 100_000))
    return (open_ * depth + "1" + close * random.choice((0, depth))).encode()


def _numbers(text: str, random: Random) -> bytes:
    """Other numbers in place of one."""
    digits = [index for index, character in enumerate(text) if character.isdigit()]
    if not digits:
        return text.encode()
    index = random.choice(digits)
    number = random.choice(
        ("NaN", "Infinity", "-1", "1e999", "9" * 5000, "0x10", "true", '"1"', "2026-13-01")
    )
    return (text[:index] + number + text[index + 1 :]).encode()


TEXT_MUTATIONS: dict[str, Mutate] = {
    mutate.__name__.strip("_"): mutate for mutate in (_flip, _cut, _splice, _encoded, _nested, _numbers)
}


def _values(text: str, random: Random) -> bytes:
    """Another value in place of one, at any depth."""
    content = json.loads(text)
    holder, key = random.choice(_places(content))
    holder[key] = random.choice(_VALUES)
    return json.dumps(content).encode()


def _fields(text: str, random: Random) -> bytes:
    """A field removed, added, or given twice."""
    content = json.loads(text)
    holder, key = random.choice([place for place in _places(content) if isinstance(place[0], dict)])
    how = random.choice(("remove", "add", "twice"))
    if how == "remove":
        del holder[key]
    elif how == "add":
        holder[random.choice(("", "__class__", "\x1b[31m", "extra"))] = 1
    else:
        return (json.dumps(content)[:-1] + f', {json.dumps(key)}: 1, "kind": "x"}}').encode()
    return json.dumps(content).encode()


JSON_MUTATIONS = {**TEXT_MUTATIONS, "values": _values, "fields": _fields}


def mutated_text(kind: str, text: str, seed: int) -> bytes:
    """The text of this kind and seed."""
    return JSON_MUTATIONS[kind](text, Random(f"{kind} {seed}"))  # noqa: S311 (reproducible)


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Holder and key of every value."""
    keys = content if isinstance(content, dict) else range(len(content))
    found = [(content, key) for key in keys]
    for key in keys:
        if isinstance(content[key], dict | list):
            found += _places(content[key])
    return found
