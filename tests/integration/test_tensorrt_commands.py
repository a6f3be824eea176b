"""Recipes compared by standard TensorRT and trtexec: the export is real, compiler and GPU are doubles."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.scripted import FAST
from support.tensorrt_machine import ScriptedWorker, install_gpu, install_tensorrt, install_trtexec

from trtbench.store.artifacts import Store

MODEL = ["--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "4"]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def compare(
    monkeypatch: pytest.MonkeyPatch, trtbench: Callable[..., tuple[int, str, str]], store: Store
) -> Run:
    """Compare recipes of a small model on a machine with a GPU, and give the JSON."""
    install_gpu(monkeypatch)
    monkeypatch.setattr("trtbench.measure.timers.ArmProcess", ScriptedWorker)

    def run(*arguments: str) -> dict[str, Any]:
        code, out, err = trtbench("compare", *MODEL, *FAST, "--store", store.root, "--json", *arguments)
        assert not code, out + err
        comparison: dict[str, Any] = json.loads(out)
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
    assert comparison["gpu"] == "RTX PRO 6000"
    assert {tuple(row["targets"]) for row in comparison["rows"]} == {("sm120",)}
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
    comparison = compare("fp16", "nvfp4", "--batch", "8,4")
    assert {(row["recipe"], row["batch"]) for row in comparison["rows"]} == {
        (recipe, batch) for recipe in ("fp16", "nvfp4") for batch in (8, 4)
    }
    assert {row[1:] for row in told(comparison)} == {("tensorrt", "tensorrt", 5.5)}
    assert [verdict["verdict"] for verdict in comparison["verdicts"]] == ["SAME", "SAME"]
    assert comparison["not_timed"] is None


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
