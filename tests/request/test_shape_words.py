"""Batches and image sizes as words."""

from typing import Any

import pytest

from trtbench.request import ArgumentError, Shape, shape_of, shapes_of, static_shape_of
from trtbench.specs import BatchRange, ExportSpec, HeightWidth, ModelSpec, spec_id

RANGE = BatchRange(minimum=1, optimum=8, maximum=64)


def test_a_range_counts_at_its_optimum_or_at_each_of_its_three_batches() -> None:
    assert shape_of("1:8:64", None) == Shape(8, None, RANGE)
    assert shapes_of(["1:8:64"], [None]) == [Shape(batch, None, RANGE) for batch in (1, 8, 64)]
    assert [shape.batch for shape in shapes_of(["8:8:64", 2], [None])] == [8, 64, 2]


def test_sides_are_height_and_width() -> None:
    assert shape_of(8, "384x224").img_size == HeightWidth(384, 224)
    assert shape_of("8", "224x224").img_size == shape_of(8, 224).img_size == 224


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: shape_of("8:1:64", None), "batch 8:1:64: expected MIN:OPT:MAX in ascending order"),
        (lambda: shape_of("8:8:8", None), "batch 8:8:8: expected MIN:OPT:MAX in ascending order"),
        (lambda: shape_of("0:8:64", None), "batch 0:8:64: Input should be greater than 0"),
        (lambda: shape_of(8, "0x10"), "img_size 0x10: expected sides of 1 to 65536 pixels"),
        (lambda: shape_of(8, "224x65537"), "img_size 224x65537: expected sides of 1 to 65536 pixels"),
        (lambda: shape_of("1:8", None), "batch 1:8: expected a number, or MIN:OPT:MAX such as 1:8:64"),
        (lambda: shape_of(8, "384x"), "img_size 384x: expected a number, or HEIGHTxWIDTH such as 384x224"),
        (lambda: static_shape_of("1:8:64", None, "tune"), "batch 1:8:64: tune takes one batch, such as 8"),
        (lambda: shapes_of(["1:8:64", "1:8:64"], [None]), "batch 1:8:64,1:8:64: name each number once"),
    ],
)
def test_a_wrong_word_is_refused(ask: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ask()
    assert str(caught.value).startswith(text)


def test_a_static_square_export_is_written_as_before() -> None:
    spec = ExportSpec(model=ModelSpec(img_size=256), recipe="fp16", batch=8)
    assert spec.model_dump(mode="json")["model"]["img_size"] == 256
    assert "batch_range" not in spec.model_dump()
    assert spec.shape_name == "b8-256px"


def test_range_and_sides_survive_json_and_change_the_identity() -> None:
    model = ModelSpec(img_size=HeightWidth(384, 224))
    spec = ExportSpec(model=model, recipe="fp16", batch=8, batch_range=RANGE)
    assert ExportSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.shape_name == "b1-8-64-384x224px"
    static = spec.model_copy(update={"batch_range": None})
    assert spec_id(spec, "", {}) != spec_id(static, "", {})
