import inspect
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.spec_examples import (
    AA_REPORT,
    AUDIT,
    BUILD,
    BUILD_TENSORRT,
    COMPARISON,
    COMPILED_ENGINE,
    ENGINE,
    EXAMPLES,
    EXPORT,
    FP16,
    MEASUREMENT,
    NVFP4,
    ONNX,
    SHA,
)

from trtbench import results, specs
from trtbench.errors import SpecError
from trtbench.specs import (
    BuildSpec,
    CalibrationSpec,
    ExportSpec,
    InputsSpec,
    ModelSpec,
    Spec,
    first_problem,
    spec_id,
)
from trtbench.specs.model import MAX_BATCH


def test_every_spec_and_result_has_an_example() -> None:
    classes = {
        member
        for module in (specs, results)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Spec)
        and member not in (Spec, results.Result)
        and member.__module__.startswith(module.__name__)
    }
    assert {type(example) for example in EXAMPLES} == classes


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
class TestEverySpecAndResult:
    def test_round_trip_through_json(self, example: Spec) -> None:
        assert type(example).model_validate_json(example.model_dump_json()) == example
        assert (
            type(example).model_validate(json.loads(json.dumps(example.model_dump(mode="json")))) == example
        )

    def test_unknown_field_is_refused(self, example: Spec) -> None:
        with pytest.raises(ValidationError, match="invented"):
            type(example).model_validate({**example.model_dump(mode="json"), "invented": 1})

    def test_frozen(self, example: Spec) -> None:
        for field in type(example).model_fields:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(example, field, None)


def test_stored_results_name_their_schema() -> None:
    stored: list[Spec] = [ONNX, ENGINE, COMPILED_ENGINE, AUDIT, MEASUREMENT, AA_REPORT]
    assert {example.model_dump()["schema_version"] for example in stored} == {results.SCHEMA_VERSION}
    assert COMPARISON.model_dump()["schema_version"] == results.COMPARISON_SCHEMA_VERSION


SCALARS = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.lists(st.tuples(st.text(), SCALARS)).map(tuple))
def test_overrides_keep_their_types(overrides: tuple[tuple[str, Any], ...]) -> None:
    model = ModelSpec.model_validate_json(ModelSpec(overrides=overrides).model_dump_json())
    assert model.overrides == overrides
    assert [type(value) for _, value in model.overrides] == [type(value) for _, value in overrides]


def test_recipe_field_takes_the_word_and_the_value() -> None:
    by_word = ExportSpec.model_validate({"recipe": "nvfp4+sparse@stock"})
    assert by_word == ExportSpec(recipe=NVFP4)
    assert by_word.model_dump()["recipe"] == "nvfp4+sparse@stock"


def test_names_of_folders_contain_a_requested_image_size() -> None:
    assert ExportSpec(recipe=FP16, batch=8).shape_name == "b8"
    assert EXPORT.shape_name == "b8-256px"


def test_images_are_named_without_the_place_of_their_folder() -> None:
    inputs = InputsSpec(directory="/home/me/photos", samples=3)
    assert inputs.named == InputsSpec(directory="photos", samples=3)
    assert inputs.without_place("/home/me/photos/a.png: not an image") == "photos/a.png: not an image"
    assert InputsSpec().named == InputsSpec()


