"""The command line as a user meets it: one clear line for each mistake, and the right exit code."""

import json
import subprocess
import sys

import onnx
import pytest

from trtbench import __version__
from trtbench.cli import app

TINY = ["--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "2"]


def test_version(trtbench):
    assert trtbench("--version") == (0, f"trtbench {__version__}\n", "")


@pytest.mark.parametrize("command", app.COMMANDS)
def test_every_command_has_help_with_examples(trtbench, command):
    code, out, _ = trtbench(command, "--help")
    assert code == 0
    assert command in ("doctor", "passes") or f"  trtbench {command}" in out
    assert command == "report" or "--json" in out  # whose result is a file


@pytest.mark.parametrize("command", ["", *app.COMMANDS])
def test_help_loads_no_heavy_package(command):
    heavy = "torch timm modelopt tensorrt_rtx onnx onnxruntime numpy rich" + " pydantic" * (not command)
    program = f"""
import sys
from trtbench.cli.app import main
try:
    main()
finally:
    print([name for name in {heavy.split()} if name in sys.modules])
"""
    words = [sys.executable, "-c", program, *[command] * bool(command), "--help"]
    out = subprocess.run(words, capture_output=True, text=True).stdout
    assert out.startswith("Usage: ")
    assert out.endswith("\n[]\n")


def test_the_list_of_commands_loads_none_of_them():
    program = "import sys; from trtbench.cli.app import COMMANDS, main; sys.argv = ['trtbench', '--help']"
    program += "\ntry: main()\nfinally: print([n for n in COMMANDS if f'trtbench.cli.{n}' in sys.modules])"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert out.endswith("\n[]\n")


def test_a_command_that_is_misspelt_is_suggested(trtbench):
    code, _, err = trtbench("comapre", "fp16")
    assert (code, "Did you mean 'compare'?" in err) == (2, True), err


def test_an_option_counts_as_given_whatever_its_value(trtbench):
    for words in (["--batch", "64"], ["--batch", "8"]):
        code, _, err = trtbench("compare", "--from", "a.json", *words)
        assert (code, "--batch and --from" in err) == (2, True), err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "fp17"], ["fp17", "unknown precision", "nvfp4"]),
        (["compare", "nvfp4+dense"], ["+dense", "sparse"]),
        (["compare", "nvfp4@home"], ["@home", "stock"]),
        (["compare", "fp16", "fp16"], ["fp16", "more than once"]),
        (["compare", "fp16", "--batch", "0"], ["--batch 0", "greater than 0"]),
        (["compare", "fp16", "--batch", "many"], ["--batch many", "expected a number"]),
        (["compare", "fp16", "--img-size", "-3"], ["--img-size", "-3"]),
        (["compare", "fp16", "--set", "depth"], ["--set depth", "NAME=VALUE"]),
        (["compare", "fp16", "--set", "depth=1", "--set", "depth=2"], ["depth", "twice"]),
        (["compare", "fp16", "--target", "sm90", *TINY], ["sm90", "sm120"]),
        (["compare", "fp16", "--target", "blackwell", *TINY], ["blackwell", "sm120"]),
        (
            ["compare", "fp16", "--model", "vit_base_patch16_225"],
            ["vit_base_patch16_225", "vit_base_patch16_224"],
        ),
        (["compare", "fp16", "--model", "resnet50"], ["resnet50", "VisionTransformer"]),
        (["compare", "fp16", "--set", "dept=2", *TINY[:2]], ["dept", "depth"]),
        (["compare", "fp16", "--checkpoint", "nowhere.pt"], ["nowhere.pt", "no such file"]),
        (["compare", "int8", "--calib", "nowhere", *TINY], ["nowhere"]),
        (["compare"], ["Missing argument", "see trtbench compare --help"]),
        (["compare", "fp16", "--tiling", "fulll"], ["--tiling", "'fulll'", "see trtbench compare --help"]),
        (["export", "--nosuch"], ["--nosuch", "see trtbench export --help"]),
        (["paint"], ["paint"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0] in ("compare", "paint") else "",
)
def test_wrong_requests_end_with_2_and_one_line(trtbench, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = trtbench(*arguments)
    assert code == 2, err
    assert out == ""
    reason = err.splitlines()[-1]
    assert all(word in reason for word in words), reason


LONG, NO_UTF8 = "n" * 300, "b\udcff.yaml"


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["build"],
        ["bench"],
        ["lint"],
        ["bench", "fp16", "--store"],
        ["bench", "fp16", "--checkpoint"],
        ["export", "--calib"],
        ["verify", "fp16", "--data"],
        ["diff", "engine"],
        ["compare", "--from", "one.json"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("name", "words"), [(LONG, "File name too long"), (NO_UTF8, "is not UTF-8")])
def test_a_name_that_no_file_or_result_can_have_is_refused(trtbench, arguments, name, words):
    code, out, err = trtbench(*arguments, name)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert words in line
    assert name.replace("\udcff", "\\xff") in line


def test_a_folder_above_that_is_not_utf8_is_refused(trtbench, tmp_path, monkeypatch):
    folder = tmp_path / "b\udcff"
    folder.mkdir()
    monkeypatch.chdir(folder)
    code, _, err = trtbench("bench", "../a.yaml", "--runtime", "fake")
    assert code == 2
    assert err.endswith("b\\xff: the name is not UTF-8, as results are; rename it\n")


def test_a_removed_working_directory_is_reported(trtbench, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    code, _, err = trtbench("bench", "fp16")
    assert (code, err.count("\n")) == (2, 1)
    assert "the working directory was removed" in err


def test_a_calibration_folder_without_images_is_named(trtbench, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    code, _, err = trtbench("compare", "int8", "--calib", tmp_path / "photos", "--store", tmp_path, *TINY)
    assert code == 2
    assert "photos" in err
    assert "image" in err


@pytest.mark.parametrize("command", ["inspect", "build"])
def test_files_that_are_no_model(trtbench, tmp_path, command):
    (tmp_path / "text.onnx").write_text("not a model")
    (tmp_path / "empty.onnx").touch()
    whole = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Relu", ["x"], ["y"], name="relu")],
            "graph",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 8])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 8])],
        )
    ).SerializeToString()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    for name in ("text.onnx", "empty.onnx", "cut.onnx", "missing.onnx"):
        extra = ["--store", tmp_path] if command == "build" else []
        code, out, err = trtbench(command, tmp_path / name, *extra)
        assert (code, out) == (2 if name == "missing.onnx" else 1, ""), name
        assert name in err.splitlines()[-1]


def test_a_store_that_cannot_be_written_is_named(trtbench, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = trtbench("export", "--precision", "fp16", "--store", tmp_path / "file", *TINY)
    assert code == 1
    assert str(tmp_path / "file") in err.splitlines()[-1]


def test_an_expected_error_shows_its_traceback_only_on_demand(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["trtbench", "--debug", "compare", "fp17"])
    with pytest.raises(app.SpecError, match="fp17"):
        app.main()


def test_json_is_all_there_is_on_stdout(trtbench):
    code, out, _ = trtbench("doctor", "--json")
    assert code == 0
    assert json.loads(out)["capabilities"]
