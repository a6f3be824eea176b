"""The build stage with the real compiler, on graphs so small that a build takes a fraction of a second."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from support.manifests import onnx_manifest

from trtbench.audit.inspect import inspect
from trtbench.build import build, child
from trtbench.build.targets import known_targets
from trtbench.errors import ArtifactError, BuildError, RuntimeUnavailable, SpecError
from trtbench.host.processes import supervise
from trtbench.progress import Step
from trtbench.results import CompiledEngine, CompiledLayer, EngineManifest, OnnxManifest
from trtbench.specs import BuildSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.store.files import file_record
from trtbench.store.paths import load_onnx


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def save_model(
    path: Path,
    nodes: Sequence[NodeProto],
    initializers: Sequence[TensorProto] = (),
    shape: Sequence[int | str] = (4, 64),
    element_type: int = TensorProto.FLOAT16,
) -> Path:
    """Write a model from ``x`` to ``y``, both of one shape and type."""
    ends = [helper.make_tensor_value_info(name, element_type, shape) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], list(initializers))
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("trt", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def weight(name: str = "w", shape: tuple[int, ...] = (64, 64)) -> TensorProto:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float16)
    return numpy_helper.from_array(values, name)


def save_mlp(path: Path) -> Path:
    """One FP16 Linear layer with GELU."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], name="/fc/MatMul"),
        helper.make_node("Add", ["product", "b"], ["sum"], name="/fc/Add"),
        helper.make_node("Gelu", ["sum"], ["y"], name="/act/Gelu"),
    ]
    return save_model(path, nodes, [weight(), weight("b", (64,))])


def constant(name: str, value: float, dtype: type) -> TensorProto:
    return numpy_helper.from_array(np.array(value, dtype), name)


