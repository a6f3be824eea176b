"""Commands that time, as a user meets them: a wrong request is one line, and exit codes show the rest."""

import json
from pathlib import Path

import pytest
from support.scripted import FAST, telemetry, write_script
from support.tensorrt_machine import install_gpu

from trtbench.results import AaBlocks, Comparison, ComparisonRow, Verdict
from trtbench.stats import BlockSamples, speedup
from trtbench.store.artifacts import Store
from trtbench.store.journal import read_journal
from trtbench.store.results import load_result, save_result

ROWS = tuple(ComparisonRow(key=word, subject=word, recipe=word, batch=8) for word in ("fp16", "fp8"))


@pytest.fixture
def arms(tmp_path):
    return write_script(tmp_path, "slow", 1.5), write_script(tmp_path, "fast", 1.2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "fp17"], ["fp17", "unknown precision"]),
        (["bench", "nowhere/model"], ["nowhere/model: neither a path nor a recipe"]),
        (["bench", "nowhere.onnx"], ["nowhere.onnx: neither a path nor a recipe"]),
        (["bench", "fp16", "--runtime", "fast"], ["fast", "onnxruntime-cpu"]),
        (["bench", "fp16", "--runtime", "fake"], ["fake", "script"]),
        (["bench", "fp16", "--batch", "1,x"], ["--batch x", "expected a number"]),
        (["bench", "fp16", "--batch", "8,8"], ["--batch", "once"]),
        (["bench", "fp16", "--duration-s", "0"], ["--duration-s 0"]),
        (["bench", "fp16", "--rebuilds", "-1"], ["--rebuilds -1"]),
        (["bench", "fp16", "--aa", "0"], ["--aa", "greater than or equal to 1"]),
        (["bench", "slow.json", "--runtime", "onnxruntime-cpu"], ["slow.json", "onnxruntime-cpu"]),
        (["bench", "slow.json", "--runtime", "torch"], ["slow.json", "recipe"]),
        (["bench", "slow.json"], ["slow.json", "loads engines", "fake"]),
        (["bench", "fp16", "--runtime", "torch", "--batch", "1,0"], ["--batch 0", "greater than 0"]),
        (["compare", "fp16", "--runtime", "fast"], ["fast"]),
        (["compare", "fp16", "--runtime", "fake"], ["fake", "script"]),
        (["compare", "fp16", "--runtime", "torch", "--runtime", "torch"], ["torch", "more than once"]),
        (["compare", "slow.json", "fp16", "--runtime", "fake"], ["fake takes script files, not recipes"]),
        (["compare", "slow.json", "fast.json"], ["--runtime"]),
        (["compare", "slow.json", "slow.json", "--runtime", "fake"], ["more than once", "--aa"]),
        (["compare", "fp16", "--img-size", "224,x"], ["--img-size x", "expected a number"]),
        (["compare", "fp16", "--aa", "5"], ["No such option: --aa"]),
        (["compare", "fp32", "--env", "remote"], ["environment 'remote' is unknown"]),
        (["compare", "fp32", "--env", "local", "--env", "local"], ["local is named more than once"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0] in ("bench", "compare") else "",
)
def test_wrong_requests_end_with_2_and_one_line(trtbench, monkeypatch, arms, arguments, words):
    install_gpu(monkeypatch)
    monkeypatch.setattr("trtbench.compare.check.missing_packages", lambda runtime: [])
    code, out, err = trtbench(*arguments)
    assert code == 2, err
    assert out == ""
    assert all(word in err.splitlines()[-1] for word in words), err


def test_bench_prints_and_keeps_the_same_result(trtbench, arms):
    code, out, err = trtbench("bench", arms[0], "--runtime", "fake", "--json", *FAST)
    assert code == 0, err
    (path,) = Path("results").glob("*.json")
    assert load_result(path).model_dump(mode="json") == json.loads(out)
    assert (path.parent / json.loads(out)["raw"]).is_file()
    assert "measure: load slow (" in err
    assert "(2/2, 0 s left)" in err
    assert json.loads(out)["environment"]["cpu_model"]


