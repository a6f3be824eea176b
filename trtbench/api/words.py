"""One value or several, shapes, and the folder of the store."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from trtbench.request import AnyPath, BatchWord, Shape, SizeWord, shapes_of
from trtbench.specs import ModelSpec
from trtbench.store.artifacts import Store

T = TypeVar("T", bound=str | int | os.PathLike[str])

Shapes = tuple[BatchWord | Sequence[BatchWord], SizeWord | Sequence[SizeWord]]
"""Batches and image sizes, one or several."""

DEFAULT_MODEL = ModelSpec().name
DEFAULT_BATCH = 64


def several(value: T | Sequence[T]) -> tuple[T, ...]:
    """The values of a sequence, or the only one."""
    return (value,) if isinstance(value, str | int | os.PathLike) else tuple(value)


def all_shapes(shapes: Shapes) -> list[Shape]:
    """All combinations of batches and image sizes."""
    batches, sizes = shapes
    listed: Sequence[SizeWord] = (sizes,) if sizes is None or isinstance(sizes, int | str) else sizes
    return shapes_of(several(batches), listed)


def words(value: AnyPath | Sequence[AnyPath]) -> tuple[str, ...]:
    """Words and paths as words."""
    return tuple(os.fspath(each) for each in several(value))


def open_store(path: AnyPath) -> Store:
    """The store in a folder, which need not exist."""
    return Store(Path(path))
