"""Graphs with a dynamic batch, made of two with a static one."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbench.errors import ExportError
from trtbench.export.graph.dynamic_batch import with_dynamic_batch

TOKENS, WIDTH = 3, 4


def tokens_of_images(batch: int) -> onnx.ModelProto:
    """A class token in front of each image's tokens, in one matrix and back, as passes leave it."""
    token = np.arange(WIDTH, dtype=np.float32).reshape(1, 1, WIDTH)
    constants = {
        "token": token,
        "repeat": np.array([batch, 1, 1]),
        "rows": np.array([batch * (TOKENS + 1), WIDTH]),
        "tokens": np.array([batch, TOKENS + 1, -1]),
    }
    nodes = [
        helper.make_node("Expand", ["token", "repeat"], ["all"], "expand"),
        helper.make_node("Concat", ["all", "images"], ["joined"], "join", axis=1),
        helper.make_node("Reshape", ["joined", "rows"], ["flat"], "flatten"),
        helper.make_node("Relu", ["flat"], ["positive"], "relu"),
        helper.make_node("Reshape", ["positive", "tokens"], ["out"], "restore"),
    ]
    return model_of(nodes, constants, batch, (batch, TOKENS + 1, WIDTH))


def model_of(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], batch: int, out: tuple[int, ...]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (batch, TOKENS, WIDTH))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


def run(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": images})
    return np.asarray(found)


def test_one_graph_computes_what_the_static_graph_of_each_batch_does() -> None:
    dynamic = with_dynamic_batch(tokens_of_images, 8)
    for batch in (1, 5, 8):
        images = np.random.default_rng(batch).standard_normal((batch, TOKENS, WIDTH), np.float32)
        assert np.array_equal(run(dynamic, images), run(tokens_of_images(batch), images))


def test_nothing_but_the_batch_is_open() -> None:
    dynamic = with_dynamic_batch(tokens_of_images, 8)
    operators = [node.op_type for node in dynamic.graph.node]
    assert operators == ["Shape", "Concat", "Expand", "Concat", "Reshape", "Relu", "Reshape"]
    for value in (*dynamic.graph.input, *dynamic.graph.output):
        first, *others = value.type.tensor_type.shape.dim
        assert first.dim_param == "batch"
        assert all(dim.dim_value for dim in others)


def test_a_constant_that_follows_the_batch_in_another_way_is_refused() -> None:
    def graph(batch: int) -> onnx.ModelProto:
        nodes = [helper.make_node("Expand", ["images", "shape"], ["out"], "expand")]
        return model_of(nodes, {"shape": np.array([batch * batch, 1, 1])}, batch, (batch, TOKENS, WIDTH))

    with pytest.raises(ExportError, match="the batch cannot be dynamic: shape is not a multiple of it"):
        with_dynamic_batch(graph, 4)
