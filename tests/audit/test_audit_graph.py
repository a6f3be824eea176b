from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbench.audit import audit_onnx
from trtbench.audit.graph import read_graph
from trtbench.errors import ArtifactError

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


def test_a_shape_that_nothing_tells_is_an_error_with_the_tensor(tmp_path: Path) -> None:
    model = linear()
    model.graph.node[0].input[0] = "unknown"
    model.graph.node.insert(0, helper.make_node("Mystery", ["x"], ["unknown"], domain="acme"))
    model.opset_import.append(helper.make_opsetid("acme", 1))
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    with pytest.raises(
        ArtifactError, match="'unknown' cannot be inferred: ONNX does not know the operator acme::Mystery"
    ):
        audit_onnx(path)
