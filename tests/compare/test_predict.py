"""Recipes predicted side by side: on which GPU, what fails is a row, speed-ups are within a shape."""

from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.audits import AUDITED, audit_of
from support.grids import grid_of, install_exports, install_no_gpu, install_timers
from support.tensorrt_machine import engine_of, install_gpu, install_tensorrt, write_model

from trtbench.compare import compare, predict
from trtbench.compare.predicted import _waterfall, predicted_gpu
from trtbench.errors import BuildError, SpecError
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.specs import BuildRequest, Grid
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.store.results import load_result

WS = find_gpu("rtx-pro-6000-ws")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def made(monkeypatch):
    """What was asked of the stages that export and build, which give audits of real engines."""
    cells_made = []

    def make(cells, store, rebuilds, on_step, on_export=None):
        for cell in cells:
            assert rebuilds(cell) == 0
            cells_made.append(cell)
            if str(cell.row.recipe) in AUDITED:
                cell.audit = audit_of(str(cell.row.recipe))
                cell.tell(targets=cell.build.targets)
            else:
                cell.fail(BuildError("no room"))

    install_no_gpu(monkeypatch)
    for stage in ("predict", "grid"):
        monkeypatch.setattr(import_module(f"trtbench.compare.{stage}"), "make", make)
    monkeypatch.setattr(import_module("trtbench.compare.grid"), "verifying", lambda *_: nullcontext())
    return cells_made


def compared(comparison):
    return [(each.baseline, each.arm) for each in comparison.predicted_speedups]


def test_each_row_is_predicted_and_compared_within_its_shape(store, made):
    result = predict(grid_of("fp16", "nvfp4@stock", batches=(1, 8), gpu=WS), store)
    assert [row.key for row in result.rows] == ["fp16 b1", "nvfp4@stock b1", "fp16 b8", "nvfp4@stock b8"]
    assert [row.predicted.batch for row in result.rows] == [1, 1, 8, 8]
    assert compared(result) == [("fp16 b1", "nvfp4@stock b1"), ("fp16 b8", "nvfp4@stock b8")]
    assert {row.predicted.gpu for row in result.rows} == {result.predicted_on.name} == {"rtx-pro-6000-ws"}
    assert (result.predicted_on.level, result.has_failed) == ("same_chip", False)


def test_a_comparison_holds_the_same_predictions_but_for_the_layers(store, made):
    grid = grid_of("fp16", "nvfp4@stock", "fp8", gpu=WS)
    ours, theirs = compare(grid, store), predict(grid, store)
    assert [row.key for row in ours.rows if row.predicted] == ["fp16", "nvfp4@stock"]
    assert all(row.predicted.layers for row in theirs.rows if row.predicted)
    for row, other in zip(ours.rows, theirs.rows, strict=True):
        whole = other.predicted and other.predicted.model_copy(update={"layers": ()})
        assert (row.predicted, row.measured) == (whole, None)
    assert (ours.predicted_on, ours.predicted_speedups) == (theirs.predicted_on, theirs.predicted_speedups)
    assert ours.verdicts == ()


def test_a_predicted_row_has_its_waterfall_and_the_kernels_of_one_block(store, made):
    row = predict(grid_of("nvfp4@stock", gpu=WS), store).rows[0]
    assert row.waterfall.predicted_ms == pytest.approx(row.predicted.gpu_compute_ms)
    times = {layer.name: layer.predicted_ms for layer in row.predicted.layers}
    assert {"qkv", "fc1", "fc2", "attention"} <= {kernel.role for kernel in row.block}
    assert [kernel.predicted_ms for kernel in row.block] == [times[kernel.name] for kernel in row.block]
    assert type(row).model_validate_json(row.model_dump_json()) == row


def test_a_row_keeps_its_prediction_where_the_gpu_has_no_tensor_cores_for_the_recipe(store, made):
    found = predict(grid_of("fp16", gpu=WS), store).rows[0].predicted
    assert _waterfall(made[0].audit, parse_recipe("nvfp4"), found, find_gpu("h200")) is None


def test_a_recipe_that_fails_is_a_row_with_its_reason(store, made):
    result = predict(grid_of("fp8", "fp16", "mxfp8", gpu=WS), store)
    first, second, third = result.rows
    assert (first.status, first.reason, first.code, first.predicted) == (
        "failed",
        "no room",
        BuildError.code,
        None,
    )
    assert second.status == third.status == "ok"
    # The baseline of the shape is the one that failed.
    assert compared(result) == []


