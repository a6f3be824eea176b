"""One small network by hand, in FP32 and in FP16, compared without an exporter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from support.manifests import onnx_manifest
from support.networks import BATCH, CLASSES, network

from trtbench.errors import ArtifactError
from trtbench.progress import Step
from trtbench.results import CalibrationRecord, Fidelity, TensorRecord
from trtbench.specs import ExportSpec, InputsSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.verify.emulation import EmulatedModel, Reference
from trtbench.verify.images import VerificationImages
from trtbench.verify.measure import calibration_notes, fidelity_of

Export = Callable[..., OnnxArtifact]
TYPES = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16}


@pytest.fixture
def export(tmp_path: Path) -> Export:
    def make(recipe: str, **options: object) -> OnnxArtifact:
        model = network(TYPES[recipe], **options)  # type: ignore[arg-type]
        directory = tmp_path / f"model{len(list(tmp_path.iterdir()))}"
        directory.mkdir()
        onnx.save(model, directory / "model.onnx")
        output = model.graph.output[0].name
        manifest = onnx_manifest(
            ExportSpec(recipe=parse_recipe(recipe), batch=BATCH),
            [directory / "model.onnx"],
            inputs=(TensorRecord(name="images", dtype="float32", shape=(BATCH, 3, 4, 4)),),
            outputs=(TensorRecord(name=output, dtype="float32", shape=(BATCH, CLASSES)),),
        )
        return OnnxArtifact(directory, manifest)

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def reference(onnx_artifact: OnnxArtifact, samples: int = 6) -> Reference:
    return Reference(onnx_artifact, VerificationImages(InputsSpec(samples=samples)))


def test_float16_against_float32(export: Export, store: Store) -> None:
    fp32 = export("fp32")
    fidelity = fidelity_of(export("fp16"), reference(fp32), store)
    assert fidelity.samples == 6
    assert fidelity.reference.sha256 == fp32.manifest.files[0].sha256
    assert fidelity.sqnr_db is not None
    assert 50 < fidelity.sqnr_db < 80  # 11 bits of mantissa
    assert 0.9999 < fidelity.cosine < 1
    assert 0 < fidelity.max_abs_error < 0.1
    assert fidelity.top1_agreement == 1
    assert fidelity.kl_divergence is not None
    assert 0 < fidelity.kl_divergence < 1e-3
    assert (fidelity.top1, fidelity.top5, fidelity.reference.top1) == (None, None, None)
    assert [block.block for block in fidelity.per_block] == [0, 1]
    assert all(block.sqnr_db is not None and 50 < block.sqnr_db < 80 for block in fidelity.per_block)


def test_the_numbers_are_those_of_numpy(export: Export, store: Store) -> None:
    fp32, fp16 = export("fp32"), export("fp16")
    images = np.stack(
        [np.random.default_rng((0, i)).standard_normal((3, 4, 4), np.float32) for i in range(6)]
    )
    wanted, found = (EmulatedModel(each, 6).run(images).output for each in (fp32, fp16))
    fidelity = fidelity_of(fp16, reference(fp32), store)
    error = found - wanted.astype(np.float64)
    assert fidelity.max_abs_error == np.abs(error).max()
    assert fidelity.sqnr_db == pytest.approx(
        10 * np.log10((wanted.astype(float) ** 2).sum() / (error**2).sum())
    )


def test_a_model_against_itself_is_without_error_and_json(export: Export, store: Store) -> None:
    fp32 = export("fp32")
    fidelity = fidelity_of(fp32, reference(fp32), store)
    assert (fidelity.cosine, fidelity.sqnr_db, fidelity.max_abs_error) == (1, None, 0)
    assert (fidelity.top1_agreement, fidelity.kl_divergence) == (1, 0)
    text = fidelity.model_dump_json()
    assert json.loads(text)["sqnr_db"] is None
    assert Fidelity.model_validate_json(text) == fidelity


def test_a_model_without_classifier_has_no_classes(export: Export, store: Store) -> None:
    fidelity = fidelity_of(
        export("fp16", output="features"), reference(export("fp32", output="features")), store
    )
    assert fidelity.sqnr_db is not None
    assert (fidelity.top1_agreement, fidelity.kl_divergence) == (None, None)


def test_the_result_is_kept_and_computed_once(export: Export, store: Store) -> None:
    fp32, fp16 = export("fp32"), export("fp16")
    first = fidelity_of(fp16, reference(fp32), store)
    (stored,) = (store.root / "results").glob("fidelity-*.json")
    for artifact in (fp32, fp16):
        artifact.payload.unlink()  # what is known needs no model
    assert fidelity_of(fp16, reference(fp32), store) == first
    stored.write_text("{}")
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        fidelity_of(fp16, reference(fp32), store)


@pytest.mark.parametrize(
    ("source", "directory", "weights", "notes"),
    [
        ("synthetic", "/val", "checkpoint", 1),
        ("folder", "/val", "checkpoint", 0),
        ("synthetic", None, "checkpoint", 0),
        ("synthetic", "/val", "random", 0),
        (None, "/val", "checkpoint", 0),
    ],
)
def test_synthetic_calibration_is_noted_where_accuracy_counts(
    source: Any, directory: str | None, weights: Any, notes: int
) -> None:
    found = Fidelity.model_construct(weights=weights, inputs=InputsSpec(directory=directory))
    record = CalibrationRecord(source=source, samples=8, directory=None, sha256=None) if source else None
    assert len(calibration_notes(found, record)) == notes


def test_other_images_are_another_result(export: Export, store: Store) -> None:
    fp32, fp16 = export("fp32"), export("fp16")
    results = [fidelity_of(fp16, reference(fp32, samples), store) for samples in (2, 3)]
    assert results[0].sqnr_db != results[1].sqnr_db
    assert len(list((store.root / "results").glob("fidelity-*.json"))) == 2


def test_the_reference_is_computed_once_for_all_recipes(
    export: Export, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    run = EmulatedModel.run

    def counted(model: EmulatedModel, images: np.ndarray) -> object:
        runs.append(str(model.onnx.manifest.spec.recipe))
        return run(model, images)

    monkeypatch.setattr(EmulatedModel, "run", counted)
    against = reference(export("fp32"))
    for gain in (1.0, 1.001):
        fidelity_of(export("fp16", gain=gain), against, store)
    assert runs == ["fp32", "fp16", "fp16"]


def test_an_overflow_is_reported_with_its_place(export: Export, store: Store) -> None:
    big = {"gain": 3000.0}
    with pytest.raises(
        ArtifactError, match="residual stream behind block 1 is infinite or not a number for 6 of 6"
    ):
        fidelity_of(export("fp16", **big), reference(export("fp32", **big)), store)


def test_blocks_that_both_have_are_compared(export: Export, store: Store) -> None:
    fidelity = fidelity_of(export("fp16", blocks=3), reference(export("fp32")), store)
    assert [block.block for block in fidelity.per_block] == [0, 1]


def test_another_number_of_outputs_is_refused(export: Export, store: Store) -> None:
    with pytest.raises(ArtifactError, match=r"gives 7 numbers an image, and the model .* with 10: export"):
        fidelity_of(export("fp16", classes=7), reference(export("fp32")), store)


def test_steps_show_the_progress(export: Export, store: Store) -> None:
    steps: list[Step] = []
    fidelity_of(export("fp16"), reference(export("fp32"), 10), store, steps.append)
    assert steps[0] == Step("verify", "load the model and its reference")
    assert steps[-2:] == [Step("verify", "compare images", done, 10) for done in (8, 10)]
