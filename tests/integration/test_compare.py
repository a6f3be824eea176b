"""The main job on a small ViT with the real exporter and the real compiler, as a user runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from trtbench.build.choice import target_of_gpu

PROGRAM = [sys.executable, "-c", "from trtbench.cli.app import main; main()"]
MODEL = ["--model", "vit_tiny_patch16_224", "--set", "depth=2", "--batch", "4"]


def words(arguments, store):
    model = MODEL[:-2] if "--batch" in arguments else MODEL
    return [*arguments, *model, "--store", str(store)]


def rows_of(process):
    return {row["recipe"]: row for row in json.loads(process.stdout)["rows"]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One of its own: an engine in it is altered."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def first(store):
    """What a program of its own prints that finds nothing."""
    arguments = ["compare", "fp16", "mxfp8", "nvfp4@stock", "nvfp4+fp8attn", "--json"]
    return subprocess.run([*PROGRAM, *words(arguments, store)], capture_output=True, text=True, check=False)


@pytest.fixture
def run(trtbench):
    """Run the command line in this process, with the fields of one that has ended."""

    def run_here(*arguments, store):
        code, out, err = trtbench(*words(arguments, store))
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return run_here


def test_json_follows_the_contract(first):
    comparison = json.loads(first.stdout)
    assert first.returncode == 0, first.stderr
    assert (comparison["schema_version"], comparison["kind"]) == (2, "comparison")
    assert comparison["model"] == "vit_tiny_patch16_224"
    row = comparison["rows"][0]
    assert (row["key"], row["subject"], row["recipe"], row["batch"]) == ("fp16", "fp16", "fp16", 4)
    assert (row["environment"], row["targets"]) == ("local", ["sm120"])
    assert set(row["onnx"]) == {"path", "sha256", "size_bytes", "nodes"}
    assert set(row["engine"]) == {"path", "sha256", "size_bytes", "backend", "backend_version", "build_s"}
    assert row["measured"] is None
    assert (row["predicted"]["kind"], row["predicted"]["layers"]) == ("prediction", [])
    assert comparison["predicted_on"]["name"] == row["predicted"]["gpu"]
    assert {each["baseline"] for each in comparison["predicted_speedups"]} == {"fp16"}
    assert row["fidelity"]["onnx_sha256"] == row["onnx"]["sha256"]
    assert row["fidelity"]["samples"] == 8


def test_fidelity_falls_with_the_precision(first):
    rows = rows_of(first)
    assert rows["fp16"]["fidelity"]["sqnr_db"] > 40
    assert 5 < rows["nvfp4+fp8attn"]["fidelity"]["sqnr_db"] < 30


def test_what_the_compiler_made_of_each_recipe(first):
    rows = rows_of(first)
    assert rows["fp16"]["compiled"]["gemm_flops_share"] == {"fp16": 1.0}
    stock, ours = rows["nvfp4@stock"]["compiled"], rows["nvfp4+fp8attn"]["compiled"]
    assert stock["by_role"]["qkv"]["compiled"] == {"fp16": 1.0}
    assert ours["by_role"]["qkv"]["compiled"] == {"fp4": 1.0}
    assert (stock["attention_precision"], ours["attention_precision"]) == ("fp16", "fp8")
    assert ours["other_bytes"] < stock["other_bytes"]


def test_findings_name_what_went_wrong(first):
    codes = {recipe: {f["code"] for f in row["findings"]} for recipe, row in rows_of(first).items()}
    assert "EMULATED" in codes["mxfp8"]
    assert {"GEMM_FELL_BACK", "FP32_ACTIVATIONS"} <= codes["nvfp4@stock"]
    assert not {"GEMM_FELL_BACK", "FP32_ACTIVATIONS", "FLOPS_MISMATCH"} & codes["nvfp4+fp8attn"]
    assert codes["fp16"] == set()


def test_progress_goes_to_stderr(first):
    assert "nvfp4@stock: export: quantize" in first.stderr
    assert "fp16: build: compile for sm120" in first.stderr


def test_the_second_time_nothing_is_made_again(first, store, run):
    again = run("compare", "fp16", "mxfp8", "nvfp4@stock", "nvfp4+fp8attn", "--json", store=store)
    assert rows_of(again) == rows_of(first)
    assert "export:" not in again.stderr
    assert "build:" not in again.stderr


def test_predictions_take_the_engines_that_are_there(first, store, run):
    process = run("predict", "fp16", "mxfp8", "--json", store=store)
    assert process.returncode == 0, process.stderr
    assert "export:" not in process.stderr
    assert "build:" not in process.stderr
    fp16, mxfp8 = (rows_of(process)[recipe] for recipe in ("fp16", "mxfp8"))
    assert fp16["targets"] == rows_of(first)["fp16"]["targets"]
    for row in (fp16, mxfp8):
        stored = rows_of(first)[row["recipe"]]["predicted"]
        assert {**row["predicted"], "layers": []} == stored
        assert len(row["predicted"]["layers"]) > 20


def test_predictions_of_artifacts_are_those_of_their_recipes(first, store, trtbench):
    row = rows_of(first)["fp16"]
    for path in (row["engine"]["path"], row["onnx"]["path"]):
        code, out, err = trtbench("predict", path, "--json", "--store", store)
        assert code == 0, err
        (found,) = json.loads(out)["rows"]
        assert {**found["predicted"], "layers": []} == row["predicted"]


def test_an_altered_engine_is_found_and_built_again(first, store, run, trtbench):
    engine = Path(rows_of(first)["fp16"]["engine"]["path"])
    content = bytearray(engine.read_bytes())
    content[len(content) // 2] ^= 1
    engine.write_bytes(content)
    assert run("compare", "fp16", "--json", store=store).returncode == 0
    code, out, err = trtbench("inspect", engine)
    assert code == 0, err
    assert "GEMM FLOPs in fp16" in out


@pytest.mark.skipif(bool(target_of_gpu()), reason="on a machine with a GPU engines are timed")
def test_without_a_gpu_options_of_timing_have_no_effect(first, store, run):
    asked = ["--processes", "3", "--l2", "flushed", "--rebuilds", "1", "--trust"]
    process = run("compare", "fp16", *asked, store=store)
    assert process.returncode == 0, process.stderr
    last = process.stderr.splitlines()[-1]
    assert last == "trtbench: nothing was timed; --processes, --l2, --rebuilds, --trust had no effect"
    assert process.stdout.splitlines()[1] == "no GPU here: compiled and predicted evidence only"
    assert not list((store / "engines").glob("*-rebuild1-*"))


@pytest.mark.skipif(bool(target_of_gpu()), reason="on a machine with a GPU engines are timed")
def test_without_a_gpu_a_runtime_that_needs_one_is_refused_before_any_export(tmp_path, run):
    process = run("compare", "fp16", "--runtime", "tensorrt_rtx", store=tmp_path / "empty")
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith("trtbench: error: runtime tensorrt_rtx needs a GPU: ")
    assert not (tmp_path / "empty").exists()


@pytest.mark.skipif(bool(target_of_gpu()), reason="on a machine with a GPU engines are timed")
def test_several_batches_without_a_gpu_are_compiled_each(first, store, run):
    asked = ["compare", "fp16", "nvfp4+fp8attn", "--batch", "4,1"]
    process = run(*asked, "--json", store=store)
    assert process.returncode == 0, process.stderr
    comparison = json.loads(process.stdout)
    keys = [row["key"] for row in comparison["rows"]]
    assert keys == ["fp16 b4", "nvfp4+fp8attn b4", "fp16 b1", "nvfp4+fp8attn b1"]
    alone = rows_of(first)["nvfp4+fp8attn"]
    assert comparison["rows"][1] == {**alone, "key": "nvfp4+fp8attn b4"}
    lines = run(*asked, store=store).stdout.splitlines()
    assert lines[0].startswith("vit_tiny_patch16_224, batches 1, 4, compiled for sm120 by tensorrt_rtx ")
    assert lines[1] == "no GPU here: compiled and predicted evidence only"
    start = next(number for number, line in enumerate(lines) if "GEMMs run in" in line)
    predicted, compiled = lines[:start], lines[start + 1 : start + 5]
    assert [line.split()[:2] for line in predicted if line.startswith(("fp16", "nvfp4"))] == [
        ["fp16", "1"],
        ["nvfp4+fp8attn", "1"],
    ]
    rows = [line.split() for line in compiled]
    assert [row[:2] for row in (rows[0], rows[2])] == [["fp16", "1"], ["nvfp4+fp8attn", "1"]]
    assert [row[0] for row in (rows[1], rows[3])] == ["4", "4"]
    assert all("85.8%," in row for row in rows[2:])


@pytest.mark.skipif(bool(target_of_gpu()), reason="on a machine with a GPU engines are timed")
def test_a_recipe_that_fails_at_every_batch_fails_the_comparison(store, run):
    asked = ["compare", "fp16", "nvfp4@stock", "--target", "sm89", "--batch", "1,4"]
    process = run(*asked, store=store)
    assert process.returncode == 1
    for batch in (1, 4):
        assert f"nvfp4@stock b{batch} failed: " in process.stdout
    slower = run(*asked[:2], "--batch", "1,4", "--fail-on", "slower", store=store)
    assert (slower.returncode, "there is no verdict" in slower.stderr) == (1, True)


def test_a_recipe_that_fails_is_a_row_and_the_others_go_on(store, run):
    process = run("compare", "fp16", "nvfp4@stock", "--target", "sm89", "--json", store=store)
    rows = rows_of(process)
    assert process.returncode == 1
    assert rows["fp16"]["status"] == "ok"
    assert rows["nvfp4@stock"]["status"] == "failed"
    assert "fp4_e2m1" in rows["nvfp4@stock"]["reason"]
    assert rows["nvfp4@stock"]["onnx"] is not None


def test_interrupted_work_goes_on_where_it_stopped(tmp_path, run):
    arguments = [*PROGRAM, *words(["compare", "fp16", "fp32"], tmp_path)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("fp16: audit"):
            break
    process.send_signal(signal.SIGINT)
    assert "finished work is kept" in process.stderr.read()
    assert process.wait() == 130
    assert len(list((tmp_path / "engines").glob("vit*"))) == 1
    resumed = run("compare", "fp16", "fp32", store=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "fp16: export" not in resumed.stderr
