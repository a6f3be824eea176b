"""A search with the real exporter, compiler and worker processes, killed on the way."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "if __name__ == '__main__': from trtbench.cli.app import main; main()"]
MODEL = ["vit_tiny_patch16_224", "--set", "depth=5", "--img-size", "32", "--batch", "4,1"]
# Few passes, since the search leaves out each.
PASSES = ["--passes", "split_qkv,class_token_norm"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def command(folder):
    # A GPU without FP4 has fewer recipes.
    return [*PROGRAM, "tune", *MODEL, *PASSES, "--gpu", "l40s", "--store", str(folder), "--json"]


def lines_of(folder):
    journals = (folder / "results" / "tune").glob("*.jsonl")
    lines = [json.loads(text) for path in journals for text in path.read_text().splitlines()]
    return [(line["part"], line["recipe"], *line["change"].values()) for line in lines]


def children_of(pid):
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.add(int(status.parent.name))
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def killed(folder, command):
    """What was finished when the program was killed, after its workers are gone."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(lines_of(folder)) < 3 and process.poll() is None:
        time.sleep(0.2)
    workers = children_of(process.pid)
    process.kill()
    process.wait()
    until = time.monotonic() + 30
    while any(map(is_running, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert workers
    assert not any(map(is_running, workers))
    return lines_of(folder)


@pytest.fixture(scope="module")
def tuning(killed, command):
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_killed_search_takes_up_what_it_finished(folder, killed, tuning):
    lines = lines_of(folder)
    assert len(killed) >= 3
    assert lines.count(killed[0]) == 1
    assert len(set(lines)) == len(lines)
    # The first of both journals are those that were there before.
    assert set(killed) <= set(lines)


def test_estimates_hold_for_the_whole_model(tuning):
    assert tuning["candidates"] == 2**5 * 2
    confirmed = [row for row in tuning["rows"] if row["status"] == "ok"]
    assert len(confirmed) >= 3
    assert tuning["time_error_pct"] < 2
    assert tuning["sqnr_error_db"] < 2
    for row in confirmed:
        low, high = row["prediction"]["interval_ms"]
        assert 0 < low < row["prediction"]["gpu_compute_ms"] < high


def test_one_thing_of_the_winner_is_changed_at_a_time(tuning):
    winner = next(row for row in tuning["rows"] if row["recipe"] == tuning["winner"])
    sparse = next(each for each in tuning["variants"] if "+sparse" in each["recipe"])
    assert {each["without"] for each in tuning["variants"]} <= {*PASSES[1].split(","), None}
    assert all(each["reason"] is None and each["kernels"] > 0 for each in tuning["variants"])
    assert sparse["fidelity"]["sqnr_db"] < winner["fidelity"]["sqnr_db"] - 3
    assert "TensorRT-RTX runs 2:4 weights as dense ones" in sparse["note"]


def test_a_smaller_batch_has_its_own_rate_and_memory(tuning):
    of_winner = [each for each in tuning["shapes"] if each["recipe"] == tuning["winner"]]
    four, one = sorted(of_winner, key=lambda each: -each["batch"])
    assert (four["batch"], one["batch"], one["tokens"]) == (4, 1, 5)
    assert one["prediction"]["images_per_s"] < four["prediction"]["images_per_s"]
    assert one["activation_bytes"] < four["activation_bytes"]


def test_confirmed_recipes_are_in_the_store_and_nothing_else_is(folder, tuning):
    recipes = {row["recipe"] for row in tuning["rows"]}
    for kind, also in (("models", {"fp32"}), ("engines", set())):
        manifests = [json.loads(path.read_text()) for path in (folder / kind).glob("*/manifest.json")]
        specs = [manifest["spec"] if kind == "models" else manifest["export"] for manifest in manifests]
        assert {spec["recipe"] for spec in specs} == recipes | also
    assert not [path for path in (folder / "results" / "tune").iterdir() if path.is_dir()]


def test_a_second_search_makes_nothing(folder, tuning, command):
    before = lines_of(folder)
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(run.stdout) == tuning
    assert run.stderr == ""
    assert lines_of(folder) == before
