"""Functions of the API: what they refuse, where samples are, and what is read back."""

from pathlib import Path
from typing import Any

import pytest
from support.grids import install_exports, install_no_gpu, install_timers

import trtbench as tb
from trtbench.results import AaReport, Comparison, Measurement

TESTS = Path(__file__).parents[1]
TINY = {"model": "vit_tiny_patch16_224", "overrides": {"depth": 1}, "batch": 4}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tb.compare(["fp15"]), "recipe 'fp15': unknown precision"),
        (lambda: tb.compare([]), "nothing to compare"),
        (lambda: tb.compare(["fp16"], model="vit_nothing"), "vit_nothing"),
        (lambda: tb.compare(["fp16"], batch=0), "batch 0: Input should be greater than 0"),
        (lambda: tb.compare(["fp16"], batch="many"), "batch many: expected a number, or MIN:OPT:MAX"),
        (lambda: tb.compare(["fp16"], batch=[8, 8]), "batch 8,8: name each number once"),
        (lambda: tb.compare(["fp16"], runtime="nothing"), "nothing"),
        (lambda: tb.compare(["fp16"], env="nothing"), "environment 'nothing' is unknown"),
        (lambda: tb.compare(["fp16"], data="/nowhere"), "image folder /nowhere: no such directory"),
        (lambda: tb.compare(["fp16"], duration_s=-1), "duration_s -1: Input should be greater than 0"),
        (
            lambda: tb.compare(["fp16"], duration=1),
            "duration is not an argument here: did you mean duration_s?",
        ),
        (lambda: tb.compare([__file__], runtime="torch", batch=1), "its model and shape are fixed"),
        (lambda: tb.export("fp16", target="sm120"), "target is not an argument here"),
        (lambda: tb.build("/nowhere"), "/nowhere: is missing"),
        (lambda: tb.build("/nowhere", profile="x"), "profile x: expected NAME=MIN:OPT:MAX"),
        (lambda: tb.inspect("/nowhere"), "/nowhere: is missing"),
        (lambda: tb.lint("vit_nothing"), "vit_nothing"),
        (lambda: tb.verify(["fp8"], data_samples=0), "data_samples 0: Input should be greater than 0"),
        (lambda: tb.bench("fp16", checkpoint="/nowhere"), "/nowhere: no such file"),
        (lambda: tb.bench_against_itself("fp16", 0), "comparisons 0: expected at least 1"),
        (lambda: tb.diff("/nowhere", "/nowhere"), "/nowhere: is missing"),
        (lambda: tb.predict("fp16", gpu="voodoo"), "GPU 'voodoo' is not in the table"),
        (lambda: tb.explain("fp16", gpu="voodoo"), "GPU 'voodoo' is not in the table"),
        (lambda: tb.tune(gpu="voodoo"), "GPU 'voodoo' is not in the table"),
        (lambda: tb.tune(gpu="5090", max_top1_drop=1), "max_top1_drop 1: add data"),
        (lambda: tb.tune(gpu="5090", max_top1_drop=1, min_sqnr_db=9, data="."), "remove min_sqnr_db"),
        (
            lambda: tb.tune(gpu="5090", max_top1_drop=-1, data="."),
            "max_top1_drop -1: Input should be",
        ),
        (lambda: tb.roofline(tokens=0), "tokens 0: expected at least 1"),
        (lambda: tb.roofline(tokens=50, img_size=64), "tokens 50: remove img_size"),
        (lambda: tb.rm("0123456789"), "has this name or id"),
        (lambda: tb.pack("fp16", "/nowhere/a.zip"), "/nowhere is not a directory"),
        (lambda: tb.pack("fp15", "a.zip"), "recipe 'fp15': unknown precision"),
        (lambda: tb.load("/nowhere.json"), "/nowhere.json: no such file"),
        (lambda: tb.compare_stored(["/nowhere.json", "/b.json"]), "/nowhere.json: no such file"),
    ],
)
def test_a_wrong_request_is_one_line_with_a_code(
    call: Any, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tb.TrtbenchError) as refused:
        call()
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.code is tb.Code.SPEC_ERROR
    assert not any(path.is_file() for path in tmp_path.rglob("[!.]*"))


def test_a_comparison_is_made_reported_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_no_gpu(monkeypatch)
    install_exports(monkeypatch, tmp_path)
    install_timers(monkeypatch)
    steps: list[tb.Step] = []
    asked: dict[str, Any] = {**TINY, "runtime": "onnxruntime-cpu", "processes": 2, "duration_s": 0.01}
    store = tmp_path / "store"
    comparison = tb.compare(["fp16", "fp32"], **asked, store=store, on_step=steps.append)
    assert [row["key"] for row in comparison.to_rows()] == ["fp16", "fp32"]
    assert {step.stage for step in steps} == {"measure"}
    assert comparison.evidence == ("measured",)
    (kept,) = (store / "results").glob("*.json")
    assert tb.load(kept) == comparison

    elsewhere = comparison.save(tmp_path / "elsewhere.json")
    assert tb.load(elsewhere) == comparison
    verdicts = [(each.arm, each.verdict, each.ratio) for each in comparison.verdicts]
    again = tb.compare_stored([elsewhere]).verdicts
    assert [(each.arm, each.verdict, each.ratio) for each in again] == verdicts


@pytest.mark.parametrize("name", ["measurement", "aa", "compared"])
def test_samples_are_found_from_anywhere(tmp_path: Path, name: str) -> None:
    folder = TESTS / "golden" / "measure"
    loaded = tb.load(folder / f"{name}.json")
    assert isinstance(loaded, Measurement | AaReport | Comparison)
    files = loaded.raw_files(tmp_path)
    assert files
    assert all(file.is_relative_to(folder) for file in files)
    assert tb.load(loaded.save(tmp_path / "saved.json")) == loaded


@pytest.mark.parametrize(
    "path", sorted((TESTS / "data" / "schema1").glob("*.json")), ids=lambda path: path.stem
)
def test_comparisons_of_schema_1_are_read(path: Path) -> None:
    loaded = tb.load(path)
    assert (loaded.model_dump()["schema_version"], loaded.evidence != ()) == (2, True)
    assert loaded.to_rows()


def test_a_store_is_listed_and_pruned(tmp_path: Path) -> None:
    (tmp_path / "models" / ".tmp-0123456789abcdef-1").mkdir(parents=True)
    assert tb.ls(tmp_path).to_rows() == []
    assert [row["status"] for row in tb.prune(store=tmp_path, dry_run=True).to_rows()] == ["removed"]
    assert (tmp_path / "models" / ".tmp-0123456789abcdef-1").exists()
    (row,) = tb.prune(store=tmp_path).to_rows()
    assert row["what"] == "partial files of a process that ended"
    assert not (tmp_path / "models" / ".tmp-0123456789abcdef-1").exists()
