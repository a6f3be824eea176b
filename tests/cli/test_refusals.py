"""Options that have no effect, or exclude each other, end with one line and exit code 2 before any work."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.scripted import write_script
from support.tensorrt_machine import write_model

from trtbench.cli.groups import Given
from trtbench.cli.refusals import Asked, refuse
from trtbench.errors import BuildError, SpecError
from trtbench.runtimes import RUNTIMES

Run = Callable[..., tuple[int, str, str]]


def no_effect(what: str) -> str:
    return f"has no effect with {what}; remove it"


NO_IMAGES = "recipes that take no calibration images"
FIXED = "whose model and shape are fixed"
NO_FP32 = "which has no FP32 model to be compared with"
NO_EXPORT = no_effect("runtime torch, which loads no exported model")
STORED = "and --from exclude each other: stored results are not timed again"
ONE_SOURCE = "and --checkpoint exclude each other: the weights come from one of them"
NO_SHARING = "and --timing-cache shared exclude each other: builds that share timings choose the same tactics"
ONE_ENGINE = "and --aa exclude each other: one engine is compared with itself"
ONE_SHAPE = "and --aa exclude each other: it compares one arm with itself, and these are 2 shapes"
TORCH = no_effect("runtime torch, which loads no engine")
CPU = no_effect("runtime onnxruntime-cpu, which loads no engine")
FAKE = no_effect("runtime fake, which loads no engine")
ALL_MODELS = no_effect("exported models, whose model and shape are fixed") + ", or name a recipe"
ENGINE = no_effect("x.engine, from which nothing is built")
COMPARE_CPU = "compare fp32 --runtime onnxruntime-cpu --env local"
BENCH_FAKE = "bench a.json --runtime fake"
SHARED = "--backend tensorrt --timing-cache shared"

REFUSED = [
    ("export", "--calib photos", no_effect(f"{NO_IMAGES} (fp16)")),
    ("export --precision fp32 --sparse", "--calib photos", no_effect(f"{NO_IMAGES} (fp32+sparse)")),
    ("export", "--calib-samples 8", no_effect(f"{NO_IMAGES} (fp16)")),
    ("verify fp16 mxfp8", "--calib-samples 3", no_effect(f"{NO_IMAGES} (fp16, mxfp8)")),
    ("bench fp16", "--sparsity-method sparse_magnitude", no_effect("recipes that prune nothing (fp16)")),
    (
        "compare fp16 nvfp4 --calib-samples 3",
        "--sparsity-method sparsegpt",
        no_effect("recipes that prune nothing (fp16, nvfp4)"),
    ),
    ("compare fp16 --data photos", "--calib photos", no_effect(f"{NO_IMAGES} (fp16)")),
    ("compare fp16 --calib photos", "--calib-samples 3", no_effect(f"{NO_IMAGES} (fp16)")),
    ("compare fp16 --checkpoint w.pt", "--pretrained", ONE_SOURCE),
    ("export --checkpoint w.pt", "--pretrained", ONE_SOURCE),
    ("lint m.onnx", "--precision fp8", no_effect("m.onnx, whose layers and precisions are fixed")),
    ("lint m.onnx", "--seed 1", no_effect("m.onnx, whose layers and precisions are fixed")),
    ("lint nvfp4", "--precision fp8", no_effect("a recipe (nvfp4)")),
    (
        "lint vit_tiny_patch16_224",
        "--pretrained",
        no_effect("vit_tiny_patch16_224, of which only the structure is checked"),
    ),
    ("inspect m.onnx", "--batch 8", no_effect(f"m.onnx, {FIXED}")),
    ("inspect m.onnx", "--seed 1", no_effect(f"m.onnx, {FIXED}")),
    ("inspect m.onnx", "--target sm120", no_effect("m.onnx, from which nothing is built")),
    ("diff m.onnx x.engine", "--model vit", no_effect(f"m.onnx, {FIXED}")),
    ("build m.onnx", "--set depth=2", no_effect(f"m.onnx, {FIXED}")),
    ("verify m.onnx --seed 1", "--batch 8", no_effect(f"m.onnx, {FIXED}")),
    ("explain m.onnx", "--seed 1", no_effect(f"m.onnx, {FIXED}")),
    ("build", "--batch 8", ALL_MODELS),
    ("build", "--profile x=1:1:1", ALL_MODELS),
    (
        "compare m.onnx fp16 --runtime onnxruntime-cpu",
        "--batch 1,8",
        "has several values, and m.onnx has one shape; name one, or remove m.onnx",
    ),
    ("lint gone.onnx", "--set depth=2", no_effect("gone.onnx, whose layers and precisions are fixed")),
    (
        "roofline vit_tiny_patch16_224 --tokens 50",
        "--img-size 224",
        "and --tokens exclude each other: the size of an image sets its number of tokens",
    ),
    # Files in place of recipes
    (BENCH_FAKE, "--batch 8", no_effect(f"a.json, {FIXED}")),
    (BENCH_FAKE, "--batch 64", no_effect(f"a.json, {FIXED}")),
    (BENCH_FAKE, "--img-size 64", no_effect(f"a.json, {FIXED}")),
    (BENCH_FAKE, "--set depth=1", no_effect(f"a.json, {FIXED}")),
    (BENCH_FAKE, "--model vit", no_effect(f"a.json, {FIXED}")),
    (f"{BENCH_FAKE} --aa 5", "--set depth=1", no_effect(f"a.json, {FIXED}")),
    (f"{BENCH_FAKE} --aa 5", "--batch 8", no_effect(f"a.json, {FIXED}")),
    ("compare a.json b.json --runtime fake", "--pretrained", no_effect(f"a.json, {FIXED}")),
    ("compare x.engine --runtime tensorrt", "--passes none", no_effect(f"x.engine, {FIXED}")),
    ("compare x.engine --runtime tensorrt", "--gpu h200", no_effect("x.engine, from which nothing is built")),
    ("predict x.engine", "--seed 1", no_effect(f"x.engine, {FIXED}")),
    ("predict x.engine", "--batch 1", no_effect(f"x.engine, {FIXED}")),
    ("predict x.engine", "--target sm89", no_effect("x.engine, from which nothing is built")),
    ("predict fp16", "--calib-samples 4", no_effect(f"{NO_IMAGES} (fp16)")),
    ("compare x.engine --runtime tensorrt", "--data photos", no_effect(f"x.engine, {NO_FP32}")),
    (
        "compare fp16 --runtime torch",
        "--data photos",
        NO_EXPORT,
    ),
    # Stored results
    ("compare --from a.json", "--data photos", STORED),
    ("compare --from a.json", "--img-size 64", STORED),
    ("compare --from a.json", "--batch 64", STORED),
    ("compare --from a.json", "--set depth=1", STORED),
    ("compare --from a.json", "--seed 0", STORED),
    ("compare --from a.json", "--l2 flushed", STORED),
    ("compare --from a.json", "--trust", STORED),
    ("compare --from a.json", "--gpu h200", STORED),
    ("compare --from a.json", "--clock-mhz 2000", STORED),
    ("compare --from a.json", "--rebuilds 1", STORED),
    ("compare --from a.json", "--backend tensorrt", STORED),
    ("compare --from a.json", "--target sm120", STORED),
    ("compare --from a.json", "--runtime fake", STORED),
    ("compare --from a.json", "--env local", STORED),
    # Runtimes that load no engine
    ("compare fp16 --runtime torch", "--backend trtexec", TORCH),
    ("bench fp16 --runtime torch", "--tiling fast", TORCH),
    ("compare fp16 --runtime torch", "--rebuilds 1", TORCH),
    (COMPARE_CPU, "--optimization-level 3", CPU),
    (COMPARE_CPU, "--target sm120", CPU),
    (COMPARE_CPU, "--rebuilds 1", CPU),
    (COMPARE_CPU, "--trust", CPU),
    (COMPARE_CPU, "--gpu h200", CPU),
    ("bench fp16 --runtime onnxruntime-cpu", "--trust", CPU),
    ("compare a.json --runtime fake", "--timeout-s 900", FAKE),
    ("compare a.json --runtime fake", "--trust", FAKE),
    (BENCH_FAKE, "--rebuilds 1", FAKE),
    (
        "compare fp16 --runtime torch --runtime onnxruntime",
        "--trust",
        no_effect("runtime torch, onnxruntime, which loads no engine"),
    ),
    # Runtimes without a GPU or a CUDA graph
    (BENCH_FAKE, "--exclusive", no_effect("runtime fake, which runs on no GPU")),
    (COMPARE_CPU, "--exclusive", no_effect("runtime onnxruntime-cpu, which runs on no GPU")),
    (
        "bench fp16 --aa 5 --runtime onnxruntime-cpu",
        "--exclusive",
        no_effect("runtime onnxruntime-cpu, which runs on no GPU"),
    ),
    (COMPARE_CPU, "--no-graph", no_effect("runtime onnxruntime-cpu, which never has a CUDA graph")),
    (
        "compare fp16 --runtime onnxruntime-cpu --runtime torch-eager",
        "--no-graph",
        no_effect("runtime onnxruntime-cpu, torch-eager, which never has a CUDA graph"),
    ),
    # Engines, which are built already
    ("bench x.engine --runtime trtexec", "--tiling fast", ENGINE),
    ("bench x.engine", "--tiling fast", ENGINE),
    ("bench x.engine --runtime tensorrt", "--rebuilds 2", ENGINE),
    ("compare x.engine --runtime tensorrt", "--backend tensorrt", ENGINE),
    ("compare x.engine --runtime tensorrt", "--target sm120", ENGINE),
    # Several engines, or one against itself
    (f"compare fp16 {SHARED}", "--rebuilds 2", NO_SHARING),
    (f"bench fp16 {SHARED}", "--rebuilds 1", NO_SHARING),
    (f"compare fp16 --env local {SHARED}", "--rebuilds 1", NO_SHARING),
    ("bench fp16 --aa 5 --backend tensorrt", "--rebuilds 1", ONE_ENGINE),
    ("bench fp16 --aa 5 --runtime torch", "--batch 1,2", ONE_SHAPE),
    ("bench fp16 --aa 5 --runtime torch", "--img-size 224,256", ONE_SHAPE),
    ("inspect fp16", "--shape x=1", no_effect("recipes (fp16), whose shapes are static")),
    (
        "lint vit_tiny_patch16_224",
        "--shape x=1",
        no_effect("vit_tiny_patch16_224, whose shape --batch and --img-size give"),
    ),
]


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """One file of each kind that a command takes."""
    write_script(tmp_path, "a")
    write_script(tmp_path, "b")
    write_model(tmp_path / "m.onnx")
    (tmp_path / "x.engine").write_bytes(b"an engine")
    (tmp_path / "w.pt").write_bytes(b"weights")
    (tmp_path / "photos").mkdir()


@pytest.mark.parametrize(
    ("command", "option", "reason"), REFUSED, ids=[f"{command} {option}" for command, option, _ in REFUSED]
)
def test_an_option_without_effect_is_refused(command: str, option: str, reason: str, trtbench: Run) -> None:
    code, out, err = trtbench(*command.split(), *option.split())
    name, _, _ = option.partition(" ")
    assert (code, out, err) == (2, "", f"trtbench: error: {name} {reason}\n")
    assert not [path for path in Path().iterdir() if path.name in ("models", "engines", "results")]


ENGINES = {"tensorrt", "tensorrt_rtx", "trtexec"}
USERS = {
    "--trust": ENGINES,
    "--exclusive": {*ENGINES, "onnxruntime", "torch", "torch-eager", "torch-compile"},
    "--no-graph": {*ENGINES, "onnxruntime", "torch", "torch-compile", "fake"},
}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("option", USERS)
def test_an_option_passes_where_the_runtime_can_use_it(option: str, runtime: str) -> None:
    asked, given = Asked(runtimes=[runtime]), Given([option])
    if runtime in USERS[option]:
        refuse(asked, given)
    else:
        with pytest.raises(SpecError, match=f"^{option} has no effect with runtime {runtime}, which"):
            refuse(asked, given)


@pytest.mark.parametrize("option", USERS)
def test_one_runtime_that_can_use_it_is_enough(option: str) -> None:
    refuse(Asked(runtimes=["onnxruntime-cpu", "tensorrt"]), Given([option]))


@pytest.mark.parametrize("verb", ["build", "inspect", "pack -o x.zip"])
def test_images_of_other_recipes_may_be_named_with_an_artifact(
    verb: str, trtbench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trtbench.compare.several.make_engine", no_work)
    code, _, err = trtbench(*verb.split(), "fp16", "--calib", "photos", "--calib-samples", "3")
    assert (code, "would be made" in err) == (1, True)


def no_work(*_: object) -> None:
    raise BuildError("would be made")
