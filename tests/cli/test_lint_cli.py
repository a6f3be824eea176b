"""``trtbench lint`` as a user meets it: exit codes, one clear line for each mistake."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support.lint_graphs import linear

Run = Callable[..., tuple[int, str, str]]
TINY = ("vit_tiny_patch16_224", "--set", "depth=1")


@pytest.fixture
def lint(trtbench: Run) -> Run:
    """Run ``trtbench lint``; return exit code, stdout and stderr."""
    return partial(trtbench, "lint")


def test_a_model(lint: Run) -> None:
    started = time.perf_counter()
    code, out, err = lint(*TINY)
    assert (code, err) == (0, "")
    assert out.startswith(
        "vit_tiny_patch16_224 for sm120: batch 64, 5 Linear layers, 1 attention of 197 tokens"
    )
    assert time.perf_counter() - started < 30


def test_an_error_exits_with_1(lint: Run) -> None:
    code, out, _ = lint(*TINY, "--precision", "nvfp4", "--target", "sm89")
    assert code == 1
    assert "error TARGET_LACKS_TYPE" in out


def test_json_is_all_there_is_on_stdout(lint: Run, tmp_path: Path) -> None:
    code, out, _ = lint(linear("nvfp4", ("N", 200)).save(tmp_path / "m.onnx"), "--json", "--batch", "3")
    report = json.loads(out)
    assert code == 1
    assert (report["schema_version"], report["kind"], report["subject"]) == (1, "lint", "m.onnx")
    assert report["batch"] == 3
    codes = [finding["code"] for finding in report["sections"][0]["findings"]]
    assert codes == ["DYNAMIC_SHAPE", "BLOCK_DOES_NOT_DIVIDE"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["vit_base_patch16_225"], 2, ["vit_base_patch16_225", "did you mean"]),
        (["resnet50"], 2, ["resnet50", "VisionTransformer"]),
        (["gone.onnx"], 2, ["gone.onnx", "missing"]),
        (["models/gone"], 2, ["models/gone", "missing"]),
        ([*TINY, "--img-size", "225"], 2, ["225 x 225", "16 x 16"]),
        ([*TINY, "--precision", "fp17"], 2, ["fp17", "unknown precision"]),
        ([*TINY, "--precision", "fp8", "--precision", "fp8"], 2, ["fp8", "more than once"]),
        ([*TINY, "--batch", "0"], 2, ["batch", "0"]),
        ([*TINY, "--target", "sm100"], 2, ["sm100", "B200"]),
        ([*TINY, "--set", "dept=2"], 2, ["dept", "depth"]),
        ([], 2, ["Missing argument"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_requests_end_with_one_line(
    lint: Run,
    arguments: list[str],
    code: int,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = lint(*arguments)
    assert (found, out) == (code, "")
    assert all(word in err.splitlines()[-1] for word in words), err


def test_a_file_that_is_no_model(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    code, out, err = lint(tmp_path / "text.onnx")
    assert (code, out) == (1, "")
    assert "text.onnx: not an ONNX model" in err.splitlines()[-1]
