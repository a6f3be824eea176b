"""Recipes name artifacts for every verb, with the real exporter and compiler on a tiny ViT."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
TINY = ("--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "2")


@pytest.fixture
def result(trtbench: Run) -> Callable[..., dict]:
    """Run a command with ``--json``; return what it prints."""

    def run(*arguments: object) -> dict:
        code, out, err = trtbench(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


def test_every_verb_finds_what_export_and_build_made(trtbench: Run, result: Callable[..., dict]) -> None:
    made = result("export", "fp16", "fp32", "--precision", "nvfp4", *TINY)
    assert [(row["subject"], row["status"]) for row in made["rows"]] == [
        ("fp16", "made"),
        ("fp32", "made"),
        ("nvfp4", "made"),
    ]
    models = [Path(row["path"]) for row in made["rows"]]
    result("build", "nvfp4", *TINY)
    built = result("build")
    assert [row["status"] for row in built["rows"]] == ["made", "made", "present"]
    folders = {each.name for each in Path("engines").iterdir() if each.is_dir()}
    assert len(folders) == 3

    audit = result("inspect", "nvfp4", *TINY)
    assert {role["role"]: role["asked"] for role in audit["by_role"]}["qkv"] == "fp4"
    diff = result("diff", "fp16", "nvfp4", *TINY)
    assert (diff["before"]["recipe"], diff["after"]["recipe"]) == ("fp16", "nvfp4")
    assert result("lint", "nvfp4", *TINY)["sections"][0]["recipe"] == "nvfp4"

    shutil.copy(models[0] / "model.onnx", "own.onnx")
    verified = result("verify", models[0], "own.onnx", "nvfp4", "--against", models[1], *TINY)
    assert [row["recipe"] for row in verified["rows"]] == ["fp16", None, "nvfp4"]
    folder, own, _ = (row["fidelity"]["sqnr_db"] for row in verified["rows"])
    assert folder == own
    (alone,) = result("verify", models[2])["rows"]
    assert alone["fidelity"]["reference"]["recipe"] == "fp32"

    compared = result("compare", "own.onnx", "nvfp4", *TINY)
    assert [row["key"] for row in compared["rows"]] == ["own", "nvfp4"]
    assert all(row["compiled"] for row in compared["rows"])
    own = {each.name for each in Path("engines").iterdir() if each.is_dir()} - folders
    assert [name.partition("-")[0] for name in own] == ["own"], "all others were there"

    predicted = result("predict", "own.onnx", "nvfp4", *TINY)
    assert [(row["key"], row["batch"], row["recipe"]) for row in predicted["rows"]] == [
        ("own", 2, None),
        ("nvfp4", 2, "nvfp4"),
    ]
    assert [(each["baseline"], each["arm"]) for each in predicted["predicted_speedups"]] == [("own", "nvfp4")]

    listing = result("ls")
    assert {(each["spec"]["recipe"], each["spec"]["batch"]) for each in listing["models"]} == {
        ("fp16", 2),
        ("fp32", 2),
        ("nvfp4", 2),
    }
    gone = listing["models"][0]
    result("rm", gone["spec_id"][:8])
    pruned = result("prune")
    assert [item["what"] for item in pruned["items"]] == ["engine of a model that is gone"]
    assert {each["export"] and each["export"]["recipe"] for each in result("ls")["engines"]} == {
        None,
        *({"fp16", "fp32", "nvfp4"} - {gone["spec"]["recipe"]}),
    }
