"""A GPU that TensorRT-RTX has no target for: what fails is the row of TensorRT-RTX, not the comparison."""

import json
import sys
from pathlib import Path

import pytest
from support.tensorrt_machine import install_gpu

from trtbench.cli.app import app as cli

QUICK = ["--duration-s", "0.3", "--block-ms", "30", "--warmup-ms", "20", "--processes", "1"]


def test_other_runtimes_are_timed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    install_gpu(monkeypatch, NVIDIA_H200="9.0")
    monkeypatch.chdir(tmp_path)
    model = ["--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "1"]
    runtimes = ["--runtime", "tensorrt_rtx", "--runtime", "onnxruntime-cpu"]
    monkeypatch.setattr(sys, "argv", ["trtbench", "compare", "fp16", *model, *runtimes, *QUICK, "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    output = capfd.readouterr()
    assert ended.value.code == 1, output.err
    rtx, cpu = json.loads(output.out)["rows"]
    assert (rtx["status"], rtx["engine"], cpu["status"]) == ("failed", None, "ok")
    assert rtx["reason"].startswith(
        "TensorRT-RTX has no target for this machine's GPU, NVIDIA H200 (sm90), only"
    )
    assert cpu["measured"]["series"]["host_wall_ms"]["median"] > 0
