"""Real exports of a small ViT, compared with its FP32 model and that with torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from trtbench.errors import SpecError
from trtbench.export import export
from trtbench.export.cpu_kernels import fake_quantize_mxfp8, fake_quantize_nvfp4
from trtbench.export.model import build_model
from trtbench.progress import Step, silent
from trtbench.results import Verification
from trtbench.specs import CalibrationSpec, CheckpointSpec, ExportSpec, InputsSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.store.files import file_record
from trtbench.verify import fidelity_of, load_reference, verify
from trtbench.verify.emulation import EmulatedModel
from trtbench.verify.images import CLASS_MAP
from trtbench.verify.lowering import lower
from trtbench.verify.preprocess import Preprocessor
from trtbench.verify.standard_graph import Network

MODEL = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 2),), img_size=64)
BATCH = 4
RECIPES = ("fp16", "bf16", "int8", "fp8", "mxfp8", "nvfp4", "nvfp4+sparse", "nvfp4@stock")


def spec(recipe: str, model: ModelSpec = MODEL) -> ExportSpec:
    parsed = parse_recipe(recipe)
    return ExportSpec(
        model=model,
        recipe=parsed,
        batch=BATCH,
        sparsity_method="sparse_magnitude" if parsed.sparse else None,
        calibration=CalibrationSpec() if parsed.precision.is_quantized else None,
    )


@pytest.fixture(scope="module")
def verification(store: Store) -> Verification:
    return verify([spec(recipe) for recipe in RECIPES], store, InputsSpec(samples=10), silent)


def test_the_emulated_fp32_model_agrees_with_torch(store: Store) -> None:
    artifact, _ = export(spec("fp32"), store)
    images = np.random.default_rng(0).standard_normal((BATCH, 3, 64, 64)).astype(np.float32)
    emulated = EmulatedModel(artifact).run(images)
    model = build_model(MODEL)
    streams: list[torch.Tensor] = []
    for block in model.blocks:
        block.register_forward_hook(lambda _, __, output: streams.append(output))
    with torch.no_grad():
        logits = model(torch.from_numpy(images))
    np.testing.assert_allclose(emulated.output, logits.numpy(), rtol=1e-4, atol=1e-4)
    assert list(emulated.blocks) == [0, 1]
    for index, stream in enumerate(streams):
        np.testing.assert_allclose(emulated.blocks[index], stream.flatten(1).numpy(), rtol=1e-4, atol=1e-4)


def test_precision_shows_in_the_noise(verification: Verification) -> None:
    """Limits by rounding: 11 bits of mantissa in FP16, 8 in BF16, 4 in E4M3, 2 in E2M1, at 6 dB each."""
    assert [row.reason for row in verification.rows] == [None] * len(RECIPES)
    noise = {str(row.recipe): row.fidelity.sqnr_db for row in verification.rows if row.fidelity}
    bands = {"fp16": (50, 75), "bf16": (35, 55), "int8": (20, 45), "fp8": (15, 35), "mxfp8": (15, 35)}
    for recipe, (low, high) in {**bands, "nvfp4": (6, 25), "nvfp4@stock": (6, 25)}.items():
        value = noise[recipe]
        assert value is not None
        assert low < value < high, recipe
    assert noise["nvfp4+sparse"] is not None
    assert noise["nvfp4"] is not None
    assert noise["nvfp4+sparse"] < noise["nvfp4"]


def test_each_block_adds_noise(verification: Verification) -> None:
    for row in verification.rows:
        assert row.fidelity is not None
        first, second = (block.sqnr_db for block in row.fidelity.per_block)
        assert first is not None
        assert second is not None
        assert first > second


def test_the_batch_of_the_file_does_not_matter(verification: Verification, store: Store) -> None:
    other = spec("nvfp4").model_copy(update={"batch": 3})
    (row,) = verify([other], store, InputsSpec(samples=10), silent).rows
    of_four = next(row for row in verification.rows if str(row.recipe) == "nvfp4")
    assert row.fidelity is not None
    assert of_four.fidelity is not None
    assert row.fidelity.sqnr_db == pytest.approx(of_four.fidelity.sqnr_db, abs=1e-3)


def test_a_second_run_computes_nothing(verification: Verification, store: Store) -> None:
    steps: list[Step] = []
    again = verify(
        [spec(recipe) for recipe in RECIPES],
        store,
        InputsSpec(samples=10),
        steps.append,
    )
    assert again == verification
    assert steps == [Step("verify", "choose the images", subject=RECIPES[0])]


def labelled_folder(root: Path, store: Store) -> list[int]:
    """Photos of noise in folders by the class that the FP32 model sees; return those classes."""
    model = EmulatedModel(export(spec("fp32"), store)[0])
    preprocess = Preprocessor(MODEL, (3, 64, 64))
    (root / CLASS_MAP).write_text("".join(f"class {index:04d}\n" for index in range(1000)))
    classes = []
    for index in range(12):
        noise = np.random.default_rng(index).integers(0, 256, (8, 8, 3), np.uint8)
        photo = root / "photo.png"
        Image.fromarray(noise).resize((80, 80)).save(photo)
        pixels = preprocess(photo)
        assert not isinstance(pixels, str)
        classes.append(int(model.run(pixels[None]).output.argmax()))
        folder = root / f"class {classes[-1]:04d}"
        folder.mkdir(exist_ok=True)
        photo.rename(folder / f"{index}.png")
    return classes


def test_accuracy_on_labelled_photos(tmp_path: Path, store: Store) -> None:
    classes = labelled_folder(tmp_path, store)
    (tmp_path / f"class {classes[0]:04d}" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    inputs = InputsSpec(directory=str(tmp_path), samples=100)
    result = verify([spec("fp16"), spec("nvfp4")], store, inputs, silent)
    assert result.inputs.sha256 is not None
    for row in result.rows:
        fidelity = row.fidelity
        assert fidelity is not None
        assert fidelity.samples == 12
        assert (fidelity.reference.top1, fidelity.reference.top5) == (1, 1)
        assert fidelity.top1 == fidelity.top1_agreement
        assert fidelity.top5 is not None
        assert fidelity.top5 >= (fidelity.top1 or 0)
        (note,) = fidelity.notes
        assert "broken.jpg" in note


def test_a_folder_without_any_photo_that_opens(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(SpecError, match="none of the files is an image"):
        verify([spec("fp16")], store, InputsSpec(directory=str(tmp_path)), silent)


def test_a_folder_that_is_not_there_is_found_before_any_work(tmp_path: Path) -> None:
    empty = Store(tmp_path / "store")
    with pytest.raises(SpecError, match="no such directory"):
        verify([spec("fp16")], empty, InputsSpec(directory=str(tmp_path / "absent")), silent)
    assert not empty.root.exists()


def test_a_recipe_that_overflows_is_a_row_beside_the_others(tmp_path: Path, store: Store) -> None:
    weights = build_model(MODEL).state_dict()
    weights["norm.weight"] = weights["norm.weight"] * 6e4  # FP16 holds it, and not what it makes
    path = tmp_path / "large.safetensors"
    safetensors.torch.save_file(weights, path)
    model = MODEL.model_copy(
        update={"checkpoint": CheckpointSpec(path=str(path), sha256=file_record(path).sha256)}
    )
    recipes: Sequence[ExportSpec] = [spec("fp16", model), spec("bf16", model)]
    result = verify(recipes, store, InputsSpec(samples=2), silent)
    assert [row.status for row in result.rows] == ["failed", "ok"]
    assert result.rows[0].reason is not None
    assert "infinite or not a number" in result.rows[0].reason
    assert result.rows[0].code == "ARTIFACT_DAMAGED"


def test_fidelity_of_one_artifact(verification: Verification, store: Store) -> None:
    """What a comparison calls for each of its rows."""
    reference = load_reference(spec("fp16"), store, InputsSpec(samples=10), lambda step: None)
    artifact, _ = export(spec("fp16"), store)
    assert fidelity_of(artifact, reference, store) == verification.rows[0].fidelity


def emulated_quantizer(folder: Path, x: np.ndarray, global_scale: float | None) -> np.ndarray:
    """Quantise and dequantise as ModelOpt's graphs do; ``global_scale`` tells NVFP4 from MXFP8."""
    if global_scale is None:
        block = {"domain": "trt", "axis": -1, "block_size": 32}
        nodes = [
            helper.make_node(
                "TRT_MXFP8DynamicQuantize", ["x"], ["codes", "scales"], output_dtype=17, **block
            ),
            helper.make_node(
                "TRT_MXFP8DequantizeLinear", ["codes", "scales"], ["y"], output_dtype=1, **block
            ),
        ]
    else:
        block = {"axis": -1, "block_size": 16}
        nodes = [
            helper.make_node(
                "TRT_FP4DynamicQuantize", ["x", "g"], ["codes", "scales"], domain="trt", **block
            ),
            helper.make_node("DequantizeLinear", ["scales", "g"], ["steps"]),
            helper.make_node("DequantizeLinear", ["codes", "steps"], ["y"], **block),
        ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)],
        [numpy_helper.from_array(np.array(global_scale or 0, np.float32), "g")],
    )
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("trt", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "m.onnx")
    return Network(lower(folder / "m.onnx"), ["y"]).run(x)["y"]


def test_the_rules_are_those_that_modelopt_quantizes_with(tmp_path: Path) -> None:
    """ModelOpt's MXFP8 kernel rounds the same; its NVFP4 kernel too, but for borders (cpu_kernels.py)."""
    x = np.random.default_rng(0).standard_normal((512, 768)).astype(np.float32)
    mxfp8 = fake_quantize_mxfp8(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(emulated_quantizer(tmp_path, x, None), mxfp8)
    amax = float(np.abs(x).max())
    nvfp4 = fake_quantize_nvfp4(torch.from_numpy(x), torch.tensor(amax)).numpy()
    found = emulated_quantizer(tmp_path, x, amax / (6 * 448))
    assert np.isclose(found, nvfp4, rtol=1e-6).mean() > 0.999
