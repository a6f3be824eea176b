"""One word for how a model drops or merges tokens: ``evit:keep=0.5,at=3+6+9`` or ``tome:r=8``."""

import math
import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from trtbench.errors import SpecError

_USAGE = "use evit:keep=SHARE,at=BLOCK[+BLOCK...] (evit:keep=0.5,at=3+6+9) or tome:r=TOKENS (tome:r=8)"
_GRAMMAR = re.compile(r"(?P<method>\w+):(?P<arguments>.+)")


@dataclass(frozen=True)
class Evit:
    """Keeps the patches that the class token attends to most, as EViT does without its fused token.

    Args:
        keep: share of the patches that a reduction keeps, rounded up.
        at: numbers of the blocks that reduce, between their attention and their MLP; the first is 0.
    """

    keep: float
    at: tuple[int, ...]

    def __str__(self) -> str:
        return f"evit:keep={self.keep:g},at={'+'.join(map(str, self.at))}"

    @property
    def first(self) -> int:
        """The first block whose MLP has fewer tokens."""
        return self.at[0]

    def after(self, block: int, patches: int) -> int:
        """How many of so many patches go on behind the attention of ``block``."""
        return math.ceil(round(self.keep * patches, 6)) if block in self.at else patches


@dataclass(frozen=True)
class Tome:
    """Merges the most similar patches in every block, as ToMe does with its sizes in attention.

    Args:
        r: how many patches each block has fewer than the one before, at most half of them.
    """

    r: int

    def __str__(self) -> str:
        return f"tome:r={self.r}"

    @property
    def first(self) -> int:
        """The first block whose MLP has fewer tokens."""
        return 0

    def after(self, _block: int, patches: int) -> int:
        """How many of so many patches go on behind the attention of a block."""
        return patches - min(self.r, patches // 2)


TokenReduction: TypeAlias = Evit | Tome


def parse_token_reduction(word: str) -> TokenReduction:
    """Read a word such as ``evit:keep=0.1,at=3+6+9``.

    Raises:
        SpecError: the word does not follow the grammar, or a number is out of range.
    """
    match = _GRAMMAR.fullmatch(word.strip())
    arguments = dict(part.partition("=")[::2] for part in match["arguments"].split(",")) if match else {}
    try:
        if match and match["method"] == "evit" and arguments.keys() == {"keep", "at"}:
            return _evit(word, float(arguments["keep"]), [int(each) for each in arguments["at"].split("+")])
        if match and match["method"] == "tome" and arguments.keys() == {"r"}:
            return _tome(word, int(arguments["r"]))
    except ValueError as error:
        raise SpecError(f"token reduction {word!r}: {error}: {_USAGE}") from error
    raise SpecError(f"token reduction {word!r} cannot be read: {_USAGE}")


def _evit(word: str, keep: float, at: list[int]) -> Evit:
    if not 0 < keep < 1:
        raise SpecError(f"token reduction {word!r}: keep={keep:g}: choose a share above 0 and below 1")
    if min(at) < 0 or len(set(at)) < len(at):
        raise SpecError(f"token reduction {word!r}: at: name each block once, the first is 0")
    return Evit(keep, tuple(sorted(at)))


def _tome(word: str, r: int) -> Tome:
    if r < 1:
        raise SpecError(f"token reduction {word!r}: r={r}: merge at least 1 token a block")
    return Tome(r)


TokenReductionField = Annotated[
    TokenReduction,
    BeforeValidator(lambda value: parse_token_reduction(value) if isinstance(value, str) else value),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["evit:keep=0.5,at=3+6+9", "tome:r=8"]}),
]
