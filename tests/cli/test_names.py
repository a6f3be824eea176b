"""Artifacts are found by recipe and model options, in one way for all verbs."""

from pathlib import Path

import pytest
from support.manifests import onnx_manifest
from support.tensorrt_machine import Run, install_gpu, install_trtexec, write_model

from trtbench.cli.app import COMMANDS
from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions
from trtbench.cli.parse_model import lint_subject, parse_subjects
from trtbench.request import Shape
from trtbench.results import OnnxManifest, TensorRecord
from trtbench.specs import ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import OnnxArtifact, Store

TINY = ModelOptions(model="vit_tiny_patch16_224", overrides=["depth=2"], seed=3)


def add_model(store: Store, recipe: str, spec_id: str) -> OnnxArtifact:
    """An exported model of one Relu."""

    def make(directory: Path) -> OnnxManifest:
        shape = (4, 64)
        return onnx_manifest(
            ExportSpec(recipe=parse_recipe(recipe), batch=4),
            [write_model(directory / "model.onnx")],
            spec_id=spec_id,
            inputs=(TensorRecord(name="x", dtype="float16", shape=shape),),
            outputs=(TensorRecord(name="y", dtype="float16", shape=shape),),
        )

    return store.get_or_make(OnnxManifest, f"vit-{recipe}-b4", spec_id, make)[0]


def test_recipes_and_paths_keep_their_order(tmp_path: Path) -> None:
    file = write_model(tmp_path / "own.onnx")
    found = parse_subjects(["nvfp4", str(file), "fp16"], TINY, Shape(8), Given(), builds_files=True)
    first, second, third = found
    assert second == file
    assert isinstance(first, ExportSpec)
    assert isinstance(third, ExportSpec)
    assert [str(first.recipe), str(third.recipe)] == ["nvfp4", "fp16"]
    assert (first.model.name, first.model.overrides, first.model.seed, first.batch) == (
        "vit_tiny_patch16_224",
        (("depth", 2),),
        3,
        8,
    )


def test_a_path_that_exists_wins_over_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fp16").touch()
    subjects = parse_subjects(["fp16", "nvfp4"], TINY, Shape(8), Given(), builds_files=True)
    assert subjects[0] == Path("fp16")
    assert lint_subject("fp16", [], ModelOptions(), Shape(8), Given()) == Path("fp16")


def test_lint_takes_a_recipe_with_the_options_of_export() -> None:
    found = lint_subject("nvfp4", [], TINY, Shape(8), Given(["--set", "--seed", "--model"]))
    assert isinstance(found, ExportSpec)
    assert (str(found.recipe), found.model.seed, found.batch) == ("nvfp4", 3, 8)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_h_is_help(command: str, trtbench: Run) -> None:
    code, out, _ = trtbench(*[command] * bool(command), "-h")
    assert (code, out) == (0, trtbench(*[command] * bool(command), "--help")[1])


def test_the_store_of_the_environment_is_the_default(trtbench: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBENCH_STORE", "elsewhere")
    assert trtbench("ls")[1] == f"{Path('elsewhere').absolute()}: empty\n"
    assert trtbench("ls", "--store", "here")[1] == f"{Path('here').absolute()}: empty\n"


def test_build_alone_builds_what_has_no_engine_whatever_fails(
    trtbench: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_gpu(monkeypatch)
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    store = Store(tmp_path)
    broken, first, second = (
        add_model(store, recipe, digit * 16)
        for recipe, digit in (("bf16", "a"), ("fp16", "b"), ("fp32", "c"))
    )
    broken.payload.write_bytes(b"cut")
    build = ("build", "--backend", "trtexec")
    assert trtbench(*build, first.directory)[0] == 0
    code, out, err = trtbench(*build)
    assert code == 1, err
    lines = out.splitlines()
    assert lines[0].startswith(f"failed    {broken.directory.name}: ")
    assert lines[1].startswith(
        f"skipped   {first.directory.name}: already there: engines/vit_base_patch16_224-fp16-b4-"
    )
    assert lines[2].startswith(f"built     {second.directory.name}: engines/vit_base_patch16_224-fp32-b4-")
    assert lines[3] == "1 built, 1 skipped, 1 failed"
    assert f"{second.directory.name}: build: compile" in err


def test_build_alone_needs_models(trtbench: Run) -> None:
    code, out, err = trtbench("build")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "models: holds no exported model; name a recipe, such as nvfp4" in err


def test_what_rm_cannot_find_is_one_line(trtbench: Run) -> None:
    code, out, err = trtbench("rm", "0123456789")
    assert (code, out) == (2, "")
    assert err.endswith("has this name or id; see trtbench ls\n")
