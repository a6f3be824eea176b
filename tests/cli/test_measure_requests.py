"""What a request to time comes to: which options pass, and what a sweep makes of a point that fails."""

import json
import sys
from pathlib import Path

import pytest
from support.scripted import FAST, arm

from trtbench.cli import measure_requests
from trtbench.cli.measure_requests import checked_bench
from trtbench.cli.options import BenchOptions
from trtbench.errors import BuildError, SpecError
from trtbench.export import check_model
from trtbench.measure.arms import labels_of_paths
from trtbench.runtimes import RUNTIMES
from trtbench.specs import ModelSpec

TINY = "vit_tiny_patch16_224"

ENGINES = {"tensorrt", "tensorrt_rtx", "trtexec"}
USERS = {
    "trust": ENGINES,
    "exclusive": {*ENGINES, "onnxruntime", "torch", "torch-eager", "torch-compile"},
    "no_graph": {*ENGINES, "onnxruntime", "torch", "torch-compile", "fake"},
}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("option", USERS)
def test_an_option_passes_where_the_runtime_can_use_it(option, runtime):
    options = BenchOptions(**{option: True})
    if runtime in USERS[option]:
        checked_bench(options, 0, [runtime])
    else:
        with pytest.raises(SpecError, match=f"^--{option.replace('_', '-')} has no say in runtime {runtime}"):
            checked_bench(options, 0, [runtime])


@pytest.mark.parametrize("option", USERS)
def test_one_runtime_that_can_use_it_is_enough(option):
    bench = checked_bench(BenchOptions(**{option: True}), 7, ["onnxruntime-cpu", "tensorrt"])
    assert (bench.seed, bench.cuda_graph) == (7, option != "no_graph")


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The recipes that were made into arms, by batch and image size; batch 2 is too large for this GPU."""
    asked = []

    def make(label, spec, runtime, workshop, on_step):
        asked.append((spec.batch, spec.model.img_size))
        if spec.batch == 2:
            raise BuildError("too large for this GPU")
        return arm(tmp_path, label), None

    monkeypatch.setattr(measure_requests, "arm_of_recipe", make)
    return asked


def test_a_batch_that_cannot_be_built_is_a_point_of_the_sweep(trtbench, made):
    sweep = ("bench", "fp32", "--runtime", "onnxruntime-cpu", "--batch", "1,2,4", *FAST)
    code, out, err = trtbench(*sweep, "--json")
    points = json.loads(out)["points"]
    assert (code, [point["status"] for point in points]) == (1, ["ok", "failed", "ok"]), err
    assert (points[1]["reason"], points[1]["batch"]) == ("too large for this GPU", 2)
    assert "fp32 at batch 2 failed: too large for this GPU" in trtbench(*sweep)[1]
    assert {batch for batch, _ in made} == {1, 2, 4}


def test_alone_it_is_an_error(trtbench, made):
    code, out, err = trtbench("bench", "fp32", "--runtime", "onnxruntime-cpu", "--batch", "2", *FAST)
    assert (code, out, err.splitlines()[-1]) == (1, "", "trtbench: error: too large for this GPU")


def interrupt_at(batch, monkeypatch):
    """Ctrl-C when the arm of this batch is made."""
    make = measure_requests.arm_of_recipe

    def interrupted(label, spec, *rest):
        if spec.batch == batch:
            raise KeyboardInterrupt
        return make(label, spec, *rest)

    monkeypatch.setattr(measure_requests, "arm_of_recipe", interrupted)


def test_an_interrupted_sweep_goes_on_with_the_point_it_stopped_at(trtbench, made, monkeypatch, tmp_path):
    sweep = ("bench", "fp32", "--runtime", "onnxruntime-cpu", "--batch", "1,4,8", *FAST, "--json")
    with monkeypatch.context() as patch:
        interrupt_at(8, patch)
        assert trtbench(*sweep)[0] == 130
    first = {path: path.read_bytes() for path in (tmp_path / "results").glob("*.json")}
    assert (len(first), made) == (2, [(1, None), (4, None)])

    code, out, err = trtbench(*sweep)
    assert code == 0, err
    assert made[2:] == [(8, None)]
    assert [point["status"] for point in json.loads(out)["points"]] == ["ok"] * 3
    assert {path: path.read_bytes() for path in first} == first

    trtbench(*sweep)  # a sweep that has ended is measured anew
    assert [batch for batch, _ in made[3:]] == [1, 4, 8]
    assert not [*(tmp_path / "results").glob("sweep-*")]


def test_a_failed_point_of_an_interrupted_sweep_is_tried_again(trtbench, made, monkeypatch):
    sweep = ("bench", "fp32", "--runtime", "onnxruntime-cpu", "--batch", "2,4", *FAST)
    with monkeypatch.context() as patch:
        interrupt_at(4, patch)
        assert trtbench(*sweep)[0] == 130
    assert trtbench(*sweep)[0] == 1
    assert [batch for batch, _ in made] == [2, 2, 4]


def test_a_point_that_failed_while_it_was_timed_is_tried_again(trtbench, made, monkeypatch):
    sweep = ("bench", "fp32", "--runtime", "onnxruntime-cpu", "--batch", "1,4", *FAST)
    measure = measure_requests.bench

    def failing(*arguments):
        return measure(*arguments).model_copy(update={"status": "failed", "reason": "lost the GPU"})

    with monkeypatch.context() as patch:
        patch.setattr(measure_requests, "bench", failing)
        interrupt_at(4, patch)
        assert trtbench(*sweep)[0] == 130
    assert trtbench(*sweep)[0] == 0
    assert [batch for batch, _ in made] == [1, 1, 4]


@pytest.mark.parametrize("command", ["bench", "compare"])
def test_a_wrong_image_size_is_refused_before_anything_is_made(trtbench, made, command):
    sizes = ("--runtime", "onnxruntime-cpu", "--model", TINY, "--img-size", "224,230,256")
    code, out, err = trtbench(command, "fp32", *sizes, *FAST)
    assert (code, out) == (2, "")
    assert "230 x 230" in err.splitlines()[-1]
    assert (made, list(Path().iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--runtime", "onnxruntime-cpu", "--trust"], "--trust has no say"),
        (["--runtime", "onnxruntime-cpu", "--optimization-level", "3"], "--optimization-level has no say"),
        (["--runtime", "fake"], "runtime fake takes script files"),
    ],
)
def test_a_sweep_of_images_is_refused_before_anything_is_made(trtbench, made, words, reason):
    code, out, err = trtbench("compare", "fp32", "--model", TINY, "--img-size", "32,64", *words, *FAST)
    assert (code, out, made, list(Path().iterdir())) == (2, "", [], [])
    assert reason in err.splitlines()[-1]


def test_without_the_packages_for_export_the_image_is_left_to_the_runtime(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.delitem(sys.modules, "trtbench.export.model", raising=False)
    check_model(ModelSpec(name=TINY, img_size=230))


def test_what_lies_in_the_working_folder_has_a_name(tmp_path, monkeypatch):
    folder = tmp_path / "vit-fp16-b1-0123"
    folder.mkdir()
    for name in ("model.onnx", "manifest.json"):
        (folder / name).touch()
    (tmp_path / "bare.onnx").touch()
    monkeypatch.chdir(folder)
    assert labels_of_paths([Path("model.onnx")]) == labels_of_paths([Path()]) == ["vit-fp16-b1-0123"]
    assert labels_of_paths([Path("../bare.onnx"), Path()]) == ["bare", "vit-fp16-b1-0123"]