@pytest.mark.parametrize("stage", [predict, compare])
def test_a_precision_that_the_gpu_lacks_leaves_the_rest_of_its_row(stage, store, made):
    build = BuildRequest(targets=("sm89",))
    result = stage(grid_of("fp16", "nvfp4@stock", gpu=find_gpu("l40s"), build=build), store)
    assert [(row.status, row.predicted is None) for row in result.rows] == [("ok", False), ("ok", True)]
    assert "L40S has no tensor cores for fp4" in result.rows[1].not_predicted
    assert (result.rows[0].not_predicted, compared(result)) == (None, [])


def test_predict_builds_for_the_gpu_that_is_named(store, made):
    predict(grid_of("fp16", gpu=find_gpu("l40s")), store)
    predict(grid_of("fp16"), store)
    assert [cell.build.targets for cell in made] == [("sm89",), ("sm120",)]


def test_compare_builds_for_the_gpu_that_is_named(store, made):
    (row,) = compare(grid_of("fp16", gpu=find_gpu("l40s")), store).rows
    assert (row.targets, row.predicted.gpu, row.not_predicted) == (("sm89",), "l40s", None)


def test_compare_refuses_a_target_that_the_gpu_does_not_run(store, made):
    build = BuildRequest(targets=("sm120",))
    with pytest.raises(SpecError, match=r"engines for sm120 do not run on L40S \(sm89\)"):
        compare(grid_of("fp16", build=build, gpu=find_gpu("l40s")), store)
    assert not made


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
        predict(grid_of("fp16", build=BuildRequest(**build), gpu=find_gpu(gpu)), store)
    assert "\n" not in str(caught.value)
    assert (made, store.root.exists()) == ([], False)


def test_compare_refuses_a_gpu_without_rates_before_anything_is_made(store, made):
    with pytest.raises(SpecError, match="no prediction for Jetson Thor"):
        compare(grid_of("fp16", gpu=find_gpu("thor")), store)
    assert (made, store.root.exists()) == ([], False)


def test_one_of_several_targets_is_enough(store, made):
    grid = grid_of("fp16", build=BuildRequest(targets=("sm89", "sm120")), gpu=WS)
    assert predict(grid, store).rows[0].targets == ("sm89", "sm120")


@pytest.mark.parametrize(
    ("local", "targets", "name"),
    [
        ({}, ("sm120",), "rtx-pro-6000-se"),
        ({}, ("sm89", "sm120"), "rtx-pro-6000-se"),
        ({}, ("sm89",), "l40s"),
        ({}, ("sm90",), "h100"),
        ({}, ("sm86",), None),
        ({}, ("sm121",), None),
        ({"NVIDIA_GeForce_RTX_5090": "12.0"}, ("sm120",), "rtx-5090"),
        ({"NVIDIA_RTX_PRO_6000_Blackwell_Workstation_Edition": "12.0"}, ("sm120",), "rtx-pro-6000-ws"),
        ({"NVIDIA_H200": "9.0"}, ("sm90",), "h200"),
        ({"NVIDIA_H200": "9.0"}, ("sm120",), "rtx-pro-6000-se"),
        ({"NVIDIA_GeForce_RTX_5060": "12.0"}, ("sm120",), "rtx-pro-6000-se"),
    ],
)
def test_the_gpu_is_the_local_one_or_one_that_was_measured(monkeypatch, local, targets, name):
    install_gpu(monkeypatch, **local) if local else install_no_gpu(monkeypatch)
    found = predicted_gpu([SimpleNamespace(targets=targets)], Grid())
    assert (found.name if found else None) == name


def test_the_clock_is_that_of_the_table_unless_one_is_given(monkeypatch):
    install_no_gpu(monkeypatch)
    cells = [SimpleNamespace(targets=("sm120",))]
    assert predicted_gpu(cells, Grid(clock_mhz=1500)).clock_mhz == 1500
    assert predicted_gpu(cells, Grid(gpu=WS, clock_mhz=1500)).clock_mhz == 1500
    assert predicted_gpu(cells, Grid(gpu=WS)).clock_mhz == WS.clock_mhz


def test_without_a_gpu_for_their_target_rows_say_so(store, made):
    result = compare(grid_of("fp16", build=BuildRequest(targets=("sm86",))), store)
    assert result.rows[0].not_predicted == (
        "no GPU with published kernel times runs engines for sm86; name one with --gpu (trtbench gpus lists "
        "them)"
    )
    assert (result.predicted_on, result.rows[0].status) == (None, "ok")