def save_nvfp4_linear(path: Path, size: int = 256) -> Path:
    """One Linear layer in NVFP4 as ModelOpt exports it: blocks of 16, FP8 scales, a global scale."""
    ones = np.ones((size, size), ml_dtypes.float4_e2m1fn)
    scales = np.ones((size, size // 16), ml_dtypes.float8_e4m3fn)
    blocks = {"axis": -1, "block_size": 16}
    nodes = [
        helper.make_node(
            "TRT_FP4DynamicQuantize", ["x", "xs"], ["x4", "x8"], "/q", domain="trt", scale_type=17, **blocks
        ),
        helper.make_node("DequantizeLinear", ["x8", "xs"], ["x_scale"], "/dq_scale"),
        helper.make_node("DequantizeLinear", ["x4", "x_scale"], ["x32"], "/dq", **blocks),
        helper.make_node("Cast", ["x32"], ["x16"], "/cast", to=TensorProto.FLOAT16),
        helper.make_node("DequantizeLinear", ["w8", "ws"], ["w_scale"], "/w/dq_scale"),
        helper.make_node("DequantizeLinear", ["w4", "w_scale"], ["w32"], "/w/dq", **blocks),
        helper.make_node("Cast", ["w32"], ["w16"], "/w/cast", to=TensorProto.FLOAT16),
        helper.make_node("Transpose", ["w16"], ["wt"], "/w/transpose", perm=[1, 0]),
        helper.make_node("MatMul", ["x16", "wt"], ["y"], "/fc/MatMul"),
    ]
    initializers = [
        numpy_helper.from_array(ones, "w4"),
        numpy_helper.from_array(scales, "w8"),
        constant("xs", 0.01, np.float32),
        constant("ws", 0.01, np.float32),
    ]
    return save_model(path, nodes, initializers, shape=(128, size))


def layers_of(directory: Path) -> tuple[CompiledLayer, ...]:
    return CompiledEngine.model_validate_json((directory / "layers.json").read_bytes()).layers


def failed_log(error: BuildError) -> str:
    """The log that the error's text names."""
    return Path(str(error).rpartition("(log: ")[2].removesuffix(")")).read_text()


def test_an_engine_comes_with_its_layers_log_and_manifest(tmp_path: Path, store: Store) -> None:
    steps: list[Step] = []
    model = save_mlp(tmp_path / "mlp.onnx")
    engine, made = build(model, BuildSpec(), store, steps.append)
    manifest = engine.manifest
    assert made
    assert steps == [
        Step("build", f"compile for sm120 with TensorRT-RTX {manifest.backend_version}"),
        Step("build", "read the compiled layers"),
    ]
    assert [file.name for file in manifest.files] == ["model.engine", "build.log", "layers.json"]
    assert engine.payload.stat().st_size == manifest.files[0].size_bytes > 1000
    assert engine.directory.name == f"mlp-sm120-rtx{manifest.backend_version}-{manifest.spec_id}"
    assert (manifest.export, manifest.onnx_path) == (None, str(model))
    assert manifest.onnx_sha256 == file_record(model).sha256
    assert manifest.weight_bytes >= 64 * 64 * 2
    assert 50e6 < manifest.peak_rss_bytes < 2e9
    assert 0 < manifest.build_s < 60
    assert set(manifest.tool_versions) == {"tensorrt_rtx", "trtbench.build"}
    layers = layers_of(engine.directory)
    assert {node for layer in layers for node in layer.onnx_nodes} >= {"/fc/MatMul", "/act/Gelu"}
    assert {tensor.dtype for layer in layers for tensor in layer.inputs} == {"Half"}


def test_a_second_build_reuses_the_first_whatever_the_limits(tmp_path: Path, store: Store) -> None:
    model = save_mlp(tmp_path / "mlp.onnx")
    first, _ = build(model, BuildSpec(), store)
    steps: list[Step] = []
    spec = BuildSpec(targets=("SM120",), timeout_s=77.0, memory_limit_bytes=10**10)
    second, made = build(model, spec, store, steps.append)
    assert (made, steps) == (False, [])
    assert second == first


@pytest.mark.parametrize("change", [{"sparsity": True}, {"targets": ("sm89",)}])
def test_another_spec_is_another_engine(tmp_path: Path, store: Store, change: dict[str, object]) -> None:
    model = save_mlp(tmp_path / "mlp.onnx")
    first, _ = build(model, BuildSpec(), store)
    second, made = build(model, BuildSpec(**change), store)
    assert made
    assert second.manifest.spec_id != first.manifest.spec_id


def test_a_moved_model_gets_an_engine_that_knows_where_it_is(tmp_path: Path, store: Store) -> None:
    first, _ = build(save_mlp(tmp_path / "mlp.onnx"), BuildSpec(), store)
    moved = shutil.move(tmp_path / "mlp.onnx", tmp_path / "elsewhere.onnx")
    second, _ = build(Path(moved), BuildSpec(), store)
    assert second.manifest.onnx_path == str(tmp_path / "elsewhere.onnx")
    assert second.manifest.files[0].sha256 == first.manifest.files[0].sha256


def test_a_store_that_was_moved_keeps_its_engines(tmp_path: Path) -> None:
    store = Store(tmp_path / "here")
    artifact = make_artifact(store)
    first, _ = build(artifact, BuildSpec(), store)
    audit = inspect(first.directory)
    moved = Store(store.root.rename(tmp_path / "there"))
    engine, made = build(moved.root / "models" / artifact.directory.name, BuildSpec(), moved)
    assert (made, engine.manifest) == (False, first.manifest)
    assert inspect(engine.directory) == audit


def test_two_targets_make_one_engine_in_either_order(tmp_path: Path, store: Store) -> None:
    model = save_mlp(tmp_path / "mlp.onnx")
    both, _ = build(model, BuildSpec(targets=("sm120", "sm89")), store)
    again, made = build(model, BuildSpec(targets=("sm89", "sm120", "sm89")), store)
    assert not made
    assert again.manifest.spec.targets == ("sm89", "sm120")
    compiled = CompiledEngine.model_validate_json((both.directory / "layers.json").read_bytes())
    assert compiled.targets == ("sm89", "sm120")
    alone, _ = build(model, BuildSpec(targets=("sm120",)), store)
    assert len(compiled.layers) == len(layers_of(alone.directory))


@pytest.mark.parametrize("target", known_targets())
def test_every_known_target_compiles(tmp_path: Path, store: Store, target: str) -> None:
    engine, _ = build(save_mlp(tmp_path / "mlp.onnx"), BuildSpec(targets=(target,)), store)
    assert layers_of(engine.directory)


def test_nvfp4_compiles_to_an_fp4_gemm(tmp_path: Path, store: Store) -> None:
    engine, _ = build(save_nvfp4_linear(tmp_path / "fp4.onnx"), BuildSpec(), store)
    (gemm,) = (layer for layer in layers_of(engine.directory) if layer.layer_type == "gemm")
    assert {tensor.dtype for tensor in (*gemm.inputs, *gemm.constants)} >= {"FP4E2M1", "FP8"}
    assert "/fc/MatMul" in gemm.onnx_nodes


@pytest.mark.parametrize("targets", [("sm89",), ("sm89", "sm120")])
def test_nvfp4_for_older_gpus_is_refused_in_the_compilers_words(
    tmp_path: Path, store: Store, targets: tuple[str, ...]
) -> None:
    model = save_nvfp4_linear(tmp_path / "fp4.onnx")
    words = r"Cannot compile for target\(s\) sm89, because the model contains HW-specific datatypes: fp4_e2m1"
    with pytest.raises(
        BuildError, match=rf"fp4\.onnx: .*{words}.*NVFP4 needs targets sm120 or sm121"
    ) as caught:
        build(model, BuildSpec(targets=targets), store)
    assert "\n" not in str(caught.value)
    assert "Cannot compile for target(s) sm89" in failed_log(caught.value)
    assert [path.name for path in (store.root / "engines").iterdir() if path.is_dir()] == []


def test_an_unknown_operator_is_named(tmp_path: Path, store: Store) -> None:
    model = save_model(tmp_path / "odd.onnx", [helper.make_node("NoSuchOp", ["x"], ["y"], name="/odd")])
    with pytest.raises(BuildError, match=r"/odd and operator: NoSuchOp.*rewrite this node") as caught:
        build(model, BuildSpec(), store)
    assert "NoSuchOp" in failed_log(caught.value)


def test_a_dynamic_batch_is_refused_with_advice(tmp_path: Path, store: Store) -> None:
    model = save_model(tmp_path / "any.onnx", [helper.make_node("Relu", ["x"], ["y"])], shape=("N", 64))
    with pytest.raises(
        SpecError, match=r"any\.onnx has dynamic inputs, x \[N, 64\]: give .*--profile x=1x64:8x64:64x64 "
    ):
        build(model, BuildSpec(), store)
    assert not store.root.exists()


def test_names_of_any_kind_are_read_back(tmp_path: Path, store: Store) -> None:
    name = "w, Dimensions: [1] } ], ü\r\nnext"
    nodes = [
        helper.make_node("MatMul", ["x", name], ["z"], name="mm, LayerType: gemm[0]\nnext"),
        helper.make_node("Relu", ["z"], ["y"], name=" } ], Metadata: relu"),
    ]
    engine, _ = build(save_model(tmp_path / "names, odd.onnx", nodes, [weight(name)]), BuildSpec(), store)
    (layer,) = layers_of(engine.directory)
    assert set(layer.onnx_nodes) == {node.name for node in nodes}
    assert layer.constants[0].name.startswith(name)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[: len(data) // 2], "not an ONNX model, or cut short"),
        (lambda data: data[:-10], "not an ONNX model, or cut short"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\n", "not an ONNX model, or cut short"),
        (lambda _: b"hello\n", "not an ONNX model, or cut short"),
        (lambda _: b"", "holds no ONNX graph"),
    ],
)
def test_a_damaged_file_is_refused_before_any_work(
    tmp_path: Path, store: Store, damage: object, words: str
) -> None:
    model = save_mlp(tmp_path / "mlp.onnx")
    model.write_bytes(damage(model.read_bytes()))
    with pytest.raises(ArtifactError, match=rf"mlp\.onnx: .*{words}"):
        build(model, BuildSpec(), store)
    assert not store.root.exists()


def test_a_missing_file_is_refused(tmp_path: Path, store: Store) -> None:
    with pytest.raises(SpecError, match=r"gone\.onnx"):
        build(tmp_path / "gone.onnx", BuildSpec(), store)


def save_with_external_weights(directory: Path) -> tuple[Path, Path]:
    """Write the MLP with its weights in a file of their own."""
    directory.mkdir()
    model = onnx.load(save_mlp(directory / "whole.onnx"))
    path = directory / "mlp.onnx"
    onnx.save(model, path, save_as_external_data=True, location="mlp.weights", size_threshold=0)
    return path, directory / "mlp.weights"


def test_weights_beside_the_model_are_part_of_it(tmp_path: Path, store: Store) -> None:
    model, weights = save_with_external_weights(tmp_path / "model")
    first, _ = build(model, BuildSpec(), store)
    assert not build(model, BuildSpec(), store)[1]
    weights.write_bytes(np.fromfile(weights, np.float32)[::-1].tobytes())
    second, made = build(model, BuildSpec(), store)
    assert made
    assert second.manifest.onnx_sha256 == first.manifest.onnx_sha256
    assert second.manifest.files[0].sha256 != first.manifest.files[0].sha256


def test_a_model_in_a_cache_of_links_builds(tmp_path: Path, store: Store) -> None:
    """As the cache of Hugging Face has it: links in a snapshot, to files under other names."""
    model, weights = save_with_external_weights(tmp_path / "blobs")
    snapshot = tmp_path / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "linked.onnx").symlink_to(model)
    (snapshot / weights.name).symlink_to(weights.rename(tmp_path / "blobs" / "0f1e"))
    engine, _ = build(snapshot / "linked.onnx", BuildSpec(), store)
    assert inspect(engine.directory).compiled_flops > 0


@pytest.mark.parametrize("location", ["", "../mlp.weights", "/mlp.weights"])
def test_weights_outside_of_the_folder_are_refused(location: str, tmp_path: Path, store: Store) -> None:
    path, _ = save_with_external_weights(tmp_path / "model")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "location").value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="not a path inside its folder, as ONNX demands"):
        build(path, BuildSpec(), store)


