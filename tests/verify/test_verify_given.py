"""ONNX files in place of recipes: what is compared with what, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, version_converter
from PIL import Image
from support.manifests import engine_manifest
from support.networks import BATCH, CLASSES, network

from trtbench.errors import ArtifactError, SpecError
from trtbench.progress import silent
from trtbench.results import Verification
from trtbench.specs import BuildSpec, InputsSpec
from trtbench.store.artifacts import Store
from trtbench.verify import verify

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    def save(name: str, model: onnx.ModelProto) -> Path:
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return save


def verified(*subjects: Path, against: Path | None, **options: Any) -> Verification:
    inputs = options.pop("inputs", InputsSpec(samples=6))
    return verify(subjects, Store(subjects[0].parent / "store"), inputs, silent, against, **options)


def with_bias(model: onnx.ModelProto) -> onnx.ModelProto:
    """The last product becomes a Linear layer with a bias, as of a classifier."""
    last = model.graph.node[-1]
    dtype = helper.tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(CLASSES, dtype), "bias"))
    model.graph.node.append(helper.make_node("Add", ["product", "bias"], [last.output[0]], name="/head/Add"))
    last.output[0] = "product"
    return model


def with_open_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    flat = next(tensor for tensor in model.graph.initializer if tensor.name == "flat")
    flat.CopyFrom(numpy_helper.from_array(np.array([-1, numpy_helper.to_array(flat)[1]]), "flat"))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    return model


def test_a_file_is_compared_with_the_named_file(saved: Saved) -> None:
    fp32 = saved("fp32.onnx", with_bias(network(TensorProto.FLOAT, "out")))
    own = saved("own.onnx", with_bias(network(TensorProto.FLOAT16, "out")))
    result = verified(own, fp32, against=fp32)
    assert (result.model, result.against) == ("fp32", str(fp32))
    assert [(row.subject, row.recipe, row.status) for row in result.rows] == [
        ("own", None, "ok"),
        ("fp32", None, "ok"),
    ]
    rounded, same = (row.fidelity for row in result.rows)
    assert rounded is not None
    assert same is not None
    assert 50 < (rounded.sqnr_db or 0) < 80  # 11 bits of mantissa
    assert (rounded.top1_agreement, rounded.weights, same.sqnr_db) == (1, "file", None)
    assert [each["subject"] for each in result.to_rows()] == ["own", "fp32"]


@pytest.mark.parametrize(
    "changed", [with_open_batch, lambda model: version_converter.convert_version(model, 17)]
)
def test_open_batches_and_old_opsets_give_the_same_numbers(
    saved: Saved, changed: Callable[[onnx.ModelProto], onnx.ModelProto]
) -> None:
    fp32 = saved("fp32.onnx", network(TensorProto.FLOAT))
    own = saved("own.onnx", changed(network(TensorProto.FLOAT)))
    (row,) = verified(own, against=fp32).rows
    assert row.reason is None
    assert row.fidelity is not None
    assert (row.fidelity.sqnr_db, row.fidelity.samples) == (None, 6)


def test_without_a_linear_layer_with_a_bias_no_classes_are_compared(saved: Saved) -> None:
    fp32 = saved("fp32.onnx", network(TensorProto.FLOAT))
    (row,) = verified(fp32, against=fp32).rows
    assert row.fidelity is not None
    assert row.fidelity.top1_agreement is None


def test_accuracy_on_photos_notes_how_they_are_prepared(saved: Saved, tmp_path: Path) -> None:
    fp32 = saved("fp32.onnx", with_bias(network(TensorProto.FLOAT)))
    for index in range(CLASSES):
        (tmp_path / "photos" / f"{index:02d}").mkdir(parents=True)
        Image.new("RGB", (5, 5), (index, 0, 0)).save(tmp_path / "photos" / f"{index:02d}" / "0.png")
    photos = InputsSpec(directory=str(tmp_path / "photos"))
    (row,) = verified(fp32, against=fp32, inputs=photos).rows
    assert row.fidelity is not None
    assert row.fidelity.top1 == row.fidelity.reference.top1 == pytest.approx(0.1)
    assert any("ImageNet's mean" in note for note in row.fidelity.notes)


def test_another_image_size_is_a_row_with_its_reason(saved: Saved) -> None:
    fp32 = saved("fp32.onnx", network(TensorProto.FLOAT))
    other = network(TensorProto.FLOAT)
    other.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2
    (row,) = verified(saved("own.onnx", other), against=fp32).rows
    assert row.status == "failed"
    assert "takes images of 3x2x4, and" in (row.reason or "")


def test_an_open_image_size_is_asked_for(saved: Saved) -> None:
    model = network(TensorProto.FLOAT)
    for side in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[side].dim_param = "side"
    path = saved("own.onnx", model)
    with pytest.raises(SpecError, match="image size is dynamic; give one with --img-size"):
        verified(path, against=path)
    (row,) = verified(path, against=path, img_size=4).rows
    assert row.status == "ok"


def two_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, (BATCH,)))
    return model


def of_tokens(model: onnx.ModelProto) -> onnx.ModelProto:
    del model.graph.input[0].type.tensor_type.shape.dim[2:]
    return model


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (two_inputs, "has the inputs images, mask; verify takes models with one"),
        (of_tokens, r"input images is \[4, 3\]; verify takes images \(B, C, H, W\)"),
    ],
)
def test_files_that_take_something_else_are_refused(
    saved: Saved, changed: Callable[[onnx.ModelProto], onnx.ModelProto], problem: str
) -> None:
    path = saved("own.onnx", changed(network(TensorProto.FLOAT)))
    with pytest.raises(SpecError, match=problem):
        verified(path, against=path)


def test_a_file_alone_asks_for_its_reference(saved: Saved) -> None:
    own = saved("own.onnx", network(TensorProto.FLOAT))
    with pytest.raises(SpecError, match=r"own.onnx: its FP32 model is not known; name one with --against"):
        verified(own, against=None)


def test_an_engine_is_refused_with_the_model_to_name(saved: Saved, tmp_path: Path) -> None:
    fp32 = saved("fp32.onnx", network(TensorProto.FLOAT))
    folder = tmp_path / "engines" / "vit"
    folder.mkdir(parents=True)
    (folder / "model.engine").touch()
    manifest = engine_manifest(BuildSpec(), fp32, [folder / "model.engine"])
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    with pytest.raises(ArtifactError, match=f"an engine; verify takes .* built from, {fp32}$"):
        verified(folder, against=fp32)