def test_rows_without_an_engine_have_no_note_on_predictions(monkeypatch, tmp_path, store):
    install_no_gpu(monkeypatch)
    install_exports(monkeypatch, tmp_path)
    install_timers(monkeypatch)
    (row,) = compare(grid_of("fp16", runtimes=("onnxruntime-cpu",)), store).rows
    assert (row.status, row.predicted, row.not_predicted) == ("ok", None, None)


def test_no_recipe_is_refused(store, made):
    with pytest.raises(SpecError, match="name at least one recipe"):
        predict(grid_of(), store)


class TestStandardTensorRT:
    """Its engines are predicted from the layers that the engine inspector gives."""

    @pytest.fixture(params=["tensorrt-10.14.1.48.post1", "tensorrt-11.2.1.2"])
    def version(self, request):
        return request.param

    @pytest.fixture
    def engine(self, version, trtbench, monkeypatch, tmp_path):
        install_gpu(monkeypatch)
        install_tensorrt(monkeypatch, tmp_path, version)
        write_model(tmp_path / "m.onnx")
        return engine_of(trtbench, "--backend", "tensorrt")

    def test_an_engine_of_the_store(self, trtbench, version, engine):
        code, out, err = trtbench("predict", engine, "--json")
        assert code == 0, out + err
        (row,) = load_json(out).rows
        assert (row.engine.backend, row.predicted.batch, row.predicted.gpu) == (
            "tensorrt",
            4,
            "rtx-pro-6000-se",
        )
        # As the inspector of each generation describes its one product; FP32 takes the rates of FP16.
        product = "gemm fp32" if version.startswith("tensorrt-10.") else "gemm fp16"
        assert row.predicted.groups[product].rates == "fp16"
        low, high = row.predicted.interval_ms
        assert 0 < low < row.predicted.gpu_compute_ms < high

    def test_a_model_is_built_and_a_changed_one_is_reported(self, trtbench, engine):
        code, out, err = trtbench("predict", "m.onnx", "--backend", "tensorrt", "--json")
        assert (code, load_json(out).rows[0].engine.backend) == (0, "tensorrt"), err
        write_model(Path("m.onnx"), 8)
        code, out, err = trtbench("predict", engine)
        assert code == 1
        assert f"{engine.name} failed: " in out
        assert "not the ONNX model that this engine was built from" in out


def load_json(text):
    path = Path("result.json")
    path.write_text(text)
    return load_result(path)


def test_a_bare_engine_is_refused(trtbench):
    Path("m.engine").write_bytes(b"an engine")
    code, out, err = trtbench("predict", "m.engine")
    assert (code, out) == (2, "")
    assert "m.engine: the layers of a bare engine are not known; name an engine of a store" in err


def test_the_command(trtbench, made):
    options = ("--batch", "4", "--gpu", "5090", "--clock-mhz", "2400")
    code, out, err = trtbench("predict", "fp16", "fp8", *options)
    assert code == 1
    assert "fp8 failed: no room" in out
    assert "predicted, not measured: GeForce RTX 5090 (sm120) at 2400 MHz" in out
    code, out, err = trtbench("predict", "fp16", "--json")
    assert (code, '"kind": "comparison"' in out, err) == (0, True, "")


def test_predict_fails_where_a_row_has_no_prediction(trtbench, made):
    code, out, _ = trtbench("predict", "fp16", "nvfp4@stock", "--gpu", "l40s")
    assert (code, "nvfp4@stock not predicted: L40S has no tensor cores for fp4" in out) == (1, True)
    code, out, _ = trtbench("compare", "fp16", "nvfp4@stock", "--gpu", "l40s", "--target", "sm89")
    assert (code, "nvfp4@stock not predicted: L40S has no tensor cores for fp4" in out) == (0, True)


@pytest.mark.parametrize("command", ["predict", "compare"])
def test_an_unknown_gpu_is_one_line_with_the_known_ones(trtbench, made, command):
    code, out, err = trtbench(command, "fp16", "--gpu", "3090")
    assert (code, out, err.count("\n"), made) == (2, "", 1, [])
    assert all(gpu.name in err for gpu in known_gpus())


@pytest.mark.parametrize("clock", ["0", "-5", "inf", "nan"])
def test_a_clock_is_positive(trtbench, made, clock):
    code, out, err = trtbench("compare", "fp16", "--clock-mhz", clock)
    assert (code, out, err.count("\n"), made) == (2, "", 1, [])
    assert err.startswith("trtbench: error: --clock-mhz ")