def test_missing_or_short_weights_are_named(tmp_path: Path, store: Store) -> None:
    model, weights = save_with_external_weights(tmp_path / "model")
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ArtifactError, match=r"mlp\.weights: 100 bytes, the model reads \d{4}"):
        build(model, BuildSpec(), store)
    weights.unlink()
    with pytest.raises(ArtifactError, match=r"mlp\.weights: cannot be read \(No such file"):
        build(model, BuildSpec(), store)


def make_artifact(store: Store) -> OnnxArtifact:
    def make(directory: Path) -> OnnxManifest:
        return onnx_manifest(
            ExportSpec(recipe=parse_recipe("fp16+sparse@stock"), batch=4),
            [save_mlp(directory / "model.onnx")],
        )

    return store.get_or_make(OnnxManifest, "vit", "0" * 16, make)[0]


def test_an_exported_model_is_remembered_in_the_engine(store: Store) -> None:
    onnx_artifact = make_artifact(store)
    engine, _ = build(onnx_artifact, BuildSpec(), store)
    assert engine.manifest.export == onnx_artifact.manifest.spec
    assert engine.manifest.onnx_sha256 == onnx_artifact.manifest.files[0].sha256
    assert engine.manifest.onnx_path == str(onnx_artifact.payload)
    assert engine.directory.name.startswith("vit_base_patch16_224-fp16+sparse@stock-b4-sm120-rtx1.")


