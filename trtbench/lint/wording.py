"""Words that the findings share."""

from collections.abc import Iterable, Sized
from typing import Protocol

from trtbench.vit import block_of


class Named(Protocol):
    """A fact about one place of the model."""

    @property
    def name(self) -> str:
        """Of the module or the node."""

    @property
    def role(self) -> str:
        """As ``trtbench.vit`` calls it."""


def count(things: Sized, noun: str) -> str:
    """``1 layer``, ``12 layers``."""
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def places(facts: Iterable[Named]) -> str:
    """Roles with the blocks they lie in: ``qkv and fc1 in blocks 0-11, head``."""
    blocks: dict[str, set[int]] = {}
    for fact in facts:
        block = block_of(fact.name)
        blocks.setdefault(fact.role, set()).update(() if block is None else (block,))
    roles: dict[str, list[str]] = {}
    for role, numbers in blocks.items():
        roles.setdefault(_in_blocks(numbers), []).append(role)
    return ", ".join(f"{_listed(names)}{where}" for where, names in roles.items())


def blocks_of(facts: Iterable[Named]) -> str:
    """The blocks that all of ``facts`` lie in: `` in blocks 0-11``."""
    return _in_blocks({block for fact in facts if (block := block_of(fact.name)) is not None})


def numbers_of(values: Iterable[int]) -> str:
    """Each number once, the largest first: ``3072 and 768``."""
    return _listed([str(value) for value in sorted(set(values), reverse=True)])


def names(facts: Iterable[Named]) -> tuple[str, ...]:
    """Names of all, in order."""
    return tuple(fact.name for fact in facts)


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _in_blocks(blocks: set[int]) -> str:
    """``{0, 1, 2, 5}`` as `` in blocks 0-2, 5``; nothing outside the blocks."""
    if not blocks:
        return ""
    starts = sorted(block for block in blocks if block - 1 not in blocks)
    ends = sorted(block for block in blocks if block + 1 not in blocks)
    runs = [str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True)]
    return f" in block{'s' * (len(blocks) > 1)} {', '.join(runs)}"
