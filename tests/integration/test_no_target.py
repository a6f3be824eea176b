"""A GPU that TensorRT-RTX has no target for: what fails is the row of TensorRT-RTX, not the comparison."""

import json
from collections.abc import Callable

import pytest
from support.tensorrt_machine import install_gpu

QUICK = ["--duration-s", "0.3", "--block-ms", "30", "--warmup-ms", "20", "--processes", "1"]


def test_other_runtimes_are_timed(
    monkeypatch: pytest.MonkeyPatch, trtbench: Callable[..., tuple[int, str, str]]
) -> None:
    install_gpu(monkeypatch, NVIDIA_H200="9.0")
    model = ["--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "1"]
    runtimes = ["--runtime", "tensorrt_rtx", "--runtime", "onnxruntime-cpu"]
    code, out, err = trtbench("compare", "fp16", *model, *runtimes, *QUICK, "--json")
    assert code == 1, err
    rtx, cpu = json.loads(out)["rows"]
    assert (rtx["status"], rtx["engine"], cpu["status"]) == ("failed", None, "ok")
    assert rtx["reason"].startswith(
        "TensorRT-RTX has no target for this machine's GPU, NVIDIA H200 (sm90), only"
    )
    assert cpu["measured"]["series"]["host_wall_ms"]["median"] > 0