def test_bad_recipe_in_a_spec_is_the_same_one_line() -> None:
    with pytest.raises(SpecError, match="recipe 'fp15': unknown precision") as caught:
        ExportSpec.model_validate({"recipe": "fp15"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec_type", "fields"),
    [
        (ExportSpec, {"recipe": "fp16", "batch": 0}),
        (ExportSpec, {"recipe": "fp16", "batch": -1}),
        (ExportSpec, {"recipe": "fp16", "batch": 1.5}),
        (ExportSpec, {"recipe": "fp16", "sparsity_method": "magic"}),
        (ExportSpec, {"recipe": None}),
        (ExportSpec, {}),
        (ModelSpec, {"img_size": 0}),
        (ModelSpec, {"seed": -1}),
        (ModelSpec, {"features": []}),
        (ModelSpec, {"features": [0, 0]}),
        (ModelSpec, {"features": [-1]}),
        (ModelSpec, {"overrides": {"depth": 2}}),
        (CalibrationSpec, {"samples": 0}),
        (BuildSpec, {"timeout_s": 0}),
        (BuildSpec, {"memory_limit_bytes": 0}),
        (BuildSpec, {"targets": "sm120"}),
    ],
)
def test_bad_value_is_refused(spec_type: type[Spec], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec_type.model_validate(fields)


# Identity

EXPORT_CHANGES: dict[str, Any] = {
    "model.name": "vit_small_patch16_224",
    "model.source": {"kind": "onnx", "path": "model.onnx"},
    "model.overrides": [["depth", 3]],
    "model.img_size": 384,
    "model.preparation": {"mean": [0.5]},
    "model.pretrained": True,
    "model.checkpoint": None,
    "model.checkpoint.path": "other.safetensors",
    "model.checkpoint.sha256": "cd" * 32,
    "model.seed": 1,
    "model.token_reduction": "tome:r=8",
    "model.features": [0, 1],
    "recipe": "nvfp4@stock",
    "batch": 9,
    "batch_range": {"minimum": 1, "optimum": 8, "maximum": 64},
    "sparsity_method": None,
    "calibration": None,
    "calibration.directory": "other",
    "calibration.sha256": None,
    "calibration.samples": 64,
    "calibration.seed": 4,
    "passes": ["split_qkv"],
}
BUILD_CHANGES: dict[str, Any] = {
    "targets": ["sm120"],
    "sparsity": False,
    "timeout_s": 61,
    "memory_limit_bytes": None,
    "backend": "trtexec",
    "options.timing_cache": "off",
    "options.tactic_table": False,
    "options.workspace_bytes": None,
    "options.optimization_level": 5,
    "options.tiling": "fast",
    "options.hardware_compatibility": "none",
    "options.version_compatible": False,
    "options.max_aux_streams": None,
    "options.profiles": [],
}


def changed(spec: Spec, path: str, value: Any) -> Spec:
    fields = spec.model_dump(mode="json")
    *parents, last = path.split(".")
    inner = fields
    for parent in parents:
        inner = inner[parent]
    assert inner.get(last) != value
    inner[last] = value
    return type(spec).model_validate(fields)


def field_paths(spec: Spec, prefix: str = "") -> set[str]:
    paths: set[str] = set()
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, Spec):
            paths |= field_paths(value, f"{prefix}{name}.")
        else:
            paths.add(f"{prefix}{name}")
    return paths


@pytest.mark.parametrize(("spec", "changes"), [(EXPORT, EXPORT_CHANGES), (BUILD_TENSORRT, BUILD_CHANGES)])
def test_spec_id_changes_with_every_field(spec: Spec, changes: dict[str, Any]) -> None:
    assert field_paths(spec) <= changes.keys()
    ids = [spec_id(changed(spec, path, value), SHA, {}) for path, value in changes.items()]
    assert len({spec_id(spec, SHA, {}), *ids}) == len(changes) + 1


def test_engines_of_the_default_backend_keep_the_identity_they_had_before_there_were_others() -> None:
    before = {"targets": ["sm120"], "sparsity": False, "timeout_s": 900.0, "memory_limit_bytes": None}
    assert BuildSpec().model_dump(mode="json") == before
    assert BuildSpec.model_validate(before) == BuildSpec()
    assert BuildSpec(backend="tensorrt").model_dump(mode="json") == {**before, "backend": "tensorrt"}


def test_spec_id_changes_with_upstream_and_tools() -> None:
    ids = {
        spec_id(BUILD, SHA, {"torch": "2.9"}),
        spec_id(BUILD, "", {"torch": "2.9"}),
        spec_id(BUILD, SHA, {"torch": "2.9.1"}),
        spec_id(BUILD, SHA, {"timm": "2.9"}),
        spec_id(BUILD, SHA, {}),
    }
    assert len(ids) == 5


def test_spec_id_is_16_hex_digits_and_ignores_the_order_of_tools() -> None:
    identity = spec_id(EXPORT, SHA, {"torch": "2.9", "timm": "1.0"})
    assert identity == spec_id(EXPORT, SHA, {"timm": "1.0", "torch": "2.9"})
    assert len(identity) == 16
    assert set(identity) <= set("0123456789abcdef")


@given(st.integers(1, MAX_BATCH), st.integers(1, MAX_BATCH))
def test_equal_specs_and_only_they_share_an_id(batch: int, other: int) -> None:
    ids = {spec_id(ExportSpec(recipe=FP16, batch=b), SHA, {}) for b in (batch, other)}
    assert (len(ids) == 1) == (batch == other)


def test_spec_id_is_the_same_in_every_process() -> None:
    script = f"""
from trtbench.specs import ExportSpec, spec_id
spec = ExportSpec.model_validate_json({EXPORT.model_dump_json()!r})
print(spec_id(spec, {SHA!r}, {{"torch": "2.9", "timm": "1.0"}}))
"""
    ids = {
        subprocess.check_output(
            [sys.executable, "-c", script], text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).strip()
        for seed in ("0", "1", "4294967295")
    }
    assert ids == {spec_id(EXPORT, SHA, {"torch": "2.9", "timm": "1.0"})}


@pytest.mark.parametrize(
    ("fields", "within", "problem"),
    [
        ({"batch": -1}, "", "field batch: Input should be greater than 0, got -1"),
        (
            {"batch": "m" * 99},
            "spec",
            r"field spec\.batch: Input should be a valid integer.*, got 'm{12}\.\.\.m",
        ),
        ({"invented": 1}, "", "field invented: Extra inputs are not permitted, got 1"),
        ({"model": {"overrides": [["depth"]]}}, "", r"field model\.overrides\.0\.1: Field required$"),
        ({"recipe": 3}, "", "field recipe: "),
    ],
)
def test_a_problem_is_reported_by_field_message_and_value(
    fields: dict[str, Any], within: str, problem: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        ExportSpec.model_validate({"recipe": "fp16", **fields})
    shown = first_problem(caught.value, within)
    assert re.match(problem, shown), shown
    assert len(shown) < 200
    assert "Value error" not in shown


def test_a_problem_of_a_whole_model_names_no_field() -> None:
    with pytest.raises(ValidationError) as caught:
        ExportSpec.model_validate(3)
    assert first_problem(caught.value).startswith("Input should be a valid dictionary")
    assert first_problem(caught.value, "spec").startswith("field spec: Input should be a valid dictionary")


def test_a_code_of_a_newer_version_is_reported_without_all_the_others() -> None:
    with pytest.raises(ValidationError) as caught:
        results.Finding.model_validate({"code": "NEWER", "severity": "info", "message": "m", "hint": "h"})
    assert first_problem(caught.value) == "field code: 'NEWER' is not known to this version of trtbench"