@pytest.mark.parametrize("name", ["", "model.onnx", "manifest.json"])
def test_an_exported_model_is_found_by_any_of_its_paths(store: Store, name: str) -> None:
    artifact = make_artifact(store)
    assert load_onnx(artifact.directory / name, "build") == artifact
    engine, _ = build(artifact, BuildSpec(), store)
    assert build(artifact.directory / name, BuildSpec(), store) == (engine, False)


def test_an_engine_is_not_built_again_from_an_engine(tmp_path: Path, store: Store) -> None:
    engine, _ = build(save_mlp(tmp_path / "mlp.onnx"), BuildSpec(), store)
    with pytest.raises(ArtifactError, match="an engine; build takes an exported model"):
        build(engine.directory, BuildSpec(), store)


def test_a_build_over_its_limit_leaves_its_log_and_can_be_repeated(tmp_path: Path, store: Store) -> None:
    model = save_mlp(tmp_path / "mlp.onnx")
    with pytest.raises(BuildError, match=r"mlp\.onnx: .*stopped after .*the limit is 20.0 ms") as caught:
        build(model, BuildSpec(timeout_s=0.02), store)
    failed_log(caught.value)
    with pytest.raises(BuildError, match=r"stopped at .* of resident memory, the limit is 20.0 MB"):
        build(model, BuildSpec(memory_limit_bytes=20_000_000), store)
    engine, made = build(model, BuildSpec(), store)
    assert made
    assert isinstance(engine.manifest, EngineManifest)


def test_a_crash_of_the_compiler_is_reported_and_its_log_kept(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = tmp_path / "crashing.py"
    crashing.write_text("import os\nprint('[VERBOSE] compile block 3', flush=True)\nos.abort()\n")
    monkeypatch.setattr(child, "__file__", str(crashing))
    with pytest.raises(BuildError, match=r"killed by signal 6 \(SIGABRT\).*compile block 3") as caught:
        build(save_mlp(tmp_path / "mlp.onnx"), BuildSpec(), store)
    assert failed_log(caught.value) == "[VERBOSE] compile block 3\n"


def test_a_target_that_the_compiler_does_not_take_ends_the_build(tmp_path: Path) -> None:
    log_path, engine_path = tmp_path / "build.log", tmp_path / "model.engine"
    model = save_mlp(tmp_path / "mlp.onnx")
    job = child.BuildJob(str(model), str(engine_path), str(log_path), targets=("none",), sparsity=False)
    with pytest.raises(BuildError, match="ValueError: TensorRT-RTX does not take none as a target"):
        supervise([sys.executable, child.__file__, json.dumps(asdict(job))], log_path, 60.0, None)
    assert not engine_path.exists()


def test_without_the_compiler_nothing_is_begun(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(RuntimeUnavailable, match="proprietary licence"):
        build(save_mlp(tmp_path / "mlp.onnx"), BuildSpec(), store)
    assert not store.root.exists()


@pytest.mark.parametrize("targets", [("sm90",), ("sm120", "sm42"), ()])
def test_a_wrong_target_is_refused(tmp_path: Path, store: Store, targets: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match="target"):
        build(save_mlp(tmp_path / "mlp.onnx"), BuildSpec(targets=targets), store)
