import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbench.audit import audit_onnx
from trtbench.audit.graph import read_graph
from trtbench.build.profiles import check_profiles
from trtbench.build.source import source_of
from trtbench.errors import ArtifactError
from trtbench.lint import lint

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"


def linear(batch: int | str = 4) -> onnx.ModelProto:
    weight = numpy_helper.from_array(np.zeros((64, 32), np.float16), "fc.weight")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "fc.weight"], ["y"], name="/blocks/blocks.0/mlp/fc1/MatMul")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [batch, 16, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [batch, 16, 32])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def test_shapes_and_types_without_weights(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(linear(), path)
    graph = read_graph(path)
    assert graph.shape("y") == (4, 16, 32)
    assert graph.shape("fc.weight") == (64, 32)
    assert graph.element_types["y"] == TensorProto.FLOAT16
    assert graph.constants == {"fc.weight": ("fc.weight",)}
    assert audit_onnx(path).inputs == {"x": (4, 16, 64)}


def test_weights_that_are_listed_as_inputs_are_none(tmp_path: Path) -> None:
    model = linear()
    model.graph.input.append(helper.make_tensor_value_info("fc.weight", TensorProto.FLOAT16, [64, 32]))
    onnx.save(model, tmp_path / "m.onnx")
    assert audit_onnx(tmp_path / "m.onnx").inputs == {"x": (4, 16, 64)}


def test_an_unused_input_of_unknown_shape_is_left_out(tmp_path: Path) -> None:
    model = linear()
    model.graph.input.append(helper.make_tensor_value_info("r", TensorProto.FLOAT16, None))
    onnx.save(model, tmp_path / "m.onnx")
    assert audit_onnx(tmp_path / "m.onnx").inputs == {"x": (4, 16, 64)}


def test_external_data_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(linear(), path, save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").unlink()
    assert audit_onnx(path).onnx_flops == 2 * 4 * 16 * 64 * 32


def test_small_external_tensors_are_read_because_they_may_be_shapes(tmp_path: Path) -> None:
    model = linear()
    model.graph.node[0].input[0] = "x4"
    model.graph.node.insert(0, helper.make_node("Reshape", ["x", "shape"], ["x4"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 2, 16, 64]), "shape"))
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    assert read_graph(path).shape("y") == (2, 2, 16, 32)


def test_stale_shapes_in_the_file_do_not_win(tmp_path: Path) -> None:
    model = linear()
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    assert read_graph(path).shape("y") == (4, 16, 32)


def test_dynamic_batch_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(linear("batch"), path)
    with pytest.raises(
        ArtifactError, match=r"input 'x' has the dynamic shape \[batch, 16, 64\]: .*--shape x=Nx16x64"
    ):
        read_graph(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"m\.onnx: .*ONNX"):
        read_graph(path)


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes((GOLDEN / "fp16.onnx").read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="truncated"):
        read_graph(path)


def test_missing_file_and_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such ONNX file"):
        read_graph(tmp_path / "none.onnx")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_graph(tmp_path)


def test_expand_with_a_computed_shape(tmp_path: Path) -> None:
    """As torch writes class tokens: Where(Equal(shape, -1), ones, shape), which ONNX does not infer."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["batch1"]),
        helper.make_node("Concat", ["batch1", "minus", "minus"], ["want"], axis=0),
        helper.make_node(
            "ConstantOfShape", ["three"], ["ones"], value=numpy_helper.from_array(np.array([1]))
        ),
        helper.make_node("Mul", ["ones", "minus"], ["minuses"]),
        helper.make_node("Equal", ["want", "minuses"], ["keep"]),
        helper.make_node("Where", ["keep", "ones", "want"], ["target"]),
        helper.make_node("Expand", ["token", "target"], ["tokens"]),
        helper.make_node("Concat", ["tokens", "x"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weight"], ["y"], name="fc1"),
    ]
    constants = {
        "zero": np.array(0),
        "axes": np.array([0]),
        "minus": np.array([-1]),
        "three": np.array([3]),
        "token": np.zeros((1, 1, 64), np.float16),
        "weight": np.zeros((64, 32), np.float16),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [4, 16, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    assert read_graph(path).shape("y") == (4, 17, 32)


def test_a_product_of_unknown_shape_is_not_counted_and_said(tmp_path: Path) -> None:
    model = linear()
    model.graph.node[0].input[0] = "unknown"
    model.graph.node.insert(0, helper.make_node("Mystery", ["x"], ["unknown"], name="m", domain="acme"))
    model.opset_import.append(helper.make_opsetid("acme", 1))
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    (finding,) = audit_onnx(path).findings
    assert finding.code == "PRODUCTS_NOT_COUNTED"
    assert "1 of unknown shape behind m (acme::Mystery)" in finding.message


def windows(size: int, window: int) -> onnx.ModelProto:
    """Windows of an image as Swin makes them: padded to a multiple, by Mod, Div, Ceil and a Transpose."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "side"], ["h"]),
        helper.make_node("Mod", ["h", "window"], ["rest"]),
        helper.make_node("Sub", ["window", "rest"], ["missing"]),
        helper.make_node("Mod", ["missing", "window"], ["pad"]),
        helper.make_node("Unsqueeze", ["pad", "first"], ["pad1"]),
        helper.make_node("Concat", ["zeros", "pad1", "none", "pad1", "none", "none"], ["flat"], axis=0),
        helper.make_node("Reshape", ["flat", "pairs"], ["by_side"]),
        helper.make_node("Transpose", ["by_side"], ["by_end"], perm=[1, 0]),
        helper.make_node("Reshape", ["by_end", "minus"], ["pads"]),
        helper.make_node("Pad", ["x", "pads"], ["padded"]),
        helper.make_node("Cast", ["h"], ["hf"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["hf", "windowf"], ["ratio"]),
        helper.make_node("Ceil", ["ratio"], ["up"]),
        helper.make_node("Cast", ["up"], ["number"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["number", "first"], ["n1"]),
        helper.make_node("Concat", ["minus", "n1", "w1", "n1", "w1", "c1"], ["shape"], axis=0),
        helper.make_node("Reshape", ["padded", "shape"], ["cut"]),
        helper.make_node("MatMul", ["cut", "weight"], ["y"], name="fc1"),
    ]
    constants = {
        "side": np.array(1),
        "window": np.array(window),
        "windowf": np.array(window, np.float32),
        "first": np.array([0]),
        "zeros": np.array([0, 0, 0]),
        "none": np.array([0]),
        "pairs": np.array([4, 2]),
        "minus": np.array([-1]),
        "w1": np.array([window]),
        "c1": np.array([16]),
        "weight": np.zeros((16, 32), np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, size, size, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def test_computed_pads_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(windows(50, 7), path)
    assert read_graph(path).shape("y") == (2, 8, 7, 8, 7, 32)
    assert audit_onnx(path).onnx_flops == 2 * 2 * 56 * 56 * 16 * 32


def external(model: onnx.ModelProto, tensor: str, location: str, length: int) -> onnx.ModelProto:
    """Say that the data of ``tensor`` lies in another file."""
    (found,) = (each for each in model.graph.initializer if each.name == tensor)
    found.ClearField("raw_data")
    found.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(length))):
        found.external_data.add(key=key, value=value)
    return model


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("gone.data", r"gone\.data: cannot be read \(No such file"),
        ("short.data", r"short\.data: ends before byte 24"),
        ("../short.data", "which is not a path inside its folder"),
        ("/short.data", "which is not a path inside its folder"),
    ],
)
def test_a_shape_in_another_file_that_is_not_there_is_one_line(
    location: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "short.data").write_bytes(b"12345678")
    path = tmp_path / "m.onnx"
    onnx.save(external(windows(50, 7), "zeros", location, 24), path)
    for read in (audit_onnx, lint):
        with pytest.raises(ArtifactError, match=words):
            read(path)


