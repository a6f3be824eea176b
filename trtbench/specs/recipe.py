"""One word for a precision choice: ``<precision>[:<role>=<precision>,...][+sparse][+fp8attn][@stock]``."""

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


LINEAR_ROLES = ("qkv", "proj", "fc1", "fc2", "head")
"""Roles whose products a recipe quantises; ``vit.role_of`` gives the role of a layer."""

_GRAMMAR = re.compile(
    r"(?P<precision>[a-z0-9]+)(?::(?P<roles>[a-z0-9=,]+))?(?P<modifiers>(?:\+[a-z0-9]+)*)(?:@(?P<variant>[a-z0-9]+))?"
)
_MODIFIERS = ("sparse", "fp8attn")
_USAGE = (
    "use <precision>[:<role>=<precision>,...][+sparse][+fp8attn][@stock] with a precision of "
    f"{', '.join(p.value for p in Precision)} and a role of {', '.join(LINEAR_ROLES)}"
)


@dataclass(frozen=True)
class Recipe:
    """A precision, exceptions from it by role, and options.

    Args:
        precision: of every Linear layer that ``roles`` does not name.
        roles: pairs of role and precision, in the order of ``LINEAR_ROLES``.
        sparse: 2:4 sparse weights.
        fp8attn: attention in FP8 instead of 16 bits.
        stock: the graph as ModelOpt's own example exports it, without our passes.
    """

    precision: Precision
    roles: tuple[tuple[str, Precision], ...] = ()
    sparse: bool = False
    fp8attn: bool = False
    stock: bool = False

    def __str__(self) -> str:
        roles = ",".join(f"{role}={precision.value}" for role, precision in self.roles)
        return (
            self.precision.value
            + f":{roles}" * bool(roles)
            + "+sparse" * self.sparse
            + "+fp8attn" * self.fp8attn
            + "@stock" * self.stock
        )

    def precision_of(self, role: str) -> Precision:
        """Return what is asked of the Linear layers of ``role``."""
        return dict(self.roles).get(role, self.precision)

    @property
    def unquantized(self) -> str:
        """Element type of what the recipe does not quantise."""
        return Precision.FP16.math if self.is_quantized else self.precision.math

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """All precisions of Linear layers, each once, the main one first."""
        return tuple(dict.fromkeys((self.precision, *(precision for _, precision in self.roles))))

    @property
    def is_quantized(self) -> bool:
        """Whether anything is quantised."""
        return self.fp8attn or any(precision.is_quantized for precision in self.precisions)


ORIGINAL = Recipe(Precision.FP32, stock=True)
"""Of a model that is not timm's: its file as it is, but for shapes and names."""


def parse_recipe(word: str) -> Recipe:
    """Read a recipe such as ``nvfp4:qkv=fp8+sparse+fp8attn``.

    Raises:
        SpecError: the word does not follow the grammar, names something unknown, or contradicts itself.
    """
    match = _GRAMMAR.fullmatch(word.strip().lower())
    if match is None:
        raise SpecError(f"recipe {word!r} cannot be read: {_USAGE}")
    modifiers = [modifier for modifier in match["modifiers"].split("+") if modifier]
    unknown = [modifier for modifier in modifiers if modifier not in _MODIFIERS]
    if unknown:
        raise SpecError(f"recipe {word!r}: unknown modifier +{unknown[0]}: {_USAGE}")
    if match["variant"] not in (None, "stock"):
        raise SpecError(f"recipe {word!r}: unknown variant @{match['variant']}: {_USAGE}")
    recipe = Recipe(
        _precision(word, match["precision"]),
        _roles(word, match["roles"] or ""),
        sparse="sparse" in modifiers,
        fp8attn="fp8attn" in modifiers,
        stock=match["variant"] is not None,
    )
    _check_consistency(word, recipe)
    return _canonical(recipe)


def _precision(word: str, name: str) -> Precision:
    if name not in {precision.value for precision in Precision}:
        raise SpecError(f"recipe {word!r}: unknown precision {name!r}: {_USAGE}")
    return Precision(name)


def _roles(word: str, text: str) -> tuple[tuple[str, Precision], ...]:
    roles: dict[str, Precision] = {}
    for part in filter(None, text.split(",")):
        role, _, name = part.partition("=")
        if role not in LINEAR_ROLES:
            raise SpecError(f"recipe {word!r}: unknown role {role!r}: {_USAGE}")
        if role in roles:
            raise SpecError(f"recipe {word!r}: role {role} is named twice")
        roles[role] = _precision(word, name)
    return tuple((role, roles[role]) for role in LINEAR_ROLES if role in roles)


def _check_consistency(word: str, recipe: Recipe) -> None:
    wide = {Precision.FP32, Precision.BF16}
    if (recipe.roles or recipe.fp8attn) and wide & set(recipe.precisions):
        raise SpecError(f"recipe {word!r}: roles and +fp8attn mix with fp16 alone, not with fp32 or bf16")
    if recipe.stock and (recipe.roles or recipe.fp8attn):
        raise SpecError(
            f"recipe {word!r}: @stock is ModelOpt's own graph, which has neither roles nor +fp8attn"
        )


def _canonical(recipe: Recipe) -> Recipe:
    """Without roles that say what the main precision says."""
    roles = tuple(pair for pair in recipe.roles if pair[1] is not recipe.precision)
    return Recipe(recipe.precision, roles, recipe.sparse, recipe.fp8attn, recipe.stock)
