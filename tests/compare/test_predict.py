"""Recipes predicted side by side: what fails is a row, speed-ups are within a shape, nothing is timed."""

from importlib import import_module
from pathlib import Path

import pytest
from support.grids import grid_of, install_no_gpu

from trtbench.audit import audit_engine
from trtbench.compare import predict
from trtbench.errors import BuildError, SpecError
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.results import CompiledEngine
from trtbench.specs import BuildRequest
from trtbench.store.artifacts import Store

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
FILES = {"fp16": "fp16", "nvfp4@stock": "nvfp4_stock", "mxfp8": "mxfp8"}
WS = find_gpu("rtx-pro-6000-ws")


def audit_of(recipe):
    compiled = CompiledEngine.model_validate_json((GOLDEN / f"{FILES[str(recipe)]}.layers.json").read_bytes())
    return audit_engine(GOLDEN / f"{FILES[str(recipe)]}.onnx", compiled.layers, recipe, "rtx", None)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """What was asked of the stages that export and build, which give audits of real engines."""
    cells_made = []

    def make(cells, store, rebuilds, on_step):
        for cell in cells:
            assert rebuilds(cell) == 0
            cells_made.append(cell)
            if str(cell.row.recipe) in FILES:
                cell.audit = audit_of(cell.row.recipe)
                cell.tell(targets=cell.build.targets)
            else:
                cell.fail(BuildError("no room"))

    install_no_gpu(monkeypatch)
    monkeypatch.setattr(import_module("trtbench.compare.predict"), "make", make)
    return cells_made


def test_each_row_is_predicted_and_compared_within_its_shape(store):
    result = predict(grid_of("fp16", "nvfp4@stock", batches=(1, 8)), WS, store)
    assert [row.key for row in result.rows] == ["fp16 b1", "nvfp4@stock b1", "fp16 b8", "nvfp4@stock b8"]
    assert [row.prediction.batch for row in result.rows] == [1, 1, 8, 8]
    assert [row.speedup and row.speedup.baseline for row in result.rows] == [None, "fp16 b1", None, "fp16 b8"]
    assert {row.prediction.gpu for row in result.rows} == {result.gpu.name} == {"rtx-pro-6000-ws"}
    assert (result.gpu.level, result.has_failed) == ("same_chip", False)


def test_a_speedup_is_the_ratio_and_holds_all_that_both_intervals_allow(store):
    slow, fast = predict(grid_of("nvfp4@stock", "fp16"), WS, store).rows
    speedup = fast.speedup
    assert speedup.ratio == slow.prediction.gpu_compute_ms / fast.prediction.gpu_compute_ms
    (low, high), (least, most) = slow.prediction.interval_ms, fast.prediction.interval_ms
    assert speedup.interval == (low / most, high / least)
    assert speedup.coverage == pytest.approx(0.8)


def test_a_recipe_that_fails_is_a_row_with_its_reason(store):
    first, second, third = predict(grid_of("fp8", "fp16", "mxfp8"), WS, store).rows
    assert (first.status, first.reason, first.code, first.prediction) == (
        "failed",
        "no room",
        BuildError.code,
        None,
    )
    assert second.status == third.status == "ok"
    # The baseline of the shape is the one that failed.
    assert second.speedup is third.speedup is None


def test_a_precision_that_the_gpu_lacks_fails_its_row_alone(store, made):
    result = predict(grid_of("fp16", "nvfp4@stock"), find_gpu("l40s"), store)
    assert [row.status for row in result.rows] == ["ok", "failed"]
    assert "L40S has no tensor cores for fp4" in result.rows[1].reason
    assert {cell.build.targets for cell in made} == {("sm89",)}


@pytest.mark.parametrize(
    ("gpu", "build", "reason"),
    [
        ("5090", {"targets": ("sm89",)}, r"engines for sm89 do not run on GeForce RTX 5090 \(sm120\): use"),
        ("5090", {"targets": ("sm86", "sm89")}, "engines for sm86, sm89 do not run on"),
        ("h100", {"targets": ("sm120",)}, "do not run on"),
        ("h100", {}, "it needs standard TensorRT"),
        ("thor", {}, "no prediction for Jetson Thor"),
    ],
)
def test_what_cannot_run_on_the_gpu_is_refused_before_anything_is_made(store, made, gpu, build, reason):
    with pytest.raises(SpecError, match=reason) as caught:
        predict(grid_of("fp16", build=BuildRequest(**build)), find_gpu(gpu), store)
    assert "\n" not in str(caught.value)
    assert (made, store.root.exists()) == ([], False)


def test_one_of_several_targets_is_enough(store):
    grid = grid_of("fp16", build=BuildRequest(targets=("sm89", "sm120")))
    assert predict(grid, WS, store).rows[0].targets == ("sm89", "sm120")


def test_no_recipe_is_refused(store):
    with pytest.raises(SpecError, match="nothing to predict"):
        predict(grid_of(), WS, store)


def test_the_command(trtbench):
    code, out, err = trtbench("predict", "fp16", "fp8", "--gpu", "5090", "--batch", "4")
    assert code == 1
    assert "fp8 failed: no room" in out
    assert "predictions are not measurements" in out
    assert out.startswith("vit_base_patch16_224, batch 4: predicted on GeForce RTX 5090 (sm120) at")
    code, out, err = trtbench("predict", "fp16", "--json")
    assert (code, '"kind": "predictions"' in out, err) == (0, True, "")


def test_an_unknown_gpu_is_one_line_with_the_known_ones(trtbench, made):
    code, out, err = trtbench("predict", "fp16", "--gpu", "3090")
    assert (code, out, err.count("\n"), made) == (2, "", 1, [])
    assert all(gpu.name in err for gpu in known_gpus())


def test_an_option_without_effect_is_refused(trtbench):
    code, _, err = trtbench("predict", "fp16", "--calib-samples", "4")
    assert (code, "--calib-samples has no effect" in err) == (2, True), err
