"""Words and numbers become specs, whoever they come from."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from trtbench.cli.groups import Given
from trtbench.cli.options import CompareOptions
from trtbench.cli.parse import parse_grid
from trtbench.errors import Code, SpecError
from trtbench.request import (
    ArgumentError,
    CompareArguments,
    Shape,
    build_request,
    export_specs,
    grid_of,
    inputs_spec,
    parse_input,
    parse_shapes,
    read_model_entry,
    shapes_of,
    subjects_of,
)
from trtbench.specs import InputValues
from trtbench.specs.recipe import parse_recipe
from trtbench.specs.yaml_text import load_yaml

FP16 = (parse_recipe("fp16"),)


def test_features_are_blocks_in_order() -> None:
    (spec,) = export_specs(FP16, "vit_tiny_patch16_224", [Shape(1)], {"features": [6, 3]})
    assert spec.model.features == (3, 6)
    assert spec.model.changes == ("features=3+6",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": [1, 1]}, r"features \[1, 1\]: name each block once"),
        ({"features": [1], "token_reduction": "tome:r=8"}, "features excludes a token reduction"),
    ],
)
def test_features_that_cannot_be_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        export_specs(FP16, "vit_tiny_patch16_224", [Shape(1)], arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: vit\nimg_size: 2024-13-45", "line 2, column 11: '2024-13-45' cannot be read as timestamp"),
        (
            "name: vit\nset: {depth: 2024-02-31}",
            "line 2, column 14: '2024-02-31' cannot be read as timestamp",
        ),
        (f"name: {'1' * 5000}", f"line 1, column 7: '{'1' * 39} cannot be read as int"),
        ("[" * 5000, "invalid YAML: lists and mappings are nested too deeply"),
        ("name: [", "line 1, column 8: expected the node content, but found '<stream end>'"),
        ("name: vit\noverrides: {1: 2, depth: 3}", "overrides: expected names with values"),
    ],
    ids=["month", "day", "digits", "brackets", "bracket", "number"],
)
def test_a_model_file_that_cannot_be_read_is_one_line_with_the_place(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "vit.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ArgumentError) as caught:
        read_model_entry(tmp_path / "vit.yaml")
    shown = str(caught.value)
    assert shown.startswith(f"model {tmp_path}/vit.yaml: ")
    assert words in shown
    assert "\n" not in shown


def test_python_and_the_command_line_ask_for_the_same() -> None:
    arguments: CompareArguments = {
        "overrides": {"depth": 2, "class_token": False},
        "seed": 7,
        "calib_samples": 4,
        "sparsity_method": "sparse_magnitude",
        "passes": ["split_qkv"],
        "backend": "tensorrt",
        "target": ["sm89", "SM120"],
        "workspace_mib": 3,
        "memory_limit_gb": 2,
        "duration_s": 1.5,
        "cuda_graph": False,
        "rebuilds": 1,
        "gpu": "5090",
        "clock_mhz": 2000,
    }
    recipes, files = subjects_of(["fp16", "fp8+sparse"])
    shapes = shapes_of([1, 8], [64])
    exports = export_specs(recipes, "vit_tiny_patch16_224", shapes, arguments)
    words: dict[str, Any] = {
        **arguments,
        "overrides": ["depth=2", "class_token=false"],
        "passes": "split_qkv",
    }
    words |= {"no_graph": not words.pop("cuda_graph"), "model": "vit_tiny_patch16_224"}
    options = CompareOptions(**words, batch="1,8", img_size="64")
    inputs = inputs_spec(None, 8, seed=7)
    asked = grid_of(exports, files, arguments, ["torch"], ["local"], inputs=inputs)
    assert asked == parse_grid(["fp16", "fp8+sparse"], options, Given(), ["torch"], ["local"])


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: export_specs(FP16, "vit", [Shape(0)], {}), "batch 0: Input should be greater than 0"),
        (
            lambda: export_specs(FP16, "vit", [Shape(1, -2)], {}),
            "img_size -2: Input should be greater than 0",
        ),
        (
            lambda: export_specs(FP16, "vit", [Shape(1)], {"calib_samples": 0}),
            "calib_samples 0: Input should be greater than 0",
        ),
        (
            lambda: export_specs(FP16, "vit", [Shape(1)], {"checkpoint": __file__, "pretrained": True}),
            "pretrained True: the weights come from the checkpoint; remove one of them",
        ),
        (lambda: inputs_spec(None, 0, 0), "data_samples 0: Input should be greater than 0"),
        (lambda: build_request({"workspace_mib": 0}), "workspace_mib 0: expected 1 to 16777216"),
        (lambda: shapes_of([1, 1], [None]), "batch 1,1: name each number once"),
        (
            lambda: grid_of((), (), {"rebuilds": -1}),
            "rebuilds -1: Input should be greater than or equal to 0",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_argument(ask: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ask()
    assert (str(caught.value), caught.value.code) == (text, Code.SPEC_ERROR)


def test_a_file_of_a_model_has_arguments_that_others_replace(tmp_path: Path) -> None:
    file = tmp_path / "vit.yaml"
    file.write_text("name: vit_tiny_patch16_224\nimg_size: 64\noverrides: {depth: 3, qkv_bias: false}")
    shapes = [Shape(1), Shape(1, 32)]
    first, second = export_specs(FP16, file, shapes, {"overrides": {"depth": 2}})
    assert first.model.overrides == (("depth", 2), ("qkv_bias", False))
    assert (first.model.img_size, second.model.img_size) == (64, 32)


def test_recipes_and_files_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.onnx"
    file.touch()
    recipes, files = subjects_of(["fp16", str(file)])
    assert (list(map(str, recipes)), list(map(str, files))) == (["fp16"], [str(file)])
    with pytest.raises(SpecError, match="neither a path nor a recipe"):
        subjects_of([str(tmp_path / "b.onnx")])


def test_values_of_an_input() -> None:
    assert parse_input("ids=0:999") == InputValues(input="ids", low=0, high=999)
    assert parse_input("a=b=-1.5:1e3") == InputValues(input="a=b", low=-1.5, high=1000)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["ids"], "ids: expected NAME=LOW:HIGH"),
        (["ids=5:1"], "ids=5:1: 5 is more than 1"),
        (["ids=x.txt"], r"ids=x\.txt: expected NAME=LOW:HIGH"),
        (["ids=/gone.npy"], r"ids=/gone\.npy: cannot be read \(No such file"),
        (["ids=0:1", "ids=0:2"], "ids: is given twice"),
    ],
)
def test_values_of_an_input_that_are_wrong(words: list[str], problem: str) -> None:
    with pytest.raises(ArgumentError, match=f"input {problem}"):
        grid_of((), ("x.onnx",), {"input": words})


def test_shapes_of_inputs() -> None:
    assert parse_shapes(["x=8x3x224x224", "a=b=1"]) == {"x": (8, 3, 224, 224), "a=b": (1,)}
    for words, problem in (
        (["x"], "x: expected NAME=SHAPE"),
        (["x=8,3"], "expected NAME"),
        (["x=1", "x=2"], "x=2: x is given twice"),
    ):
        with pytest.raises(ArgumentError, match=problem):
            parse_shapes(words)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: &a [1, 1, 1, 1]\n"
            + "".join(f"{c}: &{c} [*{p}, *{p}, *{p}, *{p}]\n" for p, c in pairwise("abcdefghijkl")),
            "aliases stand for more than 100000 values",
        ),
        ("name: &a [*a]", "a value holds itself"),
        ("name: &a {b: {c: *a}}", "a value holds itself"),
    ],
)
def test_a_yaml_file_stands_for_few_values(text: str, problem: str) -> None:
    with pytest.raises(yaml.YAMLError, match=problem):
        load_yaml(text)


def test_aliases_stand_for_what_they_name() -> None:
    assert load_yaml("a: &a {b: 1}\nc: [*a, *a]") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}
