"""Recipes compared by standard TensorRT and trtexec: the export is real, compiler and GPU are doubles."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.scripted import FAST
from support.tensorrt_machine import ScriptedWorker, install_gpu, install_tensorrt, install_trtexec

from trtbench.cli.app import app as cli

MODEL = ["--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "4"]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exports are made once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], store: Path) -> Run:
    """Compare recipes of a small model on a machine with a GPU, and give the JSON."""
    install_gpu(monkeypatch)
    monkeypatch.setattr("trtbench.measure.timers.ArmProcess", ScriptedWorker)

    def run(*arguments: str) -> dict[str, Any]:
        words = ["trtbench", "compare", *MODEL, *FAST, "--store", str(store), "--json", *arguments]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capfd.readouterr()
        assert not ended.value.code, output.out + output.err
        comparison: dict[str, Any] = json.loads(output.out)
        return comparison

    return run


def told(comparison: dict[str, Any]) -> list[tuple[str, str, str, float]]:
    """Recipe, runtime, compiler and median of each row."""
    return [
        (
            row["recipe"],
            row["runtime"],
            row["engine"]["backend"],
            row["measured"]["series"]["gpu_compute_ms"]["median"],
        )
        for row in comparison["rows"]
    ]


@pytest.mark.parametrize("version", ["10.14.1.48", "11.2.1.2"])
def test_recipes_are_built_and_timed_by_trtexec(
    version: str, compare: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, version)
    comparison = compare("fp16", "nvfp4", "--runtime", "trtexec")
    assert told(comparison) == [("fp16", "trtexec", "trtexec", 5.25), ("nvfp4", "trtexec", "trtexec", 5.25)]
    assert comparison["target"] == {"sm": "sm120", "gpu": "RTX PRO 6000"}
    (verdict,) = comparison["verdicts"]
    assert (verdict["baseline"], verdict["arm"], verdict["verdict"]) == ("fp16", "nvfp4", "SAME")


@pytest.mark.parametrize("version", ["tensorrt-10.14.1.48.post1", "tensorrt-11.0.0.114"])
def test_in_a_container_of_nvidia_tensorrt_builds_and_times(
    version: str, compare: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    install_tensorrt(monkeypatch, tmp_path, version)
    comparison = compare("fp16", "nvfp4", "--optimization-level", "4")
    assert told(comparison) == [("fp16", "tensorrt", "tensorrt", 5.5), ("nvfp4", "tensorrt", "tensorrt", 5.5)]
    assert {row["engine"]["backend_version"] for row in comparison["rows"]} == {version.partition("-")[2]}


def test_several_batches_are_built_and_timed_each_without_a_runtime_being_named(
    compare: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.14.1.48.post1")
    sweep = compare("fp16", "nvfp4", "--batch", "8,4")
    assert (sweep["kind"], [point["batch"] for point in sweep["points"]]) == ("sweep", [8, 4])
    for point in sweep["points"]:
        assert told(point) == [("fp16", "tensorrt", "tensorrt", 5.5), ("nvfp4", "tensorrt", "tensorrt", 5.5)]
        assert [verdict["verdict"] for verdict in point["verdicts"]] == ["SAME"]
        assert point["not_timed"] is None


def test_engines_of_tensorrt_are_timed_by_both_and_the_methods_compared(
    compare: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.16.1.11")
    install_trtexec(monkeypatch, tmp_path, "10.16.1.11")
    runtimes = ["--runtime", "tensorrt", "--runtime", "trtexec"]
    comparison = compare("fp16", "nvfp4", "--backend", "tensorrt", *runtimes)
    assert told(comparison) == [
        ("fp16", "tensorrt", "tensorrt", 5.5),
        ("fp16", "trtexec", "tensorrt", 5.25),
        ("nvfp4", "tensorrt", "tensorrt", 5.5),
        ("nvfp4", "trtexec", "tensorrt", 5.25),
    ]
    codes = [{finding["code"] for finding in row["measured"]["findings"]} for row in comparison["rows"]]
    assert ["TRTEXEC_DISAGREES" in found for found in codes] == [False, True, False, True]


def test_every_runtime_has_its_own_compiler(
    compare: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.16.1.11")
    install_trtexec(monkeypatch, tmp_path, "10.16.1.11")
    comparison = compare("fp16", "--runtime", "tensorrt", "--runtime", "trtexec")
    assert told(comparison) == [("fp16", "tensorrt", "tensorrt", 5.5), ("fp16", "trtexec", "trtexec", 5.25)]
    assert "TRTEXEC_DISAGREES" not in json.dumps(comparison)
