"""The contract of runtimes, on a CPU: onnxruntime and the scripted one. tests/gpu has it for a GPU's."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support import runtime_contract as contract
from support.runtime_contract import Array, Case, Loaded, loaded

from trtbench.errors import MeasureError, RuntimeUnavailable, SpecError
from trtbench.host.installation import install_command
from trtbench.measure.arms import arm_of_onnx
from trtbench.measure.run import run_id
from trtbench.results import RunRecord
from trtbench.runtimes import RUNTIMES, open_runtime
from trtbench.specs import ArmSpec, BenchSpec

CASES = ("onnxruntime-cpu fp32", "onnxruntime-cpu fp16", "fake")
LEAST_COSINE = {"fp32": 0.999999, "fp16": 0.999}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, folder: Path) -> Case:
    if request.param == "fake":
        return fake_case(folder)
    runtime, recipe = request.param.split()
    path = contract.export_onnx(folder / f"{recipe}.onnx", recipe)
    arm = contract.file_arm(path, recipe, runtime)
    return Case(arm, contract.torch_reference(), LEAST_COSINE[recipe])


def fake_case(folder: Path) -> Case:
    """The scripted runtime computes random features of the first 64 values of an image."""

    def features(values: Array) -> Array:
        columns = np.arange(1, 1001)
        return values.reshape(len(values), -1)[:, :64] @ np.cos(np.outer(np.arange(1, 65), columns))

    script = {
        "series": {"host_wall_ms": 1.0},
        "graph": "none",
        "inputs": [{"name": "images", "dtype": "float32", "shape": (contract.BATCH, 3, 64, 64)}],
        "outputs": [{"name": "logits", "dtype": "float32", "shape": (contract.BATCH, 1000)}],
    }
    path = folder / "script.json"
    path.write_text(json.dumps(script))
    return Case(contract.file_arm(path, "fp32", "fake"), features, 0.999999)


@pytest.fixture
def one(case: Case) -> Iterator[Loaded]:
    with loaded(case.arm) as opened:
        yield opened


def test_records(one: Loaded, case: Case) -> None:
    contract.check_records(one, "float16" if str(case.arm.recipe) == "fp16" else "float32")
    assert one.runtime.device == "cpu"
    assert one.runtime.graph == "none"


def test_outputs_follow_inputs(one: Loaded, case: Case) -> None:
    contract.check_outputs_follow_inputs(one, case)


def test_binding_to_other_memory(one: Loaded) -> None:
    contract.check_binding_to_other_memory(one)


def test_an_empty_query(one: Loaded, case: Case) -> None:
    if case.arm.runtime == "fake":
        assert one.runtime.empty() is None
    else:
        contract.check_empty_query(one, cuda_graph=False)


def test_every_runtime_that_is_listed_has_a_module() -> None:
    for name, entry in RUNTIMES.items():
        module = import_module(entry.module)
        assert hasattr(module, "open_arm" if entry.times_itself else "open_runtime"), name


def test_an_unknown_runtime_lists_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"runtime 'trt': expected one of tensorrt, tensorrt_rtx, trtexec"):
        open_runtime(contract.model_arm("fp16", "trt"), 0, False)


def save(
    path: Path, nodes: list[onnx.NodeProto], element_type: int = TensorProto.FLOAT, side: int | str = 4
) -> ArmSpec:
    """Save a graph from x to y, both 4 x 16; give an arm that does not know the model."""
    ends = [helper.make_tensor_value_info(name, element_type, (side, 16)) for name in ("x", "y")]
    weight = numpy_helper.from_array(np.eye(16, dtype=np.float32), "w")
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("trt", 1)]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], [weight])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return contract.file_arm(path, "fp32", "onnxruntime-cpu").model_copy(update={"export": None})


IDENTITY = [helper.make_node("MatMul", ["x", "w"], ["y"], name="/fc/MatMul")]


def test_a_bare_onnx_file(tmp_path: Path) -> None:
    with loaded(save(tmp_path / "x.onnx", IDENTITY)) as one:
        tensors = one.allocate()
        one.runtime.bind(tensors)
        values = contract.images(one.runtime.inputs[0], 1)
        np.testing.assert_allclose(one.query(tensors, values), values, rtol=1e-6)
        threads = f"intra-op threads: {len(os.sched_getaffinity(0))}"
        assert one.runtime.notes == (f"{threads}, which do not spin between queries",)
        assert one.runtime.version.startswith("onnxruntime 1.")


def test_weights_in_other_files_are_checked_too(tmp_path: Path) -> None:
    save(tmp_path / "x.onnx", IDENTITY)
    model = onnx.load(tmp_path / "x.onnx")
    (tmp_path / "sub").mkdir()
    path, weights = tmp_path / "y.onnx", tmp_path / "sub" / "y.weights"
    onnx.save(model, path, save_as_external_data=True, location="sub/y.weights", size_threshold=0)
    arm = arm_of_onnx(path.stem, path, "onnxruntime-cpu")
    (spec,) = arm.builds
    assert spec.weights == (("sub/y.weights", sha256(weights.read_bytes()).hexdigest()),)
    assert arm.working_set_bytes == path.stat().st_size + weights.stat().st_size
    with loaded(spec):
        pass
    weights.write_bytes(bytes(len(weights.read_bytes())))
    with pytest.raises(
        MeasureError, match=r"sub/y\.weights: its sha256 is .* the arm says .* was changed since"
    ):
        open_runtime(spec, 0, False)
    (changed,) = arm_of_onnx(path.stem, path, "onnxruntime-cpu").builds
    assert changed.artifact_sha256 == spec.artifact_sha256
    assert _run_id(changed) != _run_id(spec)
    weights.unlink()
    with pytest.raises(MeasureError, match=r"sub/y\.weights: is missing"):
        open_runtime(spec, 0, False)


def _run_id(arm: ArmSpec) -> str:
    return run_id(RunRecord(purpose="measure", arms=(arm,), protocol=BenchSpec(), machine={}))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: no thread that could spin")
def test_threads_rest_between_queries(tmp_path: Path) -> None:
    """Another arm has its block then, on the same cores."""
    side = 1024
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (side, side)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "x"], ["y"])], "graph", ends[:1], ends[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        tmp_path / "x.onnx",
    )
    arm = contract.file_arm(tmp_path / "x.onnx", "fp32", "onnxruntime-cpu")
    with loaded(arm.model_copy(update={"export": None})) as one:
        one.runtime.bind(one.allocate())
        one.runtime.enqueue(0)
        before_s = time.process_time()
        time.sleep(0.1)
        assert time.process_time() - before_s < 0.01  # spinning takes over 0.03 s


@pytest.mark.parametrize("domain", ["trt"])
def test_operators_that_tensorrt_alone_has_are_named(domain: str, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("TRT_MXFP8DynamicQuantize", ["x"], ["q", "s"], domain=domain),
        helper.make_node("TRT_MXFP8DequantizeLinear", ["q", "s"], ["y"], domain=domain),
    ]
    with pytest.raises(MeasureError) as failure:
        open_runtime(save(tmp_path / "x.onnx", nodes), 0, False)
    assert str(failure.value) == (
        f"{tmp_path}/x.onnx: onnxruntime has no kernel for trt::TRT_MXFP8DequantizeLinear (1 nodes), "
        "trt::TRT_MXFP8DynamicQuantize (1 nodes): build an engine and time it with tensorrt or tensorrt_rtx"
    )


def test_a_type_without_kernels_is_an_error_in_onnxruntimes_words(tmp_path: Path) -> None:
    arm = save(
        tmp_path / "x.onnx", [helper.make_node("Erf", ["x"], ["y"], name="/act/Erf")], TensorProto.BFLOAT16
    )
    with pytest.raises(MeasureError) as failure:
        open_runtime(arm, 0, False)
    text = str(failure.value)
    assert "cannot run it on a CPU" in text
    assert "/act/Erf" in text
    assert "tensorrt" in text
    assert "\n" not in text


@pytest.mark.parametrize("kind", ["sequence", "strings"])
def test_outputs_that_are_no_numeric_tensors_are_refused(kind: str, tmp_path: Path) -> None:
    arm = save(tmp_path / "x.onnx", IDENTITY)
    model = onnx.load(tmp_path / "x.onnx")
    if kind == "sequence":
        model.graph.node.append(helper.make_node("SplitToSequence", ["x"], ["z"]))
        model.graph.output.append(helper.make_tensor_sequence_value_info("z", TensorProto.FLOAT, None))
    else:
        model.graph.node.append(helper.make_node("Cast", ["x"], ["z"], to=TensorProto.STRING))
        model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.STRING, [4, 16]))
    onnx.save(model, tmp_path / "x.onnx")
    arm = contract.file_arm(tmp_path / "x.onnx", "fp32", "onnxruntime-cpu").model_copy(
        update={"export": None}
    )
    with pytest.raises(MeasureError, match=rf"z holds (a )?{kind}: only models of numeric tensors are timed"):
        open_runtime(arm, 0, False)


def test_an_output_without_a_stated_shape_gets_the_inferred_one(tmp_path: Path) -> None:
    save(tmp_path / "x.onnx", IDENTITY)
    model = onnx.load(tmp_path / "x.onnx")
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, tmp_path / "x.onnx")
    arm = contract.file_arm(tmp_path / "x.onnx", "fp32", "onnxruntime-cpu").model_copy(
        update={"export": None}
    )
    with loaded(arm) as one:
        assert one.runtime.outputs[0].shape == (4, 16)


def test_other_files_and_batches_are_refused(tmp_path: Path) -> None:
    arm = save(tmp_path / "x.onnx", IDENTITY)
    with pytest.raises(
        MeasureError, match=r"x\.onnx: its input x has the shape \(4, 16\), the arm says batch 2"
    ):
        open_runtime(contract.file_arm(tmp_path / "x.onnx", "fp32", "onnxruntime-cpu"), 0, False)
    with pytest.raises(
        MeasureError, match=r"x has the dynamic shape \[batch, 16\]: export it with a static batch"
    ):
        open_runtime(save(tmp_path / "dynamic.onnx", IDENTITY, side="batch"), 0, False)
    (tmp_path / "x.onnx").write_bytes(b"no ONNX")
    with pytest.raises(MeasureError, match=r"x\.onnx: its sha256 is [0-9a-f]{12}\.\.\., the arm says"):
        open_runtime(arm, 0, False)
    changed = arm.model_copy(update={"artifact_sha256": sha256(b"no ONNX").hexdigest()})
    with pytest.raises(MeasureError, match=r"x\.onnx: not an ONNX model, or cut short"):
        open_runtime(changed, 0, False)


def test_a_query_without_memory_or_on_another_stream_is_refused(tmp_path: Path) -> None:
    with loaded(save(tmp_path / "x.onnx", IDENTITY)) as one:
        with pytest.raises(MeasureError, match="queries on stream 0, with memory bound"):
            one.runtime.enqueue(0)
        one.runtime.bind(one.allocate())
        with pytest.raises(MeasureError, match="queries on stream 0, with memory bound"):
            one.runtime.enqueue(1)


def test_without_the_package_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = save(tmp_path / "x.onnx", IDENTITY)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    remedy = re.escape(install_command("ort"))
    with pytest.raises(RuntimeUnavailable, match=f"onnxruntime cannot be used here .*: {remedy}"):
        open_runtime(arm, 0, False)


def test_a_build_without_cuda_never_runs_on_the_cpu_instead(tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    arm = save(tmp_path / "x.onnx", IDENTITY).model_copy(update={"runtime": "onnxruntime"})
    with pytest.raises(
        RuntimeUnavailable, match=r"is a build without CUDAExecutionProvider: .*pip uninstall"
    ):
        open_runtime(arm, 1, True)
