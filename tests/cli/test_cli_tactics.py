"""Timings of tactics from the command line: which a build shared, and what is shown of an engine."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from support.tensorrt_machine import install_gpu, install_tensorrt, write_model
from support.trt_api import VERSIONS

Run = Callable[..., tuple[int, str, str]]
TENSORRT = [version for version in VERSIONS if version.startswith("tensorrt-")]


@pytest.fixture(params=TENSORRT, autouse=True)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A GPU, a version of TensorRT, and ``m.onnx``."""
    install_gpu(monkeypatch)
    install_tensorrt(monkeypatch, tmp_path, request.param)
    write_model(tmp_path / "m.onnx")


def test_which_timings_an_engine_shared_is_in_its_manifest(trtbench: Run) -> None:
    shared = ("--backend", "tensorrt", "--timing-cache", "shared", "--json")
    first = json.loads(trtbench("build", "m.onnx", *shared)[1])
    (cache,) = Path("engines/timing-caches").glob("*.cache")
    before = {"name": cache.name, "sha256": sha256(cache.read_bytes()).hexdigest(), "size_bytes": 4}
    second = json.loads(trtbench("build", "m.onnx", *shared, "--tiling", "fast")[1])
    assert (first["timing_cache"]["size_bytes"], second["timing_cache"]) == (0, before)
    assert json.loads(trtbench("build", "m.onnx", "--json")[1])["timing_cache"] is None


def test_inspect_shows_the_tactics_that_were_timed(trtbench: Run) -> None:
    code, _, err = trtbench("build", "m.onnx", "--backend", "tensorrt", "--tactic-table")
    assert code == 0, err
    (engine,) = Path("engines").glob("m-*")
    assert "timed for 1 operator: a sparse kernel was offered for 0" in trtbench("inspect", engine)[1]
    assert "\n  runner-up  0.0119 ms  sm80_xmma_gemm_" in trtbench("inspect", engine, "--layers")[1]
    (choice,) = json.loads(trtbench("inspect", engine, "--json")[1])["tactics"]
    assert (choice["operator"], len(choice["tactics"])) == ("matMul1", 3)
