"""Reading an ONNX file past its weights, against protobuf's own reader."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, helper, numpy_helper

from trtbench.onnx_files.without_weights import load_without_weights


def model_with_weights() -> ModelProto:
    initializers = [
        numpy_helper.from_array(np.ones((64, 32), np.float16), "large"),
        numpy_helper.from_array(np.array([4, -1, 32], np.int64), "shape"),
        helper.make_tensor("typed", TensorProto.FLOAT, [600], np.ones(600, np.float32)),
    ]
    nodes = [helper.make_node("LayerNormalization", ["x", "large"], ["y"], name="n", epsilon=1e-6, axis=-1)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [4, 16, 64])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [4, 16, 64])]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, initializers))


def test_all_but_the_data_of_large_tensors_is_read(tmp_path: Path) -> None:
    model, path = model_with_weights(), tmp_path / "m.onnx"
    onnx.save(model, path)
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[2].ClearField("float_data")
    assert load_without_weights(path) == model


def test_a_file_cut_short_anywhere_is_read_as_protobuf_reads_it(tmp_path: Path) -> None:
    model, path = model_with_weights(), tmp_path / "m.onnx"
    del model.graph.initializer[0], model.graph.initializer[1]
    content = model.SerializeToString()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            expected = ModelProto.FromString(content[:length])
        except DecodeError:
            with pytest.raises(DecodeError):
                load_without_weights(path)
        else:
            assert load_without_weights(path) == expected
