"""No package that trtbench loads reports what its users do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

LOAD = """
import trtbench
import onnxruntime
from onnx import TensorProto, helper
x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


def test_onnxruntime_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    unset = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    subprocess.run([sys.executable, "-c", LOAD], check=True, env={**environment, "HOME": str(tmp_path)})
    assert list(tmp_path.rglob("*")) == []


def test_compiled_code_is_kept_in_a_folder_of_the_user(tmp_path: Path) -> None:
    """torch's own choice, /tmp/torchinductor_NAME, could be made first by another user."""
    unset = ("TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    code = (
        "import trtbench; from torch._inductor.runtime.cache_dir_utils import cache_dir; print(cache_dir())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == f"{tmp_path}/.cache/trtbench/torchinductor"
