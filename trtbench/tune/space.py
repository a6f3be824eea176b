"""Which recipes there are, and of which few parts their times and errors are composed.

A block meets the next one, and its attention meets its MLP, in the residual stream alone, which stays FP16.
So the kernels of either half depend on the precisions of that half only, but for the norm between them, which
reads and writes what either side needs (docs/results/tuning.md: by how much sums are off).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

from trtbench.specs import GpuSpec
from trtbench.specs.recipe import LINEAR_ROLES, Precision, Recipe

BASELINE = Recipe(Precision.FP16)
_SEARCHED = (Precision.FP16, Precision.FP8, Precision.NVFP4)
_ATTENTION, _MLP, _HEAD = ("qkv", "proj"), ("fc1", "fc2"), ("head",)
_BASE = dict.fromkeys(LINEAR_ROLES, Precision.FP8)
"""The other parts, where one is varied: quantised, as in all candidates but one."""


def precisions_of(gpu: GpuSpec) -> tuple[Precision, ...]:
    """What Linear layers can run in on ``gpu``, of what is searched."""
    return tuple(each for each in _SEARCHED if each.math in gpu.flop_per_clock_sm)


def not_searched(backend: str) -> tuple[str, ...]:
    """What recipes could also have, and why the search leaves it out."""
    reasons = ["int8: no published kernel times; it would be priced as fp8"]
    if backend == "tensorrt_rtx":
        reasons.append("mxfp8: TensorRT-RTX computes it in fp16")
    else:
        reasons.append("mxfp8: no published kernel times; it would be priced as fp8")
    return tuple(reasons)


def recipe_of(precisions: Mapping[str, Precision], fp8attn: bool) -> Recipe:
    """The recipe with these precisions by role, named after the one that most roles have."""
    main = Counter(precisions[role] for role in LINEAR_ROLES).most_common(1)[0][0]
    roles = tuple((role, precisions[role]) for role in LINEAR_ROLES if precisions[role] is not main)
    return Recipe(main, roles, fp8attn=fp8attn)


def all_recipes(precisions: Sequence[Precision]) -> tuple[Recipe, ...]:
    """Every precision in every role, with attention in FP16 and in FP8."""
    return tuple(
        recipe_of(dict(zip(LINEAR_ROLES, chosen, strict=True)), fp8attn)
        for chosen in product(precisions, repeat=len(LINEAR_ROLES))
        for fp8attn in (False, True)
    )


def time_parts(recipe: Recipe) -> tuple[Recipe, Recipe, Recipe]:
    """Recipes that vary its attention, its MLP or its head alone, against ``TIME_BASE``."""
    attention, mlp, head = (
        {**_BASE, **{role: recipe.precision_of(role) for role in part}} for part in (_ATTENTION, _MLP, _HEAD)
    )
    return recipe_of(attention, recipe.fp8attn), recipe_of(mlp, False), recipe_of(head, False)


TIME_BASE = recipe_of(_BASE, False)


def error_parts(recipe: Recipe) -> tuple[Recipe, ...]:
    """Recipes that quantise one of its quantised roles alone."""
    fp16 = dict.fromkeys(LINEAR_ROLES, Precision.FP16)
    roles = [
        recipe_of({**fp16, role: recipe.precision_of(role)}, False)
        for role in LINEAR_ROLES
        if recipe.precision_of(role).is_quantized
    ]
    return (*roles, *(recipe_of(fp16, True),) * recipe.fp8attn)
