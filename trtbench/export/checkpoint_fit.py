"""What keeps weights from fitting a model, and which argument of the model would make them fit."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Shapes = Mapping[str, Sequence[int]]

_PATCHES = "patch_embed.proj.weight"
_SHOWN = 3


def misfits(expected: Shapes, found: Shapes) -> str:
    """Say what does not fit and which ``--set`` would help; empty when all does.

    Args:
        expected: shapes of the model's weights, by name.
        found: those of the checkpoint's.
    """
    mismatched = [name for name in expected if name in found and tuple(found[name]) != tuple(expected[name])]
    kinds = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} is {tuple(found[name])} instead of {tuple(expected[name])}" for name in mismatched
        ],
    }
    parts = [
        f"{len(names)} {kind} ({', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})"
        for kind, names in kinds.items()
        if names
    ]
    arguments = " ".join(f"--set {argument}" for argument in _arguments(expected, found))
    hint = f": try {arguments}" if parts and arguments else ""
    return "; ".join(parts) + hint


def _arguments(expected: Shapes, found: Shapes) -> Iterator[str]:
    """Arguments of the model's constructor that the checkpoint's shapes ask for."""
    patches, wanted = found.get(_PATCHES), expected.get(_PATCHES)
    if patches is None or wanted is None:
        return
    classes = found.get("head.weight", found.get("head.bias", (0,)))[0]
    if classes != expected.get("head.weight", (0,))[0]:
        yield f"num_classes={classes}"
    if patches[1] != wanted[1]:
        yield f"in_chans={patches[1]}"
    depth = _depth(found)
    if depth and depth != _depth(expected):
        yield f"depth={depth}"


def image_side(found: Mapping[str, Any], fitted: Mapping[str, Any]) -> int | None:
    """Side of the images, in pixels, that position embeddings ``(1, prefix + patches, C)`` are of, if square.

    Args:
        found: tensors of the checkpoint.
        fitted: the same, resampled to the model.
    """
    if "pos_embed" not in found or found["pos_embed"].ndim != 3 or _PATCHES not in found:
        return None
    tokens, wanted = found["pos_embed"].shape[1], fitted["pos_embed"].shape[1]
    prefix = wanted - math.isqrt(wanted) ** 2
    grid = math.isqrt(max(tokens - prefix, 0))
    return grid * int(found[_PATCHES].shape[-1]) if grid and grid**2 == tokens - prefix else None


def _depth(names: Iterable[str]) -> int:
    blocks = (re.match(r"blocks\.(\d+)\.", name) for name in names)
    return max((int(block[1]) + 1 for block in blocks if block), default=0)