def _kept(out, words="every sample"):
    """The files that a text names; each has to open from the working directory."""
    paths = [Path(line.rpartition(": ")[2]) for line in out.splitlines() if line.startswith(words)]
    assert all(path.is_file() for path in paths), out
    return paths


@pytest.mark.parametrize("store", ["elsewhere", "."])
def test_the_samples_of_a_result_are_named_from_where_the_user_stands(trtbench, arms, store):
    timing = ("--runtime", "fake", "--store", store, *FAST)
    for arguments in (["bench", arms[0]], ["compare", *arms]):
        (path,) = _kept(trtbench(*arguments, *timing)[1])
        assert path.parent.parent == Path(store, "results")
        assert path.parent.with_name(f"{path.parent.name}.json").is_file()
    (path,) = _kept(trtbench("bench", arms[0], *timing, "--aa", 1)[1], "every comparison")
    assert path.name == "comparisons.jsonl"


def test_the_samples_of_stored_results_are_those_beside_them(trtbench, arms):
    for store, path in zip("vw", arms, strict=True):
        trtbench("bench", path, "--runtime", "fake", "--store", store, *FAST)
    (slow,), (fast,) = Path("v/results").glob("*.json"), Path("w/results").glob("*.json")
    out = trtbench("compare", "--from", slow, fast)[1]
    assert _kept(out) == [path.with_suffix("") / "blocks.jsonl" for path in (slow, fast)]


@pytest.mark.parametrize("command", [["bench", "fp16"], ["bench", "fp16", "--aa", "2"]])
def test_without_a_gpu_the_cpu_runtime_is_suggested(trtbench, command):
    code, out, err = trtbench(*command)
    assert (code, out) == (1, "")
    assert "--runtime onnxruntime-cpu times on the CPU" in err.splitlines()[-1]


def test_files_of_one_name_are_told_apart(trtbench, arms, tmp_path):
    (tmp_path / "other").mkdir()
    write_script(tmp_path / "other", "slow", 1.2)
    code, out, err = trtbench("compare", "slow.json", "other/slow.json", "--runtime", "fake", *FAST, "--json")
    assert code == 0, err
    labels = [row["subject"] for row in json.loads(out)["rows"]]
    assert labels == ["slow.json", "other/slow.json"]


def test_no_line_ends_with_blanks(trtbench, arms):
    out = trtbench("compare", *arms, "--runtime", "fake", *FAST)[1]
    assert [line for line in out.splitlines() if line != line.rstrip()] == []


def test_bench_again_is_another_measurement(trtbench, arms):
    for _ in range(2):
        assert trtbench("bench", arms[0], "--runtime", "fake", *FAST)[0] == 0
    assert len(list(Path("results").glob("*.json"))) == 2


def test_an_arm_that_fails_ends_with_1_and_its_reason(trtbench, tmp_path):
    bad = write_script(tmp_path, "bad", failure={"at": "load", "how": "out_of_memory"})
    code, out, _ = trtbench("bench", bad, "--runtime", "fake", *FAST)
    assert code == 1
    assert "bad failed: out of GPU memory" in out


@pytest.mark.parametrize(
    ("order", "fail_on", "expected"),
    [(0, ["--fail-on", "slower"], 0), (1, ["--fail-on", "slower"], 3), (1, [], 0)],
)
def test_a_slower_arm_ends_with_3_if_asked(trtbench, arms, order, fail_on, expected):
    words = arms if order == 0 else arms[::-1]
    code, out, err = trtbench("compare", *words, "--runtime", "fake", *FAST, "--processes", 3, *fail_on)
    assert code == expected, err
    assert ("FASTER" if order == 0 else "SLOWER") in out


def test_stored_results_are_compared_without_timing(trtbench, arms):
    stored = []
    for path in arms:
        trtbench("bench", path, "--runtime", "fake", *FAST, "--processes", 3)
        stored += [path for path in Path("results").glob("*.json") if path not in stored]
    code, out, err = trtbench("compare", "--from", *stored, "--json")
    assert code == 0, err
    (verdict,) = json.loads(out)["verdicts"]
    assert (verdict["baseline"], verdict["arm"], verdict["verdict"]) == ("slow", "fast", "FASTER")
    assert err == ""


