"""The export stage with the real ModelOpt, onnxruntime and compiler, on models of one block."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from PIL import Image

from trtbench.errors import ExportError, SpecError
from trtbench.export import export, resolve
from trtbench.export.capture import captured_output
from trtbench.export.cpu_kernels import fake_quantize_mxfp8, fake_quantize_nvfp4
from trtbench.export.images import ImageBatches
from trtbench.export.linear_layers import input_ranks
from trtbench.export.model import build_model, image_shape, meta_model
from trtbench.progress import Step
from trtbench.specs import CalibrationSpec, CheckpointSpec, ExportSpec, ModelSpec, Scalar
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.store.files import file_record
from trtbench.vit import role_of

Array = NDArray[np.generic]

PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp8", "mxfp8", "nvfp4")
QUANTIZED = PRECISIONS[3:]
RECIPES = [
    f"{p}{sparse}{stock}" for p in PRECISIONS for sparse in ("", "+sparse") for stock in ("", "@stock")
]


def tiny(**overrides: Scalar) -> ModelSpec:
    arguments = {"depth": 1, **overrides}
    return ModelSpec(name="vit_tiny_patch16_224", overrides=tuple(sorted(arguments.items())), img_size=64)


def spec_of(recipe: str, model: ModelSpec | None = None, **fields: Any) -> ExportSpec:
    return ExportSpec(**{"model": model or tiny(), "recipe": recipe, "batch": 2, **fields})


def exported(recipe: str, store: Store, model: ModelSpec | None = None, **fields: Any) -> OnnxArtifact:
    return export(spec_of(recipe, model, **fields), store)[0]


def load(artifact: OnnxArtifact) -> ModelProto:
    return onnx.load(artifact.payload)


def cosine(a: Array, b: Array) -> float:
    """The least cosine of the two outputs among the images of the batch."""
    rows = [(x.astype(np.float64), y.astype(np.float64)) for x, y in zip(a, b, strict=True)]
    return min(float(x @ y / np.sqrt((x @ x) * (y @ y))) for x, y in rows)


def pixels_for(artifact: OnnxArtifact) -> Any:
    shape = artifact.manifest.inputs[0].shape
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def torch_output(artifact: OnnxArtifact) -> Array:
    with torch.inference_mode():
        output: Array = build_model(artifact.manifest.spec.model)(pixels_for(artifact)).numpy()
    return output


def onnxruntime_output(artifact: OnnxArtifact) -> Array:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(artifact.payload), providers=["CPUExecutionProvider"])
    images = pixels_for(artifact).numpy().astype(artifact.manifest.inputs[0].dtype)
    output: Array = session.run(None, {"images": images})[0]
    return output


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_exports_a_static_graph_with_names(recipe: str, store: Store) -> None:
    artifact = exported(recipe, store)
    manifest, graph = artifact.manifest, load(artifact).graph
    dtype = {"fp32": "float32", "bf16": "bfloat16"}.get(recipe[:4], "float16")
    assert [(t.name, t.dtype, t.shape) for t in manifest.inputs] == [("images", dtype, (2, 3, 64, 64))]
    assert [(t.name, t.dtype, t.shape) for t in manifest.outputs] == [("logits", dtype, (2, 1000))]
    assert [value.name for value in graph.input] == ["images"]
    assert manifest.files[0].name == "model.onnx"
    assert manifest.nodes == len(graph.node)
    operators = {node.op_type for node in graph.node}
    assert operators.isdisjoint({"Shape", "ConstantOfShape", "Constant", "Identity", "Where", "Equal"})
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    assert all(name.startswith("/") for name in names)
    products = [name for name in names if name.rpartition("/")[2].startswith(("MatMul", "Gemm", "Conv"))]
    assert {role_of(name) for name in products} == {
        "patch_embed",
        "qkv",
        "attention",
        "proj",
        "fc1",
        "fc2",
        "head",
    }
    shapes = [value.type.tensor_type.shape.dim for value in graph.value_info]
    assert all(dim.dim_value for shape in shapes for dim in shape)
    typed = [value.name for value in (*graph.value_info, *graph.output)]
    assert sorted(typed) == sorted(output for node in graph.node for output in node.output)


@pytest.mark.parametrize("recipe", [r for r in RECIPES if not r.startswith("fp32")])
def test_the_compiler_takes_it(recipe: str, store: Store) -> None:
    from trtbench.build import build
    from trtbench.specs import BuildSpec

    engine, _ = build(exported(recipe, store), BuildSpec(targets=("sm120",)), store)
    assert engine.manifest.weight_bytes > 0


@pytest.mark.parametrize("batch", [1, 2, 8])
@pytest.mark.parametrize(("recipe", "least"), [("fp32", 0.9999), ("fp16", 0.999)])
def test_the_function_is_that_of_the_torch_model(recipe: str, least: float, batch: int, store: Store) -> None:
    artifact = exported(recipe, store, batch=batch)
    assert cosine(onnxruntime_output(artifact), torch_output(artifact)) > least


class TRT_FP4DynamicQuantize(OpRun):  # noqa: N801  (named as the operator)
    op_domain = "trt"

    def _run(self, x: Array, scale: Array, **_: Any) -> tuple[Array, Array]:
        """The fake-quantised values stand for values and scales together: the scales become 1."""
        amax = torch.tensor(float(scale) * 6 * 448)
        quantized = fake_quantize_nvfp4(torch.from_numpy(x.astype(np.float32)), amax).numpy()
        return quantized, np.full((*x.shape[:-1], x.shape[-1] // 16), 1 / scale, np.float32)


class TRT_MXFP8DynamicQuantize(OpRun):  # noqa: N801
    op_domain = "trt"

    def _run(self, x: Array, **_: Any) -> tuple[Array, Array]:
        quantized = fake_quantize_mxfp8(torch.from_numpy(x.astype(np.float32))).numpy()
        return quantized, np.full((*x.shape[:-1], x.shape[-1] // 32), 127, np.uint8)


class TRT_MXFP8DequantizeLinear(OpRun):  # noqa: N801
    op_domain = "trt"

    def _run(self, x: Array, scale: Array, output_dtype: int, **_: Any) -> tuple[Array]:
        factor = np.repeat(np.exp2(scale.astype(np.float32) - 127), 32, axis=-1)
        return ((x.astype(np.float32) * factor).astype(onnx.helper.tensor_dtype_to_np_dtype(output_dtype)),)


def reference_output(artifact: OnnxArtifact) -> Array:
    """What the graph computes by the definition of its operators."""
    operators = [TRT_FP4DynamicQuantize, TRT_MXFP8DynamicQuantize, TRT_MXFP8DequantizeLinear]
    images = pixels_for(artifact).numpy().astype(artifact.manifest.inputs[0].dtype)
    evaluator = ReferenceEvaluator(load(artifact), new_ops=operators)
    output: Array = evaluator.run(None, {"images": images})[0]
    return output


@pytest.mark.parametrize("stock", ["", "@stock"])
@pytest.mark.parametrize(
    ("precision", "least"), [("int8", 0.99), ("fp8", 0.99), ("mxfp8", 0.99), ("nvfp4", 0.95)]
)
def test_quantized_graphs_compute_nearly_what_the_model_does(
    precision: str, least: float, stock: str, store: Store
) -> None:
    artifact = exported(precision + stock, store)
    similarity = cosine(reference_output(artifact), torch_output(artifact))
    assert least < similarity < 0.99999


def structure(model: ModelProto) -> dict[str, Any]:
    """Outputs of the graph by what they are computed from and how, free of names."""
    described: dict[str, Any] = {value.name: ("input", i) for i, value in enumerate(model.graph.input)}
    for tensor in model.graph.initializer:
        described[tensor.name] = (
            tensor.data_type,
            tuple(tensor.dims),
            numpy_helper.to_array(tensor).tobytes(),
        )
    for node in model.graph.node:
        attributes = tuple(sorted(str(attribute) for attribute in node.attribute))
        inputs = tuple(described.get(name) for name in node.input)
        key = hash((node.op_type, attributes, inputs))
        for index, name in enumerate(node.output):
            described[name] = (key, index)
    return {str(i): described[value.name] for i, value in enumerate(model.graph.output)}


@pytest.mark.parametrize("precision", ["int8", "fp8", "mxfp8"])
def test_stock_is_what_modelopt_exports_at_that_batch(precision: str, store: Store, tmp_path: Path) -> None:
    from modelopt.torch._deploy.utils.torch_onnx import OnnxBytes, get_onnx_bytes_and_metadata

    from trtbench.export.graph.opset import with_sufficient_opset
    from trtbench.export.graph.standard_domains import with_standard_domains
    from trtbench.export.graph.static_batch import with_static_batch
    from trtbench.export.quantize import quantize_as_stock

    artifact = exported(f"{precision}@stock", store)
    spec, images = resolve(artifact.manifest.spec)
    model = build_model(spec.model)
    pixels = None if images is None else ImageBatches(images, model)
    ranks = input_ranks(meta_model(spec.model))
    model = quantize_as_stock(model, spec.recipe.precision, pixels, ranks).model
    batch = torch.zeros((2, *image_shape(model)))
    with captured_output(tmp_path / "log"):
        result, _ = get_onnx_bytes_and_metadata(model, (batch,), weights_dtype="fp16")
    theirs = onnx.load_from_string(OnnxBytes.from_bytes(result).get_onnx_model_file_bytes())
    theirs = with_sufficient_opset(with_standard_domains(theirs), spec.recipe)
    theirs = with_static_batch(theirs, 2)
    assert structure(load(artifact)) == structure(theirs)


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if "+sparse" in recipe])
def test_two_of_four_weights_stay_zero_in_the_file(recipe: str, store: Store) -> None:
    sparsity = exported(recipe, store).manifest.sparsity
    assert sparsity is not None
    assert sparsity.method == "sparse_magnitude"
    assert sparsity.weights == 192 * (12 * 192 + 1000)
    assert sparsity.compliant_groups == sparsity.groups
    assert sparsity.zeros / sparsity.weights == pytest.approx(0.5, abs=0.01)


def test_a_layer_that_is_not_pruned_is_noted(store: Store) -> None:
    manifest = exported("nvfp4+sparse", store, tiny(num_classes=10)).manifest
    assert manifest.sparsity is not None
    assert manifest.sparsity.compliant_groups < manifest.sparsity.groups
    assert any(note.startswith("head: left dense") and "(10, 192)" in note for note in manifest.notes)


def test_sparsegpt_looks_at_images(store: Store) -> None:
    fields: dict[str, Any] = {"calibration": CalibrationSpec(samples=2)}
    by_size = exported("fp16+sparse", store)
    by_images = exported("fp16+sparse", store, sparsity_method="sparsegpt", **fields)
    sparsity = by_images.manifest.sparsity
    assert sparsity is not None
    assert (sparsity.method, sparsity.compliant_groups) == ("sparsegpt", sparsity.groups)
    assert by_images.manifest.calibration is not None
    assert by_images.manifest.files[0].sha256 != by_size.manifest.files[0].sha256


# Small versions of architectures that differ in what the exporters meet.
MODELS: dict[str, tuple[str, dict[str, Scalar], int]] = {
    "registers, no position for them": (
        "vit_base_patch14_reg4_dinov2",
        {"embed_dim": 96, "num_heads": 3},
        28,
    ),
    "layer scale, no class position": ("deit3_base_patch16_224", {"embed_dim": 96, "num_heads": 3}, 32),
    "two heads": ("deit_tiny_distilled_patch16_224", {}, 32),
    "attention pooling, K = 4304 / 12": (
        "vit_so400m_patch14_siglip_224",
        {"embed_dim": 96, "num_heads": 4},
        28,
    ),
    "SwiGLU in one weight": ("vit_giant_patch14_dinov2", {"embed_dim": 96, "num_heads": 4}, 28),
    "average pooling, patch 32": ("vit_base_patch32_224", {"global_pool": "avg", "class_token": False}, 64),
    "SwiGLU in two weights": ("eva02_base_patch14_224", {"embed_dim": 96, "num_heads": 3}, 28),
    "bias past the qkv layer": ("eva_giant_patch14_224", {"embed_dim": 96, "num_heads": 4}, 28),
    "DINOv3": ("vit_base_patch16_dinov3", {"embed_dim": 96, "num_heads": 3}, 32),
    "rotary embedding per block": ("vit_base_patch16_rope_mixed_224", {"embed_dim": 96, "num_heads": 3}, 32),
    "RMSNorm": ("aimv2_large_patch14_224", {"embed_dim": 96, "num_heads": 3}, 28),
    "RMSNorm in parallel blocks": ("vit_base_patch16_xp_224", {"embed_dim": 96, "num_heads": 3}, 32),
    "differential attention": ("vit_dwee_patch16_reg1_gap_256", {"embed_dim": 64, "num_heads": 2}, 32),
    "it in parallel blocks": ("vit_dpwee_patch16_reg1_gap_256", {"embed_dim": 64, "num_heads": 2}, 32),
    "dynamic image size": ("vit_tiny_patch16_224", {"dynamic_img_size": True}, 32),
}


def small(name: str) -> ModelSpec:
    model, overrides, size = MODELS[name]
    return ModelSpec(name=model, overrides=tuple(sorted({"depth": 1, **overrides}.items())), img_size=size)


@pytest.mark.parametrize("name", MODELS)
def test_models_compute_the_same_in_onnx(name: str, store: Store) -> None:
    artifact = exported("fp16", store, small(name), batch=3)
    assert cosine(onnxruntime_output(artifact), torch_output(artifact)) > 0.999


# NVFP4 meets all that the others do; theirs are a scale a tensor and blocks of 32, on what differs most.
MODELS_BY_PRECISION = [
    *((name, "nvfp4") for name in MODELS),
    *((name, "fp8") for name in ("bias past the qkv layer", "rotary embedding per block")),
    *((name, "mxfp8") for name in ("attention pooling, K = 4304 / 12", "SwiGLU in two weights")),
]


@pytest.mark.parametrize(("name", "precision"), MODELS_BY_PRECISION)
def test_models_export_quantized(name: str, precision: str, store: Store) -> None:
    manifest = exported(precision, store, small(name)).manifest
    left = [note for note in manifest.notes if "left in FP16" in note]
    block = {"mxfp8": 32, "nvfp4": 16}.get(precision, 1)
    unfit = [
        layer
        for layer, module in build_model(small(name)).named_modules()
        if isinstance(module, torch.nn.Linear) and module.in_features % block
    ]
    assert [note.partition(":")[0] for note in left] == unfit


@pytest.mark.parametrize("precision", QUANTIZED)
@pytest.mark.parametrize("classes", [1, 10])
def test_few_classes_compile(precision: str, classes: int, store: Store) -> None:
    from trtbench.build import build
    from trtbench.specs import BuildSpec

    artifact = exported(precision, store, tiny(num_classes=classes))
    is_left = any(note == f"head: left in FP16: N = {classes} is odd" for note in artifact.manifest.notes)
    assert is_left == (classes % 2 == 1 and precision in ("mxfp8", "nvfp4"))
    assert build(artifact, BuildSpec(), store)[1]


def test_without_a_classifier_the_output_is_called_features(store: Store) -> None:
    (output,) = exported("fp8", store, tiny(num_classes=0)).manifest.outputs
    assert (output.name, output.shape) == ("features", (2, 192))


def write_images(folder: Path, count: int, seed: int = 0) -> Path:
    folder.mkdir()
    generator = np.random.default_rng(seed)
    for i in range(count):
        pixels = generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def test_images_of_a_folder_calibrate(store: Store, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos", 3)
    (folder / "broken.jpg").write_bytes(b"this is no picture")
    artifact = exported("fp8", store, calibration=CalibrationSpec(directory=str(folder)))
    record = artifact.manifest.calibration
    assert record is not None
    assert (record.source, record.samples, record.directory) == ("folder", 3, "photos")
    assert record.sha256 is not None
    assert any("broken.jpg" in note for note in artifact.manifest.notes)
    synthetic = exported("fp8", store)
    assert synthetic.manifest.calibration is not None
    assert synthetic.manifest.calibration.source == "synthetic"
    assert artifact.manifest.files[0].sha256 != synthetic.manifest.files[0].sha256
    moved = folder.rename(tmp_path / "moved")
    again, made = export(spec_of("fp8", calibration=CalibrationSpec(directory=str(moved))), store)
    assert (again.directory, made) == (artifact.directory, False)


def test_a_folder_of_no_pictures_at_all_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"this is no picture")
    with pytest.raises(ExportError, match=r"no file is an image: .*a\.png"):
        exported("fp8", store, calibration=CalibrationSpec(directory=str(tmp_path)))


def test_a_checkpoint_gives_the_weights(store: Store, tmp_path: Path) -> None:
    torch.save(build_model(tiny()).state_dict(), tmp_path / "weights.pt")
    digest = file_record(tmp_path / "weights.pt").sha256
    checkpoint = CheckpointSpec(path=str(tmp_path / "weights.pt"), sha256=digest)
    other_seed = tiny().model_copy(update={"checkpoint": checkpoint, "seed": 9})
    artifact = exported("fp16", store, other_seed)
    found, expected = onnx.load(artifact.payload), onnx.load(exported("fp16", store).payload)
    assert found.graph.SerializeToString() == expected.graph.SerializeToString()
    properties = {each.key: each.value for each in found.metadata_props}
    assert properties["weights"] == f"checkpoint, sha256 {digest}"


EXPORT_IN_ANOTHER_PROCESS = """
import gc, json, sys
from pathlib import Path
from trtbench.store.artifacts import Store
from trtbench.export import export
from trtbench.specs import ExportSpec
folder, *specs = sys.argv[1:]
exported = [export(ExportSpec.model_validate_json(spec), Store(Path(folder))) for spec in specs]
hashes = [artifact.manifest.files[0].sha256 for artifact, _ in exported]
loaded = [name for name in ("torch", "timm", "modelopt", "onnx") if name in sys.modules]
gc.collect()
kept = sorted({type(thing).__name__ for thing in gc.get_objects()} & {"ModelProto", "QuantLinear"})
json.dump([hashes, [made for _, made in exported], loaded, kept], sys.stdout)
"""


def export_in_another_process(
    folder: Path, *specs: ExportSpec
) -> tuple[list[str], list[bool], list[str], list[str]]:
    """Give sha256 of each file, whether it was made, the heavy packages imported, and models still alive."""
    command = [sys.executable, "-c", EXPORT_IN_ANOTHER_PROCESS, str(folder)]
    command += [spec.model_dump_json() for spec in specs]
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    hashes, made, loaded, kept = json.loads(done.stdout)
    return hashes, made, loaded, kept


def test_the_same_spec_gives_the_same_bytes_in_every_process(store: Store, tmp_path: Path) -> None:
    recipes = ("nvfp4+sparse", "fp8@stock")
    here = [exported(recipe, store).manifest.files[0].sha256 for recipe in recipes]
    there, made, _, kept = export_in_another_process(tmp_path, *map(spec_of, recipes))
    assert all(made)
    assert there == here
    assert kept == []  # they would take their memory from the next export
    other = tiny().model_copy(update={"seed": 1})
    assert exported("fp8@stock", store, other).manifest.files[0].sha256 != here[1]


def test_what_is_there_is_found_without_torch(store: Store) -> None:
    exported("mxfp8", store)
    _, made, loaded, _ = export_in_another_process(store.root, spec_of("mxfp8"))
    assert (made, loaded) == ([False], [])


def test_libraries_print_into_the_log_and_steps_reach_the_caller(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def say(step: Step) -> None:
        sys.stdout.write(f"step: {step.text}\n")

    artifact, _ = export(spec_of("mxfp8@stock"), Store(tmp_path), say)
    out, err = capfd.readouterr()
    assert err == ""
    assert [line for line in out.splitlines() if not line.startswith("step: ")] == []
    assert "step: trace to ONNX" in out
    assert "Inserted" in (artifact.directory / "export.log").read_text()


@pytest.mark.parametrize("recipe", ["fp16", "mxfp8", "mxfp8@stock", "nvfp4+sparse"])
def test_every_step_of_an_export_counts_once(recipe: str, tmp_path: Path) -> None:
    steps: list[Step] = []
    export(spec_of(recipe), Store(tmp_path), steps.append)
    assert {(step.stage, step.total) for step in steps} == {("export", len(steps))}
    assert [step.done for step in steps] == list(range(len(steps)))


def test_a_failed_export_leaves_its_log_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(
        ExportError, match=r"mxfp8@stock: AssertionError: .*divisible by block size 32"
    ) as caught:
        exported("mxfp8@stock", store, tiny(mlp_ratio=3.9))
    assert "\n" not in str(caught.value)
    log = Path(str(caught.value).rpartition("(log: ")[2].rstrip(")"))
    assert "Traceback" in log.read_text()
    assert [path.name for path in (tmp_path / "models").iterdir() if not path.name.startswith(".lock")] == []
    ours = exported("mxfp8", store, tiny(mlp_ratio=3.9))
    assert any("K = 748 is not divisible by the block size 32" in note for note in ours.manifest.notes)


def test_a_wrong_spec_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="resnet18"):
        exported("fp16", Store(tmp_path), ModelSpec(name="resnet18"))
    assert not list((tmp_path / "models").glob("[!.]*"))


def test_flops_of_graph_and_model_agree(store: Store) -> None:
    from trtbench.audit import audit_onnx

    for recipe in ("fp16", "nvfp4", "fp8@stock"):
        artifact = exported(recipe, store)
        audit = audit_onnx(artifact.payload, artifact.manifest.spec.recipe)
        assert {role.role: role.flops for role in audit.by_role} == artifact.manifest.analytic_flops
