"""One word for a precision choice: ``<precision>[+sparse][@stock]``."""

import re
from dataclasses import dataclass
from enum import Enum

from trtbench.errors import SpecError


class Precision(str, Enum):
    """What is asked of the Linear layers; activations and weights alike."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"
    FP8 = "fp8"
    MXFP8 = "mxfp8"
    NVFP4 = "nvfp4"

    @property
    def is_quantized(self) -> bool:
        """Whether a quantizer is needed, as opposed to a cast of the whole model."""
        return self not in (Precision.FP32, Precision.FP16, Precision.BF16)

    @property
    def math(self) -> str:
        """The element type of the matrix product, as audits name it (``nvfp4`` multiplies in ``fp4``)."""
        return "fp4" if self is Precision.NVFP4 else self.value


_GRAMMAR = re.compile(r"(?P<precision>[a-z0-9]+)(?P<modifiers>(?:\+[a-z0-9]+)*)(?:@(?P<variant>[a-z0-9]+))?")
_USAGE = f"use <precision>[+sparse][@stock] with a precision of {', '.join(p.value for p in Precision)}"


@dataclass(frozen=True)
class Recipe:
    """A precision, with 2:4 sparse weights or not, with our graph or ModelOpt's own."""

    precision: Precision
    sparse: bool = False
    stock: bool = False

    def __str__(self) -> str:
        return self.precision.value + "+sparse" * self.sparse + "@stock" * self.stock


def parse_recipe(word: str) -> Recipe:
    """Read a recipe such as ``nvfp4+sparse@stock``.

    Raises:
        SpecError: the word does not follow the grammar or names something unknown.
    """
    match = _GRAMMAR.fullmatch(word.strip().lower())
    if match is None:
        raise SpecError(f"recipe {word!r} cannot be read: {_USAGE}")
    modifiers = [m for m in match["modifiers"].split("+") if m]
    unknown = [m for m in modifiers if m != "sparse"]
    if match["precision"] not in {p.value for p in Precision}:
        raise SpecError(f"recipe {word!r}: unknown precision {match['precision']!r}: {_USAGE}")
    if unknown:
        raise SpecError(f"recipe {word!r}: unknown modifier +{unknown[0]}: {_USAGE}")
    if match["variant"] not in (None, "stock"):
        raise SpecError(f"recipe {word!r}: unknown variant @{match['variant']}: {_USAGE}")
    return Recipe(Precision(match["precision"]), bool(modifiers), match["variant"] is not None)