def test_stored_results_of_two_protocols_are_incomparable(trtbench, arms):
    trtbench("bench", arms[0], "--runtime", "fake", *FAST)
    trtbench("bench", arms[1], "--runtime", "fake", *FAST, "--l2", "flushed")
    code, out, _ = trtbench("compare", "--from", *Path("results").glob("*.json"))
    assert code == 0
    assert "INCOMPARABLE" in out


@pytest.mark.parametrize("content", ["{", "[]", '{"kind": "onnx"}'])
def test_a_file_that_is_no_result_is_named(trtbench, content):
    Path("x.json").write_text(content)
    code, out, err = trtbench("compare", "--from", "x.json")
    assert (code, out) == (1, "")
    assert "x.json" in err
    code, _, err = trtbench("compare", "--from", "gone.json")
    assert (code, "gone.json: no such file" in err) == (2, True)


def test_a_script_shows_what_zeros_change_under_the_power_cap(trtbench, tmp_path):
    held = telemetry(throttle_us={"sw_power_cap": 200_000}, sm_clock_mhz=(1830,)).model_dump(mode="json")
    script = write_script(tmp_path, "capped", telemetry=[held], constant_inputs_factor=0.93)
    whole = ["--processes", 4, "--duration-s", 20, "--target-half-width", 1e-9]
    code, out, err = trtbench("bench", script, "--runtime", "fake", *whole)
    assert code == 0, err
    assert "INPUT_DEPENDENT_POWER inputs of zeros are computed 1.07" in " ".join(out.split())
    (journal,) = Path("results").glob("*/constant_blocks.jsonl")
    # 20 s of blocks leave 1 s for four of 250 ms.
    assert len(journal.read_text().splitlines()) == 4


def _recomputed(line):
    sides = (
        [
            BlockSamples(0, block.pair, block.block, (block.median_ms,))
            for block in line.blocks
            if block.side == side
        ]
        for side in "AB"
    )
    return speedup(*sides)


