"""Batches and image sizes."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import ValidationError

from trtbench.request.arguments import ArgumentError
from trtbench.specs import BatchRange, HeightWidth, ImageSize
from trtbench.specs.model import MAX_PIXELS

BatchWord = int | str
"""A batch, or ``MIN:OPT:MAX`` of a dynamic one."""
SizeWord = int | str | None
"""Side of the images in pixels, or ``HEIGHTxWIDTH``; None: the model's own."""

_RANGE = re.compile(r"(\d+):(\d+):(\d+)")
_SIDES = re.compile(r"(\d+)x(\d+)")


class Shape(NamedTuple):
    """Batch, image size where it is not the model's own, and the range of a dynamic batch."""

    batch: int
    img_size: ImageSize | None = None
    batch_range: BatchRange | None = None


def shapes_of(batches: Sequence[BatchWord], sizes: Sequence[SizeWord]) -> list[Shape]:
    """All combinations of batches and image sizes; a dynamic batch counts at each of its three.

    Raises:
        ArgumentError: a word has another form, or is named twice.
    """
    for argument, values in (("batch", batches), ("img_size", sizes)):
        if len(set(values)) < len(values):
            raise ArgumentError(argument, f"{','.join(map(str, values))}: name each number once")
    return [
        Shape(batch, size, found if isinstance(found, BatchRange) else None)
        for size in map(_image_size, sizes)
        for found in map(_batch, batches)
        for batch in (dict.fromkeys(found.batches) if isinstance(found, BatchRange) else [found])
    ]


def shape_of(batch: BatchWord, img_size: SizeWord) -> Shape:
    """One shape; a dynamic batch counts at its optimum.

    Raises:
        ArgumentError: a word has another form.
    """
    found, size = _batch(batch), _image_size(img_size)
    return Shape(found.optimum, size, found) if isinstance(found, BatchRange) else Shape(found, size)


def static_shape_of(batch: BatchWord, img_size: SizeWord, command: str) -> Shape:
    """One shape of one batch, which is all that ``command`` takes.

    Raises:
        ArgumentError: a word has another form, or the batch is dynamic.
    """
    shape = shape_of(batch, img_size)
    refuse_dynamic([shape], command)
    return shape


def refuse_dynamic(shapes: Sequence[Shape], command: str) -> None:
    """Refuse a dynamic batch.

    Raises:
        ArgumentError: there is one.
    """
    for shape in shapes:
        if shape.batch_range is not None:
            raise ArgumentError(
                "batch",
                f"{shape.batch_range}: {command} takes one batch, such as {shape.batch_range.optimum}",
            )


def _batch(word: BatchWord) -> int | BatchRange:
    match = _RANGE.fullmatch(str(word))
    if match is None:
        return _integer("batch", word, "a number, or MIN:OPT:MAX such as 1:8:64")
    least, best, most = map(int, match.groups())
    try:
        return BatchRange(minimum=least, optimum=best, maximum=most)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ArgumentError("batch", f"{word}: {problem}") from error


def _image_size(word: SizeWord) -> ImageSize | None:
    match = _SIDES.fullmatch(str(word))
    if word is None or match is None:
        return (
            None if word is None else _integer("img_size", word, "a number, or HEIGHTxWIDTH such as 384x224")
        )
    height, width = map(int, match.groups())
    if not (0 < height <= MAX_PIXELS and 0 < width <= MAX_PIXELS):
        raise ArgumentError("img_size", f"{word}: expected sides of 1 to {MAX_PIXELS} pixels")
    return height if height == width else HeightWidth(height, width)


def _integer(argument: str, word: int | str, expected: str) -> int:
    try:
        return int(word)
    except ValueError as error:
        raise ArgumentError(argument, f"{word}: expected {expected}") from error
