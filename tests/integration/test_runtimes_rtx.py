"""An engine that the real compiler built, in the real runtime of TensorRT-RTX."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbench.build import build
from trtbench.errors import MeasureError, RuntimeUnavailable
from trtbench.host.hardware import read_gpus
from trtbench.runtimes import open_runtime
from trtbench.specs import ArmSpec, BuildSpec
from trtbench.store.artifacts import Store


def _has_driver() -> bool:
    try:
        return bool(read_gpus())
    except RuntimeUnavailable:
        return False


@pytest.mark.skipif(_has_driver(), reason="shows what is said where there is no driver")
def test_without_a_driver_loading_fails_in_one_line(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, (4, 64)) for name in ("x", "y")]
    weight = numpy_helper.from_array(np.ones((64, 64), np.float16), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="/fc/MatMul")]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "fc.onnx")
    engine, _ = build(tmp_path / "fc.onnx", BuildSpec(), Store(tmp_path))
    arm = ArmSpec(
        label="fc",
        runtime="tensorrt_rtx",
        recipe=None,
        export=None,
        artifact=str(engine.payload),
        artifact_sha256=engine.manifest.files[0].sha256,
    )
    with pytest.raises(MeasureError) as failure:
        open_runtime(arm, 0, True)
    beginning, _, words = str(failure.value).partition(" cannot load this engine here: ")
    assert beginning == f"model.engine: TensorRT-RTX {engine.manifest.backend_version}"
    assert "CUDA driver version is insufficient" in words
    assert "\n" not in words