def test_an_arm_against_itself(trtbench, tmp_path):
    script = write_script(tmp_path, "same", noise=0.001)
    code, out, err = trtbench("bench", script, "--runtime", "fake", "--aa", 4, *FAST, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert (report["kind"], report["comparisons"], report["pool"]) == ("aa_report", 4, 6)
    assert sum(report["verdicts"].values()) == 4
    assert 0 <= report["coverage"] <= 1
    assert report["half_width"] > 0
    assert "measure: compare with itself (4/4, 0 s left)" in err
    (path,) = Path("results").glob("*.json")
    lines = (path.parent / report["raw"]).read_text().splitlines()
    assert len(lines) == 4
    groups = [json.loads(line)["groups"] for line in lines]
    assert all(not set(a) & set(b) for a, b in groups)
    assert len({str(pair) for pair in groups}) > 1
    kept = read_journal((path.parent / report["raw"]).with_name("comparison_blocks.jsonl"), AaBlocks)
    assert [line.comparison for line in kept] == [0, 1, 2, 3]
    for line, comparison in zip(kept, map(json.loads, lines), strict=True):
        assert _recomputed(line).value == pytest.approx(comparison["ratio"], rel=1e-12)
        assert _recomputed(line).ci95 == pytest.approx(comparison["ci95"], rel=1e-12)
        sides = [{block.process for block in line.blocks if block.side == side} for side in "AB"]
        assert sides == [set(group) for group in comparison["groups"]]
    # Interrupted before its result was saved: nothing is measured twice, and the rest is made up for.
    path.unlink()
    again = trtbench("bench", script, "--runtime", "fake", "--aa", 5, *FAST, "--json")
    assert json.loads(again[1])["comparisons"] == 5
    assert (path.parent / report["raw"]).read_text().splitlines()[:4] == lines


def test_findings_in_the_blocks_of_an_arm_against_itself_are_reported(trtbench, tmp_path):
    held = telemetry(foreign_pids=(77,), throttle_us={"sw_power_cap": 100_000}).model_dump(mode="json")
    script = write_script(tmp_path, "held", noise=0.001, telemetry=[held])
    arguments = ("bench", script, "--runtime", "fake", "--aa", 2, *FAST)
    code, out, err = trtbench(*arguments, "--json")
    assert code == 0, err
    found = {finding["code"]: finding["message"] for finding in json.loads(out)["findings"]}
    assert "other processes had the GPU open (77)" in found["FOREIGN_PROCESS"]
    assert "100% of the samples" in found["THROTTLED"]
    assert "sw_power_cap" in found["THROTTLED"]
    assert "FOREIGN_PROCESS" in trtbench(*arguments)[1]


def test_a_run_that_lost_its_record_of_processes_numbers_no_block_twice(trtbench, arms):
    arguments = ("bench", arms[0], "--runtime", "fake", *FAST, "--json")
    trtbench(*arguments)
    (path,) = Path("results").glob("*.json")
    path.unlink()
    (path.with_suffix("") / "processes.jsonl").unlink()
    code, out, err = trtbench(*arguments)
    assert (code, json.loads(out)["processes"]) == (0, 4), err


def test_a_store_that_cannot_be_written_is_named(trtbench, arms, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = trtbench("bench", arms[0], "--runtime", "fake", "--store", tmp_path / "file", *FAST)
    assert code == 1
    assert str(tmp_path / "file") in err.splitlines()[-1]


def test_a_saved_result_reads_back_from_any_folder(trtbench, arms, tmp_path):
    trtbench("bench", arms[0], "--runtime", "fake", "--store", tmp_path / "store", *FAST)
    (path,) = (tmp_path / "store" / "results").glob("*.json")
    assert (
        save_result(Store(tmp_path / "copy"), path.stem, load_result(path)).read_bytes() == path.read_bytes()
    )


def test_timing_options_that_had_no_effect_are_named(trtbench, monkeypatch, arms):
    untimed = Comparison(environment=None, model=None, rows=ROWS, not_timed="no GPU")
    monkeypatch.setattr("trtbench.compare.compare", lambda *_: untimed)
    code, out, err = trtbench("compare", "fp16", "--l2", "warm", "--rebuilds", "1", "--batch", "8", "--json")
    assert code == 0, err
    assert json.loads(out)["not_timed"] == "no GPU"
    assert err == "trtbench: nothing was timed; --l2, --rebuilds had no effect\n"
    assert trtbench("compare", "fp16", "--batch", "8", "--json")[2] == ""


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ((), "there is no verdict"),
        (
            (("INCOMPARABLE", "other clocks"), ("SLOWER", "")),
            "fp8 against fp16 is INCOMPARABLE: other clocks",
        ),
    ],
)
def test_fail_on_slower_needs_verdicts(trtbench, monkeypatch, verdicts, words):
    given = tuple(
        Verdict(baseline="fp16", arm="fp8", verdict=word, reason=reason, series=None, ratio=None, ci95=None)
        for word, reason in verdicts
    )
    result = Comparison(environment=None, model=None, rows=ROWS, verdicts=given)
    monkeypatch.setattr("trtbench.compare.compare", lambda *_: result)
    code, _, err = trtbench("compare", "fp16", "--fail-on", "slower", "--json")
    assert (code, f"--fail-on slower: {words}" in err) == (1, True), err


@pytest.mark.parametrize("command", ["bench", "compare"])
def test_a_wrong_image_size_is_refused_before_anything_is_made(trtbench, command):
    model = ("--model", "vit_tiny_patch16_224", "--img-size", "224,230,256")
    code, out, err = trtbench(command, "fp32", "--runtime", "onnxruntime-cpu", *model, *FAST)
    assert (code, out) == (2, "")
    assert "230 x 230" in err.splitlines()[-1]
    assert not list(Path().iterdir())
