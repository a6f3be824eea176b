"""A whole run on a GPU through the command line: names, clocks, energy, verdicts, and A against A."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from trtbench.measure.summarise import POWER_CAPPED_SHARE, power_capped_share
from trtbench.results import TimedBlock
from trtbench.store.journal import read_journal

pytestmark = pytest.mark.gpu

TRTBENCH = [sys.executable, "-c", "from trtbench.cli.app import main; main()"]
MODEL = ["--model", "vit_tiny_patch16_224", "--set", "depth=2", "--batch", "8"]
# A process is mostly the import of torch.
QUICK = ["--processes", "2", "--duration-s", "1.5", "--block-ms", "100", "--warmup-ms", "200"]
POWER_CAP_S, POWER_CAP_PROCESSES = 9, 3


def run(*arguments, folder):
    process = subprocess.run([*TRTBENCH, *arguments], capture_output=True, text=True, timeout=500, cwd=folder)
    assert process.returncode == 0, process.stderr + process.stdout
    return json.loads(process.stdout)


@pytest.fixture(scope="module", autouse=True)
def _packages():
    for package in ("torch", "timm"):
        pytest.importorskip(package)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gpu")


@pytest.fixture(scope="module")
def comparison(folder):
    return run("compare", "fp32", "fp16", *MODEL, "--runtime", "torch", *QUICK, "--json", folder=folder)


def test_the_gpu_is_named_and_watched(comparison, folder):
    for row in comparison["rows"]:
        measured, telemetry = row["measured"], row["measured"]["telemetry"]
        assert comparison["gpu"] == measured["gpu"]
        assert telemetry["sm_clock_mhz"] > 0
        assert telemetry["power_w"] > 0
        assert telemetry["energy_per_image_j"] > 0
        assert measured["facts"]["cuda_graph"] == "captured"
        assert measured["facts"]["graph_kernels"] > 10
        assert measured["facts"]["l2_bytes"] > 2**20
        # Other tests in this process may have opened the GPU; nobody else has.
        blocks = Path(folder, "results", measured["raw"])
        foreign = {pid for block in read_journal(blocks, TimedBlock) for pid in block.telemetry.foreign_pids}
        assert foreign <= {os.getpid()}


def test_there_is_a_verdict_on_fp16(comparison):
    (verdict,) = comparison["verdicts"]
    assert verdict["series"] == "gpu_compute_ms"
    assert verdict["verdict"] != "INCOMPARABLE", verdict["reason"]


def test_the_result_is_stored_with_its_blocks(comparison, folder):
    (stored,) = Path(folder).glob("results/compare-*.json")
    again = run("compare", "--from", str(stored), "--json", folder=folder)
    assert again["verdicts"][0]["ratio"] == pytest.approx(comparison["verdicts"][0]["ratio"])


def test_under_the_power_cap_zeros_are_timed_apart(tmp_path, record_property):
    """ViT-B/16 in FP16 at batch 64 runs into the power cap of an H200; of other GPUs this may not be true."""
    arguments = ["bench", "fp16", "--model", "vit_base_patch16_224", "--batch", "64", "--runtime", "torch"]
    protocol = ["--duration-s", str(POWER_CAP_S), "--processes", str(POWER_CAP_PROCESSES)]
    measured = run(*arguments, *protocol, "--json", folder=tmp_path)
    journals = (tmp_path / "results" / measured["raw"]).parent
    ordinary, on_zeros = (
        read_journal(journals / name, TimedBlock) for name in ("blocks.jsonl", "constant_blocks.jsonl")
    )
    share = power_capped_share(ordinary)
    state = {each: median(block.telemetry.sm_clock_mhz) for each, block in enumerate(on_zeros)}
    found = [each for each in measured["findings"] if each["code"] == "INPUT_DEPENDENT_POWER"]
    record_property("power_capped_share", share)
    print(f"power cap for {share:.0%}; on zeros {len(on_zeros)} blocks, MHz {state}; {found}")  # noqa: T201
    assert measured["status"] == "ok"
    assert measured["blocks"] == len(ordinary)
    if share <= POWER_CAPPED_SHARE:
        assert (on_zeros, found) == ([], [])
        pytest.skip("the power cap is not reached on this GPU")
    assert 2 <= len(on_zeros) == len({block.process for block in on_zeros}) <= POWER_CAP_PROCESSES
    assert {series for block in on_zeros for series in block.samples} == {"gpu_compute_ms"}
    assert all(block.telemetry.power_w for block in on_zeros)
    # Lead-in, images and proof take about as long again as the watched block.
    assert sum(block.telemetry.duration_s for block in on_zeros) < 0.05 * POWER_CAP_S
    images_ms = measured["series"]["gpu_compute_ms"]["median"]
    zeros_ms = median(median(block.samples["gpu_compute_ms"]) for block in on_zeros)
    print(f"images {images_ms:.4f} ms, zeros {zeros_ms:.4f} ms, {images_ms / zeros_ms:.4f}x")  # noqa: T201
    # Beyond its first layer a ViT multiplies the same kind of values whatever the input is.
    assert 0.97 < images_ms / zeros_ms < 1.3
    if found:
        assert found[0]["numbers"]["ci95_low"] > 1
        assert found[0]["numbers"]["constants_speedup"] == pytest.approx(images_ms / zeros_ms, rel=0.01)


def test_an_arm_against_itself(folder):
    arguments = ["bench", "fp16", *MODEL, "--runtime", "torch", "--aa", "3", *QUICK]
    report = run(*arguments, "--json", folder=folder)
    assert report["comparisons"] == 3
    assert report["gpu"]
    assert report["half_width"] < 0.5
