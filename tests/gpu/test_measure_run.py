"""A whole run on a GPU through the command line: names, clocks, energy, verdicts, and A against A."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu

TRTBENCH = [sys.executable, "-c", "from trtbench.cli import main; main()"]
MODEL = ["--model", "vit_tiny_patch16_224", "--set", "depth=2", "--batch", "8"]
QUICK = ["--duration-s", "1.5", "--block-ms", "100", "--warmup-ms", "200"]


def run(*arguments, folder):
    process = subprocess.run([*TRTBENCH, *arguments], capture_output=True, text=True, timeout=500, cwd=folder)
    assert process.returncode == 0, process.stderr + process.stdout
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gpu")


@pytest.fixture(scope="module")
def comparison(folder):
    return run("compare", "fp32", "fp16", *MODEL, "--runtime", "torch", *QUICK, "--json", folder=folder)


def test_the_gpu_is_named_and_watched(comparison):
    for row in comparison["rows"]:
        measured, telemetry = row["measured"], row["measured"]["telemetry"]
        assert comparison["target"]["gpu"] == measured["gpu"]
        assert telemetry["sm_clock_mhz"] > 0
        assert telemetry["power_w"] > 0
        assert telemetry["energy_per_image_j"] > 0
        assert measured["facts"]["cuda_graph"] == "captured"
        assert measured["facts"]["graph_kernels"] > 10
        assert measured["facts"]["l2_bytes"] > 2**20
        assert "FOREIGN_PROCESS" not in {finding["code"] for finding in measured["findings"]}


def test_there_is_a_verdict_on_fp16(comparison):
    (verdict,) = comparison["verdicts"]
    assert verdict["series"] == "gpu_compute_ms"
    assert verdict["verdict"] != "INCOMPARABLE", verdict["reason"]


def test_the_result_is_stored_with_its_blocks(comparison, folder):
    (stored,) = Path(folder).glob("results/compare-*.json")
    again = run("compare", "--from", str(stored), "--json", folder=folder)
    assert again["verdicts"][0]["ratio"] == pytest.approx(comparison["verdicts"][0]["ratio"])


def test_an_arm_against_itself(folder):
    arguments = ["compare", "--aa", "fp16", *MODEL, "--runtime", "torch", "--comparisons", "5", *QUICK]
    report = run(*arguments, "--json", folder=folder)
    assert report["comparisons"] == 5
    assert report["gpu"]
    assert report["half_width"] < 0.5
