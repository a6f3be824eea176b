"""Timing as a user runs it: killed and resumed, and a real model on a CPU from recipe to verdict."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from support.grids import exports
from support.scripted import write_script

from trtbench.build.choice import build_spec_for
from trtbench.build.engine import engine_id
from trtbench.compare.cells import cells_of
from trtbench.compare.make import make
from trtbench.compare.places import Place
from trtbench.measure.arms import arm_of_engines
from trtbench.progress import silent
from trtbench.specs import BuildRequest, BuildSpec, Grid
from trtbench.store.artifacts import Store
from trtbench.store.results import load_result

PROGRAM = [sys.executable, "-c", "from trtbench.cli.app import main; main()"]
MODEL = ["--model", "vit_tiny_patch16_224", "--set", "depth=1"]
QUICK = ["--duration-s", "0.3", "--block-ms", "30", "--warmup-ms", "20", "--processes", "2"]


def run(*arguments, folder, code=0):
    process = subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=folder
    )
    assert process.returncode == code, process.stderr
    return process


def journal_lines(path):
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


class TestKilledAndResumed:
    """SIGKILL in the second process round; then the same command again."""

    ARGUMENTS = ("compare", "a.json", "b.json", "--runtime", "fake", "--duration-s", "3", "--block-ms", "50")

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("killed")
        write_script(folder, "a", noise=0.02)
        write_script(folder, "b", 1.2, noise=0.02)
        return folder

    @pytest.fixture(scope="class")
    def kept(self, folder):
        """Blocks that were on the disk when it was killed, and the journal that holds them."""
        process = subprocess.Popen([*PROGRAM, *self.ARGUMENTS], cwd=folder, stderr=subprocess.PIPE, text=True)
        started_s = time.monotonic()
        journal = None
        while journal is None or len(journal_lines(journal)) < 50:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() - started_s < 120
            journal = next(folder.glob("results/*/blocks.jsonl"), None)
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        return journal, journal.read_bytes()

    def test_no_worker_outlives_it(self, folder, kept):
        deadline_s = time.monotonic() + 10
        alive = self.workers(folder)
        while alive and time.monotonic() < deadline_s:
            time.sleep(0.05)
            alive = self.workers(folder)
        assert alive == []

    def test_the_same_command_goes_on(self, folder, kept):
        journal, before = kept
        run(*self.ARGUMENTS, "--json", folder=folder)
        whole = before[: before.rfind(b"\n") + 1]
        assert journal.read_bytes().startswith(whole)
        (result,) = folder.glob("results/*.json")
        assert result.with_suffix("") == journal.parent
        blocks = [json.loads(line) for line in journal_lines(journal)]
        per_process = Counter((block["arm"], block["process"]) for block in blocks)
        whole_rounds = {process for _, process in per_process if per_process["a", process] >= 4}
        assert len(whole_rounds) >= 3
        comparison = load_result(result)
        assert sum(each.blocks for each in comparison.measurements()) == len(blocks)
        assert comparison.verdicts[0].verdict == "FASTER"

    def workers(self, folder):
        """Processes whose output goes to a log in ``folder``."""
        return [entry.name for entry in Path("/proc").glob("[0-9]*") if self.is_worker(entry, folder)]

    def is_worker(self, entry, folder):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            return state != "Z" and str(folder) in str((entry / "fd" / "1").readlink())
        except OSError:
            return False


class TestRealModelOnACpu:
    """A tiny ViT from timm through ONNX into onnxruntime."""

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        return tmp_path_factory.mktemp("real")

    @pytest.fixture(scope="class")
    def sweep(self, folder):
        arguments = ["compare", "fp32", "fp16", *MODEL, "--batch", "1,2", "--runtime", "onnxruntime-cpu"]
        return json.loads(run(*arguments, *QUICK, "--json", folder=folder).stdout)

    def test_one_comparison_of_all_batches(self, sweep):
        assert sweep["kind"] == "comparison"
        assert [row["key"] for row in sweep["rows"]] == ["fp32 b1", "fp16 b1", "fp32 b2", "fp16 b2"]
        assert {row["runtime"] for row in sweep["rows"]} == {"onnxruntime-cpu"}

    def test_rows_are_measured_without_an_engine(self, sweep, folder):
        for row in sweep["rows"][2:]:
            measured = row["measured"]
            assert row["status"] == "ok"
            assert row["engine"] is row["compiled"] is measured["gpu"] is None
            assert row["onnx"]["sha256"] == measured["arm"]["artifact_sha256"]
            assert (measured["batch"], measured["processes"]) == (2, 2)
            assert measured["series"]["host_wall_ms"]["median"] > 0
            assert measured["facts"]["outputs"][0]["shape"] == [2, 1000]
        assert not (folder / "engines").exists()

    def test_fidelity_is_known_although_nothing_is_compiled(self, sweep):
        exact, rounded = (row["fidelity"] for row in sweep["rows"][:2])
        assert (exact["sqnr_db"], rounded["sqnr_db"] > 40) == (None, True)

    def test_outputs_of_both_precisions_agree(self, sweep):
        codes = {finding["code"] for row in sweep["rows"] for finding in row["measured"]["findings"]}
        assert "OUTPUT_DIFFERS" not in codes

    def test_there_is_a_verdict_a_batch_and_the_result_is_kept(self, sweep, folder):
        pairs = [(verdict["baseline"], verdict["arm"]) for verdict in sweep["verdicts"]]
        assert pairs == [("fp32 b1", "fp16 b1"), ("fp32 b2", "fp16 b2")]
        assert {verdict["verdict"] for verdict in sweep["verdicts"]} <= {
            "FASTER",
            "SLOWER",
            "SAME",
            "AMBIGUOUS",
        }
        (path,) = folder.glob("results/compare-*.json")
        assert load_result(path).model_dump(mode="json") == sweep

    def test_the_exported_folder_is_measured_as_it_is(self, sweep, folder):
        (model,) = folder.glob("models/*fp32-b1-*/")
        process = run("bench", model, "--runtime", "onnxruntime-cpu", *QUICK, folder=folder)
        assert "measured on a CPU (host_wall_ms)" in process.stdout
        assert "images/s" in process.stdout

    def test_a_stored_comparison_compares_again(self, folder):
        model = ["--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "1"]
        arguments = ["compare", "fp32", "fp16", *model, "--runtime", "onnxruntime-cpu", *QUICK]
        verdict = json.loads(run(*arguments, "--json", folder=folder).stdout)["verdicts"][0]
        (path,) = folder.glob("results/compare-*-b1-*.json")
        again = json.loads(run("compare", "--from", path, "--json", folder=folder).stdout)
        assert again["verdicts"][0]["ratio"] == pytest.approx(verdict["ratio"])

    def test_a_runtime_that_is_not_there_is_a_row(self, sweep, folder):
        runtimes = ["--runtime", "onnxruntime-cpu", "--runtime", "torch"]
        process = run(
            "compare", "fp32", *MODEL, "--batch", "1", *runtimes, *QUICK, "--json", folder=folder, code=1
        )
        cpu, gpu = json.loads(process.stdout)["rows"]
        assert cpu["status"] == "ok"
        if gpu["status"] == "ok":
            pytest.skip("there is a GPU here")
        assert gpu["reason"]
        assert gpu["reason"].startswith("runtime torch needs a GPU: ")
        assert (gpu["code"], json.loads(process.stdout)["verdicts"]) == ("RUNTIME_UNAVAILABLE", [])


def test_rebuilds_are_engines_of_their_own_and_leave_the_first_alone():
    ids = [engine_id(BuildSpec(), "source", "1.7.1", rebuild) for rebuild in range(3)]
    assert len(set(ids)) == 3
    assert ids[0] == engine_id(BuildSpec(), "source", "1.7.1")


def test_rebuilding_gives_two_artifacts(tmp_path):
    cells = cells_of(
        Grid(exports=exports("fp16", batches=(1,), name="vit_tiny_patch16_224", overrides=(("depth", 1),))),
        [Place("local")],
    )
    for cell in cells:
        cell.build = build_spec_for(BuildRequest())
    make(cells, Store(tmp_path), lambda cell: 1, silent)
    (cell,) = cells
    arm = arm_of_engines(cell.key, cell.engines, "tensorrt_rtx", trust=False)
    assert [each.build for each in arm.builds] == [0, 1]
    assert len({each.artifact for each in arm.builds}) == 2
    assert len(list((tmp_path / "engines").glob("*-rebuild1-*"))) == 1
    assert arm.working_set_bytes > 0