@pytest.mark.parametrize(("key", "value"), [("length", "23"), ("offset", "-8"), ("offset", "x")])
def test_data_in_another_file_have_the_size_of_their_tensor(key: str, value: str, tmp_path: Path) -> None:
    model = external(windows(50, 7), "zeros", "m.data", 24)
    tensor = next(each for each in model.graph.initializer if each.name == "zeros")
    tensor.external_data.add(key=key, value=value)
    (tmp_path / "m.data").write_bytes(bytes(64))
    onnx.save(model, tmp_path / "m.onnx")
    for read in (audit_onnx, lint):
        with pytest.raises(ArtifactError, match=r"takes 24 bytes, not|contradicts itself"):
            read(tmp_path / "m.onnx")


@pytest.mark.parametrize("kind", ["outside", "FIFO", "folder"])
def test_data_are_read_from_a_regular_file_in_the_folder_of_the_model_alone(
    kind: str, tmp_path: Path
) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    data = folder / "m.data"
    if kind == "outside":
        (tmp_path / "secret").write_bytes(bytes(24))
        data.symlink_to("../secret")
    elif kind == "FIFO":
        os.mkfifo(data)
    else:
        data.mkdir()
    onnx.save(external(windows(50, 7), "zeros", "m.data", 24), folder / "m.onnx")
    with pytest.raises(ArtifactError, match=r"m\.data: cannot be read \("):
        audit_onnx(folder / "m.onnx")


def test_a_shape_in_a_linked_file_is_read(tmp_path: Path) -> None:
    model = windows(50, 7)
    (zeros,) = (each for each in model.graph.initializer if each.name == "zeros")
    (tmp_path / "blob").write_bytes(zeros.raw_data)
    (tmp_path / "m.data").symlink_to("blob")
    onnx.save(external(model, "zeros", "m.data", 24), tmp_path / "m.onnx")
    assert read_graph(tmp_path / "m.onnx").shape("y") == (2, 8, 7, 8, 7, 32)


def test_a_stated_zero_is_static(tmp_path: Path) -> None:
    model = linear()
    model.graph.input.append(helper.make_tensor_value_info("past", TensorProto.FLOAT16, [2, 0, 64]))
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    assert read_graph(path).shape("past") == (2, 0, 64)
    check_profiles(path, source_of(path).inputs, ())


def test_an_input_that_is_an_output_keeps_its_shape(tmp_path: Path) -> None:
    model = linear()
    model.graph.output.append(model.graph.input[0])
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    assert len(audit_onnx(path).layers) == 1
