"""One recipe explained: what must be there, what may fail, and the command."""

import json
from importlib import import_module

import pytest
from support.golden_audits import FILES, golden_audit
from support.grids import grid_of, install_no_gpu
from support.manifests import onnx_manifest

from trtbench.compare import explain
from trtbench.compare.explain import exported_to_explain, recipes_to_explain
from trtbench.errors import BuildError, SpecError
from trtbench.predict.explain import LEAST_SHARE
from trtbench.predict.gpus import find_gpu
from trtbench.specs import ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store

WS = find_gpu("rtx-pro-6000-ws")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def refused(monkeypatch):
    """Recipes that fail; the others are audits of real engines where there is one, else fail, too."""
    names = set()

    def make(cells, store, rebuilds, on_step):
        for cell in cells:
            word = str(cell.row.recipe)
            if word in FILES and word not in names:
                cell.audit = golden_audit(cell.row.recipe)
            else:
                cell.fail(BuildError(f"no room for {word}"))

    install_no_gpu(monkeypatch)
    monkeypatch.setattr(import_module("trtbench.compare.explain"), "make", make)
    return names


def words(recipe, gpu=WS):
    return [str(each) for each in recipes_to_explain(parse_recipe(recipe), gpu)]


@pytest.mark.parametrize("recipe", ["fp16", "nvfp4", "nvfp4@stock", "fp8:qkv=fp16", "mxfp8+sparse"])
def test_the_recipe_comes_first_and_each_other_once(recipe):
    found = words(recipe)
    assert found[0] == recipe
    assert {"fp16", "nvfp4+fp8attn", "fp8"} <= set(found)
    assert len(set(found)) == len(found)


def test_an_exported_model_is_explained_as_its_recipe(tmp_path):
    for name in ("vit/model.onnx", "own.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    spec = ExportSpec(recipe=parse_recipe("nvfp4"), batch=3, passes=("split_qkv",))
    manifest = onnx_manifest(spec, [tmp_path / "vit" / "model.onnx"])
    (tmp_path / "vit" / "manifest.json").write_text(manifest.model_dump_json())
    first, *others = exported_to_explain(tmp_path / "vit", WS)
    assert first == spec
    assert [str(each.recipe) for each in others] == words("nvfp4")[1:]
    assert {(each.batch, each.passes) for each in others} == {(3, None)}
    with pytest.raises(SpecError, match=r"explain nvfp4 --model .*own.onnx explains a recipe of it"):
        exported_to_explain(tmp_path / "own.onnx", WS)


def test_the_same_recipe_with_attention_in_the_other_precision_is_among_them():
    assert "mxfp8+fp8attn" in words("mxfp8+sparse")
    assert "mxfp8" in words("mxfp8+fp8attn")
    assert "fp16+fp8attn" not in words("fp16")


def test_formats_that_the_gpu_lacks_are_not_among_them():
    assert words("fp16", find_gpu("l40s")) == ["fp16", "fp8", "fp8+fp8attn"]


def test_faster_recipes_are_levers_and_those_that_failed_have_a_reason(store):
    result = explain(grid_of("nvfp4@stock", "fp16", "fp8@stock", "fp8", "mxfp8"), WS, store)
    assert str(result.waterfall.recipe) == "nvfp4@stock"
    assert result.not_compiled == {"fp8": "no room for fp8"}
    compiled = {lever.name: lever for lever in result.levers if lever.evidence == "compiled"}
    assert "recipe fp16" in compiled
    lever = compiled["recipe fp16"]
    assert lever.saves_ms == pytest.approx(result.waterfall.predicted_ms - result.fp16.predicted_ms)
    assert lever.speedup == pytest.approx(1)


def test_levers_come_by_what_they_save_and_small_ones_are_left_out(store):
    result = explain(grid_of("nvfp4@stock", "fp16", "fp8@stock", "mxfp8"), WS, store)
    saved = [lever.saves_ms for lever in result.levers]
    assert saved == sorted(saved, reverse=True)
    assert min(saved) >= LEAST_SHARE * result.waterfall.predicted_ms
    assert all(lever.basis and lever.evidence in ("compiled", "repriced") for lever in result.levers)


def test_what_changes_the_meaning_of_the_numbers_is_noted(store):
    (fell_back,) = explain(grid_of("nvfp4@stock", "fp16"), WS, store).notes
    assert "fp16 in the engine" in fell_back
    (emulated,) = explain(grid_of("mxfp8", "fp16"), WS, store).notes
    assert "emulated" in emulated


def test_fp16_is_its_own_baseline(store):
    result = explain(grid_of("fp16", "fp8"), WS, store)
    assert result.waterfall == result.fp16
    assert result.speedup == 1


@pytest.mark.parametrize("word", ["fp16", "nvfp4@stock"])
def test_without_the_recipe_or_fp16_there_is_nothing_to_explain(store, refused, word):
    refused.add(word)
    with pytest.raises(BuildError, match=f"no room for {word}"):
        explain(grid_of("nvfp4@stock", "fp16", "fp8"), WS, store)


@pytest.mark.parametrize(
    ("recipe", "gpu", "reason"),
    [
        ("fp16", "thor", "no prediction for Jetson Thor"),
        ("nvfp4", "l40s", "L40S has no tensor cores for fp4"),
        ("fp8:fc1=nvfp4", "l40s", "L40S has no tensor cores for fp4"),
        ("fp16", "b200", "it needs standard TensorRT"),
    ],
)
def test_a_gpu_that_does_not_fit_is_refused_before_anything_is_made(store, recipe, gpu, reason):
    with pytest.raises(SpecError, match=reason):
        explain(grid_of(recipe, "fp16"), find_gpu(gpu), store)
    assert not store.root.exists()


def test_the_command(trtbench):
    code, out, err = trtbench("explain", "nvfp4@stock", "--gpu", "5090", "--batch", "4")
    assert code == 0, err
    assert out.startswith("vit_base_patch16_224 nvfp4@stock, batch 4: predicted on GeForce RTX 5090 (sm120)")
    assert "predictions are not measurements" in out
    assert "not compared with fp8: no room for fp8" in out
    code, out, err = trtbench("explain", "fp16", "--clock-mhz", "1500", "--json")
    found = json.loads(out)
    assert (code, found["kind"], found["gpu"]["clock_mhz"], err) == (0, "explanation", 1500, "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["fp17"], "fp17"),
        (["fp16", "--gpu", "3090"], "3090"),
        (["fp16", "--batch", "1,8"], "--batch"),
        (["fp16", "--clock-mhz", "9999"], "clock of 9999 MHz"),
        (["fp16", "--target", "sm89"], "engines for sm89 do not run on"),
        (["fp16", "--sparsity-method", "sparsegpt"], "--sparsity-method has no effect"),
    ],
)
def test_wrong_requests_are_one_line(trtbench, arguments, reason):
    code, out, err = trtbench("explain", *arguments)
    assert (code, out, err.count("\n"), reason in err) == (2, "", 1, True), err


def test_calibration_images_have_an_effect_since_other_recipes_take_them(trtbench):
    code, _, err = trtbench("explain", "fp16", "--calib-samples", "4")
    assert code == 0, err
