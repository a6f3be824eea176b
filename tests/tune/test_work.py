"""Pieces of a search, up to what is exported."""

import pytest

from trtbench.errors import ExportError
from trtbench.specs import (
    BuildSpec,
    CalibrationSpec,
    Change,
    ExportSpec,
    InputsSpec,
    ModelSpec,
    SourceSpec,
)
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.tune import work

FP8 = parse_recipe("fp8")
MERGING = ModelSpec.model_validate({"token_reduction": "tome:r=8"})
OWN = ModelSpec(name="own", source=SourceSpec(kind="onnx", path="own.onnx"))


@pytest.fixture
def exported(monkeypatch):
    """What pieces export, in order; nothing is."""
    specs = []

    def export(spec, store):
        specs.append(spec)
        raise ExportError("not here")

    monkeypatch.setattr(work, "export", export)
    monkeypatch.setattr(work, "depth_of", lambda model: 12)
    monkeypatch.setattr(work, "_reference", lambda export, store, inputs: specs.append(export))
    return specs


def run(part, model, tmp_path, **fields):
    export = ExportSpec(model=model, recipe=FP8, calibration=CalibrationSpec(samples=9), **fields)
    store = Store(tmp_path)
    task = work.Task(part, Change(), export, BuildSpec(), None, InputsSpec(), store, tmp_path)
    return work.run_task(task)


def test_a_timm_model_is_built_of_three_blocks(tmp_path, exported):
    assert (
        run("shallow", ModelSpec(overrides=(("depth", 24),), pretrained=True), tmp_path).reason == "not here"
    )
    (spec,) = exported
    assert (dict(spec.model.overrides)["depth"], spec.model.pretrained, spec.calibration.samples) == (
        3,
        False,
        1,
    )


@pytest.mark.parametrize("model", [OWN, MERGING])
def test_a_model_whose_blocks_cannot_stand_for_others_is_built_whole(tmp_path, exported, model):
    run("shallow", model, tmp_path)
    assert exported[0].model == model


def test_weights_and_images_are_read_before_a_candidate_is_made(tmp_path, exported):
    run("whole", ModelSpec(), tmp_path)
    assert [str(spec.recipe) for spec in exported] == ["fp16", "fp8"]


def test_all_variants_have_one_reference(tmp_path, exported):
    run("whole", ModelSpec(), tmp_path, passes=("split_qkv",))
    assert exported[0].passes is None
