"""One value or several, shapes, and the folder of the store."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from trtbench.request import AnyPath, shapes_of
from trtbench.specs import ModelSpec
from trtbench.store.artifacts import Store

T = TypeVar("T", bound=str | int | os.PathLike[str])

Shapes = tuple[int | Sequence[int], int | Sequence[int] | None]
"""Batches and image sizes, one or several."""

DEFAULT_MODEL = ModelSpec().name
DEFAULT_BATCH = 64


def several(value: T | Sequence[T]) -> tuple[T, ...]:
    """The values of a sequence, or the only one."""
    return (value,) if isinstance(value, str | int | os.PathLike) else tuple(value)


def all_shapes(shapes: Shapes) -> list[tuple[int, int | None]]:
    """All combinations of batches and image sizes."""
    batches, sizes = shapes
    return shapes_of(several(batches), (None,) if sizes is None else several(sizes))


def words(value: AnyPath | Sequence[AnyPath]) -> tuple[str, ...]:
    """Words and paths as words."""
    return tuple(os.fspath(each) for each in several(value))


def open_store(path: AnyPath) -> Store:
    """The store in a folder, which need not exist."""
    return Store(Path(path))
