"""Options of a build with the real compiler of TensorRT-RTX, whose Python API is that of TensorRT 11."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from pydantic import ValidationError
from support.trt_api import VERSIONS

from trtbench.build import child
from trtbench.build.backends import child_command, read_built
from trtbench.build.dialect import build_job, import_compiler
from trtbench.results import CompiledEngine, EngineManifest
from trtbench.specs import MAX_AUX_STREAMS, MAX_WORKSPACE_BYTES, BuilderOptions, BuildSpec, ShapeRange
from trtbench.specs.build import BuildPaths

VERSION = import_compiler("tensorrt_rtx").__version__
OPTIONS = BuilderOptions(workspace_bytes=2**28, max_aux_streams=0)


@pytest.fixture
def paths(tmp_path: Path) -> BuildPaths:
    names = ("model.onnx", "model.engine", "build.log", "inspector.json", "timing.cache")
    return BuildPaths(*(tmp_path / name for name in names))


def save_linear(path: Path, batch: int | str = 4) -> None:
    weight = numpy_helper.from_array(
        numpy_helper.to_array(helper.make_tensor("w", TensorProto.FLOAT16, (64, 64), [0.5] * 64 * 64)), "w"
    )
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, (batch, 64)) for name in ("x", "y")]
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="/fc/MatMul")
    graph = helper.make_graph([node], "graph", ends[:1], ends[1:], [weight])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def run(command: tuple[str, ...], log: Path) -> int:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    with log.open("a") as file:
        file.write(done.stderr)
    return done.returncode


def test_the_double_knows_the_version_that_is_installed() -> None:
    assert f"tensorrt_rtx-{VERSION}" in VERSIONS


@pytest.mark.parametrize("options", [BuilderOptions(), OPTIONS], ids=["none", "all"])
def test_the_real_compiler_takes_the_options_and_reports_its_progress(
    options: BuilderOptions, paths: BuildPaths
) -> None:
    save_linear(paths.onnx)
    command = child_command(BuildSpec(options=options), VERSION, paths, [sys.executable])
    assert run(command, paths.log) == 0, paths.log.read_text()
    built = read_built("tensorrt_rtx", paths)
    assert {node for layer in built.layers for node in layer.onnx_nodes} >= {"/fc/MatMul"}
    assert built.memory.weight_bytes >= 64 * 64 * 2
    assert re.search(r"^\[INFO\] Progress: \d+/\d+ Building engine", paths.log.read_text(), re.MULTILINE)


def save_branches(path: Path) -> None:
    """Write three products of one input that do not wait for each other."""
    numbers = range(3)
    weights = [
        numpy_helper.from_array(np.random.default_rng(n).normal(size=(512, 512)).astype(np.float16), f"w{n}")
        for n in numbers
    ]
    nodes = [helper.make_node("MatMul", ["x", f"w{n}"], [f"a{n}"]) for n in numbers]
    nodes += [helper.make_node("Softmax", [f"a{n}"], [f"s{n}"]) for n in numbers]
    nodes += [helper.make_node("Concat", [f"s{n}" for n in numbers], ["y"], axis=1)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT16, (2048, 512))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT16, (2048, 1536))
    graph = helper.make_graph(nodes, "graph", [x], [y], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def built_with(paths: BuildPaths, **settings: int | str) -> tuple[bytes, set[int]]:
    """Build, whatever ``check_options`` says: the engine, and the streams that its layers run on."""
    paths.log.unlink(missing_ok=True)
    job = replace(build_job(BuildSpec(), VERSION, paths), settings=settings)
    assert run((sys.executable, child.__file__, json.dumps(asdict(job))), paths.log) == 0
    layers = read_built("tensorrt_rtx", paths).layers
    return paths.engine.read_bytes(), {layer.stream_id for layer in layers}


def test_what_is_refused_has_no_effect_and_the_number_of_streams_has_one(
    paths: BuildPaths,
) -> None:
    save_branches(paths.onnx)
    plain, streams = built_with(paths)
    assert streams == {0, 1, 2}
    for level in (0, 1, 5):
        assert built_with(paths, builder_optimization_level=level)[0] == plain
    for word in ("NONE", "FULL"):
        tiling = f"TilingOptimizationLevel.{word}"
        assert built_with(paths, tiling_optimization_level=tiling)[0] == plain
    for number in (0, 1):
        assert built_with(paths, max_aux_streams=number)[1] == set(range(number + 1))


def test_the_real_compiler_takes_the_greatest_values_that_options_may_have(paths: BuildPaths) -> None:
    save_linear(paths.onnx)
    greatest = BuilderOptions(workspace_bytes=MAX_WORKSPACE_BYTES, max_aux_streams=MAX_AUX_STREAMS)
    command = child_command(BuildSpec(options=greatest), VERSION, paths, [sys.executable])
    assert run(command, paths.log) == 0, paths.log.read_text()
    for beyond in ({"workspace_bytes": MAX_WORKSPACE_BYTES + 1}, {"max_aux_streams": MAX_AUX_STREAMS + 1}):
        with pytest.raises(ValidationError, match="less than or equal"):
            BuilderOptions.model_validate(beyond)


def test_options_on_the_command_line_reach_the_real_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trtbench: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setattr("trtbench.host.log_tail._INTERVAL_S", 0.0)
    save_linear(tmp_path / "linear.onnx")
    options = ["--workspace-mib", "256", "--max-aux-streams", "0"]
    words = ["build", str(tmp_path / "linear.onnx"), *options]
    code, out, err = trtbench(*words, "--store", tmp_path, "--json")
    assert not code, err
    assert BuilderOptions.model_validate(json.loads(out)["spec"]["options"]) == OPTIONS
    assert f"compile for sm120 with TensorRT-RTX {VERSION}\n" in err
    assert "Building engine" in err


def test_the_real_compiler_takes_a_profile_for_a_dynamic_input(paths: BuildPaths) -> None:
    save_linear(paths.onnx, batch="batch")
    shapes = ShapeRange(input="x", min_shape=(1, 64), opt_shape=(8, 64), max_shape=(64, 64))
    spec = BuildSpec(options=BuilderOptions(profiles=((shapes,),)))
    assert run(child_command(BuildSpec(), VERSION, paths, [sys.executable]), paths.log) == 1
    assert "no optimization profile" in paths.log.read_text()
    paths.log.unlink()
    assert run(child_command(spec, VERSION, paths, [sys.executable]), paths.log) == 0, paths.log.read_text()
    inputs = [tensor for layer in read_built("tensorrt_rtx", paths).layers for tensor in layer.inputs]
    assert ("x", (-1, 64)) in [(tensor.name, tensor.dimensions) for tensor in inputs]


def test_a_profile_on_the_command_line_makes_an_engine_with_the_real_compiler(
    tmp_path: Path, trtbench: Callable[..., tuple[int, str, str]]
) -> None:
    save_linear(tmp_path / "dynamic.onnx", batch="batch")
    words = ["build", str(tmp_path / "dynamic.onnx"), "--profile", "x=1x64:8x64:64x64"]
    code, out, err = trtbench(*words, "--store", tmp_path, "--json")
    assert not code, err
    manifest = EngineManifest.model_validate_json(out)
    shapes = ShapeRange(input="x", min_shape=(1, 64), opt_shape=(8, 64), max_shape=(64, 64))
    assert manifest.spec.options.profiles == ((shapes,),)
    (engine,) = (tmp_path / "engines").glob("dynamic-sm120-*")
    layers = CompiledEngine.model_validate_json((engine / "layers.json").read_bytes()).layers
    sides = {tensor.dimensions for layer in layers for tensor in layer.inputs if tensor.name == "x"}
    assert sides == {(-1, 64)}
    assert {tensor.dtype for layer in layers for tensor in layer.inputs} == {"Half"}


def test_a_profile_for_an_input_that_is_not_there_leaves_its_reason(paths: BuildPaths) -> None:
    save_linear(paths.onnx, batch="batch")
    shapes = ShapeRange(input="z", min_shape=(1, 64), opt_shape=(8, 64), max_shape=(64, 64))
    spec = BuildSpec(options=BuilderOptions(profiles=((shapes,),)))
    assert run(child_command(spec, VERSION, paths, [sys.executable]), paths.log) == 1
    assert "[ERROR]" in paths.log.read_text()


def test_what_tensorrt_needs_besides_works_with_the_real_api(paths: BuildPaths) -> None:
    save_linear(paths.onnx)
    job = replace(build_job(BuildSpec(), VERSION, paths), plugins=True, network_flags=("STRONGLY_TYPED",))
    assert run((sys.executable, child.__file__, json.dumps(asdict(job))), paths.log) == 0, (
        paths.log.read_text()
    )


def test_a_name_that_the_api_lacks_leaves_its_reason(paths: BuildPaths) -> None:
    save_linear(paths.onnx)
    for changes in ({"flags": ("FP16",)}, {"settings": {"invented": 1}}, {"targets": ("sm90",)}):
        paths.log.unlink(missing_ok=True)
        job = replace(build_job(BuildSpec(), VERSION, paths), **changes)
        assert run((sys.executable, child.__file__, json.dumps(asdict(job))), paths.log) == 1
        assert any(word in paths.log.read_text() for word in ("'FP16'", "'invented'", "'SM90'"))
        assert not paths.engine.exists()
