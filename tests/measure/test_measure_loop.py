"""The steps of the loop, in this process, on scripted arms: what is recorded, and what is refused."""

import json
from contextlib import ExitStack
from itertools import count, cycle
from statistics import median

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbench.errors import Code, MeasureError
from trtbench.measure.arms import arm_of_onnx
from trtbench.measure.device import Query
from trtbench.measure.messages import Job
from trtbench.measure.scripted_device import ScriptedDevice, open_device
from trtbench.measure.worker import load
from trtbench.runtimes.fake import SHORTEST_MS
from trtbench.specs import ArmSpec, BenchSpec, InputValues

BENCH = BenchSpec(warmup_ms=20, warmup_iterations=2, block_ms=60)


@pytest.fixture
def loaded(tmp_path):
    """Load a scripted arm as the worker does."""
    with ExitStack() as stack:

        def load_script(bench=None, **script):
            path = tmp_path / "script.json"
            path.write_text(json.dumps({"series": {"gpu_compute_ms": 1.0}, **script}), encoding="utf-8")
            arm = ArmSpec(
                label="arm",
                runtime="fake",
                recipe=None,
                export=None,
                artifact=str(path),
                artifact_sha256=None,
            )
            spec = BENCH.model_copy(update=bench or {})
            return load(Job(arm=arm, bench=spec, process=0), stack)

        yield load_script


def test_a_cpu_arm_has_host_wall_times_only(loaded):
    arm = loaded(series={"host_wall_ms": 3.0}, graph="none")
    assert (arm.facts.main_series, arm.facts.cuda_graph, arm.facts.graph_kernels) == (
        "host_wall_ms",
        "none",
        None,
    )
    assert set(arm.block()) == {"host_wall_ms"}


@pytest.mark.parametrize(
    ("graph", "asked", "recorded"),
    [
        ("capture", True, ("captured", 10)),
        ("own", True, ("runtime", None)),
        ("none", True, ("none", None)),
        ("capture", False, ("none", None)),
        ("own", False, ("none", None)),
    ],
)
def test_the_use_of_a_graph_is_recorded(loaded, graph, asked, recorded):
    facts = loaded({"cuda_graph": asked}, graph=graph).facts
    assert (facts.cuda_graph, facts.graph_kernels) == recorded


@pytest.mark.parametrize("graph", ["capture", "own", "none"])
@pytest.mark.parametrize("l2", ["flushed", "rotated"])
def test_other_l2_modes_run(loaded, l2, graph):
    assert set(loaded({"l2": l2}, graph=graph).block()["gpu_compute_ms"]) == {1.0}


def test_rotation_that_is_too_small_is_noted(loaded):
    image = {"name": "image", "dtype": "float16", "shape": [1, 3, 4, 4]}
    logits = {"name": "logits", "dtype": "float16", "shape": [1, 4]}
    (note,) = loaded({"l2": "rotated"}, inputs=[image], outputs=[logits]).facts.notes
    assert note.startswith("the 32 sets of inputs and outputs that take turns hold 3.33 kB, less than twice")


def test_warming_up_that_never_ends_is_noted(loaded):
    (how,) = loaded(series={"gpu_compute_ms": {"median_ms": 1.0, "drift_per_s": 1.0}}).facts.unsteady
    assert how.startswith("no steady state in 2.0 s of warming up (last change ")


def test_slowdowns_are_in_the_samples(loaded):
    arm = loaded({"block_ms": 200}, slowdowns=[{"from_ms": 600, "to_ms": 800, "factor": 2.0}])
    blocks = [arm.block()["gpu_compute_ms"] for _ in range(6)]
    assert {time_ms for block in blocks for time_ms in block} == {1.0, 2.0}
    assert median(blocks[-1]) == 1.0


def test_side_series_take_a_small_part_of_a_block(loaded):
    series = {"gpu_compute_ms": 1.0, "enqueue_ms": 0.1, "host_wall_ms": 1.1, "h2d_ms": 0.4, "d2h_ms": 0.1}
    samples = loaded({"block_ms": 100}, series=series).block()
    assert 75 <= len(samples["gpu_compute_ms"]) <= 100
    assert len(samples["host_wall_ms"]) == len(samples["enqueue_ms"]) == 10
    assert len(samples["h2d_ms"]) == len(samples["d2h_ms"]) == 10


@pytest.mark.parametrize("query_ms", [0.01, 1.0, 30.0, 500.0])
def test_a_block_lasts_about_as_long_as_asked(loaded, query_ms):
    bench = {"block_ms": 250.0, "warmup_iterations": 1, "warmup_ms": 0.0}
    arm = loaded(bench, series={"gpu_compute_ms": query_ms})
    times_ms = arm.block()["gpu_compute_ms"]
    assert max(query_ms, 190) <= sum(times_ms) <= max(query_ms, 330)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ({"output_values": "nan"}, "OUTPUT_NOT_FINITE: output logits: 20 of 20 values"),
        ({"output_values": "constant"}, "OUTPUT_CONSTANT: output logits: all values are 1.0"),
        ({"output_values": "stale"}, "OUTPUT_IGNORES_INPUT: outputs of the query are the same"),
        ({"output_values": "stale", "graph": "own"}, "GRAPH_STALE: outputs of the runtime's own CUDA graph"),
        ({"output_values": "unwritten"}, "OUTPUT_NOT_WRITTEN: output logits: the query left 20 of 20"),
        ({"replay_values": "unwritten"}, "GRAPH_EMPTY: output logits: the captured CUDA graph left 20 of 20"),
        ({"replay_values": "stale"}, "GRAPH_STALE: the captured CUDA graph gives the outputs of another"),
        ({"replay_values": "wrong"}, "GRAPH_DIFFERS: outputs of the captured CUDA graph are off"),
        ({"graph_kernels": 0}, "GRAPH_EMPTY: the captured CUDA graph holds no kernel"),
        ({"failure": {"at": "load"}}, "MEASURE_FAILED: failed at load (scripted)"),
        ({"failure": {"at": "capture"}}, "GRAPH_CAPTURE_FAILED: failed at capture (scripted)"),
        ({"failure": {"at": "query", "query": 1}}, "MEASURE_FAILED: failed at query (scripted)"),
        (
            {"inputs": [{"name": "ids", "dtype": "int64", "shape": [1, 8]}]},
            "MEASURE_FAILED: input ids is int64 (1, 8), which holds no images",
        ),
    ],
)
def test_an_arm_that_cannot_be_trusted_is_refused(loaded, script, reason):
    with pytest.raises(MeasureError) as caught:
        loaded(**script)
    assert f"{caught.value.code}: {caught.value}".startswith(reason)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("l2", ["warm", "rotated"])
@pytest.mark.parametrize("graph", ["capture", "own", "none"])
def test_a_block_on_zeros_is_apart_and_leaves_the_arm_as_it_was(loaded, graph, l2):
    series = {"gpu_compute_ms": 1.0, "enqueue_ms": 0.1, "host_wall_ms": 1.1, "h2d_ms": 0.4, "d2h_ms": 0.1}
    arm = loaded({"block_ms": 100, "l2": l2}, series=series, graph=graph, constant_inputs_factor=0.9)
    before = arm.block()
    arm.fill_constants()
    on_zeros = arm.constant_block()
    arm.restore_inputs()
    assert on_zeros == {"gpu_compute_ms": (0.9,) * len(on_zeros["gpu_compute_ms"])}
    assert 50 <= sum(on_zeros["gpu_compute_ms"]) <= 80
    assert arm.block() == before


@pytest.mark.parametrize("factor", [1.0, 0.9])
def test_scripted_times_follow_the_inputs_only_if_the_script_says_so(loaded, factor):
    arm = loaded(constant_inputs_factor=factor)
    arm.fill_constants()
    assert set(arm.constant_block()["gpu_compute_ms"]) == {factor}


@pytest.mark.parametrize("l2", ["warm", "rotated"])
def test_inputs_that_are_not_restored_fail_the_arm(loaded, monkeypatch, l2):
    arm = loaded({"l2": l2})
    upload = ScriptedDevice.upload

    def lose_images(device, tensor, values):
        upload(device, tensor, values * 0)

    monkeypatch.setattr(ScriptedDevice, "upload", lose_images)
    arm.fill_constants()
    with pytest.raises(MeasureError, match=r"^outputs of the captured CUDA graph are off") as caught:
        arm.restore_inputs()
    assert caught.value.code == Code.GRAPH_DIFFERS


def test_a_set_that_is_not_restored_fails_the_arm(loaded, monkeypatch):
    arm = loaded({"l2": "rotated"})
    arm.fill_constants()
    uploads, upload = count(), ScriptedDevice.upload

    def lose_the_second(device, tensor, values):
        upload(device, tensor, values * (next(uploads) != 1))

    monkeypatch.setattr(ScriptedDevice, "upload", lose_the_second)
    with pytest.raises(MeasureError) as caught:
        arm.restore_inputs()
    assert caught.value.code == Code.GRAPH_DIFFERS


AT_LEAST = "Input should be greater than or equal to"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("series: {h2d_ms: 1.0}", "field series: needs gpu_compute_ms or host_wall_ms"),
        ("series: {gpu_compute_ms: 1.0}\nspeed: 3", "field speed: Extra inputs are not permitted, got 3"),
        ("- [", "line 1, column 4: expected the node content, but found '<stream end>'"),
        ("3", "Input should be a valid dictionary or instance of Script, got 3"),
        ("failure: {at: load}", "field series: Field required"),
        (
            "series: {gpu_compute_ms: -1}",
            f"field series.gpu_compute_ms.number: {AT_LEAST} 0.001, got -1",
        ),
        (
            "series: {gpu_compute_ms: {median_ms: -1}}",
            f"field series.gpu_compute_ms.mapping.median_ms: {AT_LEAST} 0.001, got -1",
        ),
        (
            "series: {gpu_compute_ms: .inf}",
            "field series.gpu_compute_ms.number: Input should be a finite number, got inf",
        ),
        (
            "series: {gpu_compute_ms: {median_ms: 1.0e-12}}",
            f"field series.gpu_compute_ms.mapping.median_ms: {AT_LEAST} 0.001, got 1e-12",
        ),
        (
            "series: {gpu_compute_ms: {median_ms: 1, noise: .nan}}",
            "field series.gpu_compute_ms.mapping.noise: Input should be a finite number, got nan",
        ),
        (
            "series: {gpu_compute_ms: 1}\nconstant_inputs_factor: 1.0e-9",
            f"field constant_inputs_factor: {AT_LEAST} 0.001, got 1e-09",
        ),
        (
            "series: {gpu_compute_ms: 1}\ninputs: [{name: x, dtype: float99, shape: [2, 8]}]",
            "field inputs.0.dtype: Input should be 'float32', 'float16', 'bfloat16', 'float64', 'int64', "
            "'int32', 'int8', 'uint8' or 'bool', got 'float99'",
        ),
        ("series: {gpu_compute_ms: 1}\ninputs: []", "field inputs: Tuple should have at least 1 item"),
        (
            "series: {gpu_compute_ms: 1}\noutputs: [{name: y, dtype: float32, shape: [0, 3]}]",
            "field outputs.0.shape.0: Input should be greater than 0, got 0",
        ),
        (
            "series: {gpu_compute_ms: 1}\noutputs: [{name: y, dtype: float32, shape: [5, 3]}]",
            "field outputs: y has 5 rows, into which the 384 values of image cannot be split",
        ),
        (
            "series: {gpu_compute_ms: 1}\ninputs: [{name: x, dtype: float32, shape: [70000, 70000]}]",
            "field inputs.0.shape: (70000, 70000) has more than 268435456 values",
        ),
        (
            "series: {gpu_compute_ms: 1}\nfailure: {at: query, how: kill, signal: 999}",
            "field failure.signal: Input should be less than or equal to 31, got 999",
        ),
        (
            "series: {gpu_compute_ms: 2024-13-45}",
            "line 1, column 26: '2024-13-45' cannot be read as timestamp",
        ),
        pytest.param(
            f"seed: {'9' * 5000}", f"line 1, column 7: '{'9' * 39} cannot be read as int", id="digits"
        ),
        pytest.param("[" * 5000, "invalid YAML: lists and mappings are nested too deeply", id="brackets"),
        (
            "series: {gpu_compute_ms: 1}\ninputs: {2024-01-01: 1}",
            "field inputs: Input should be a valid tuple, got {datetime",
        ),
        (
            "series: {gpu_compute_ms: [1, x]}",
            "field series.gpu_compute_ms.list.1: Input should be a valid number, unable",
        ),
        (
            "series: {gpu_ms: 1}",
            "field series.gpu_ms.[key]: Input should be 'gpu_compute_ms', 'enqueue_ms', 'host_wall_ms', "
            "'h2d_ms' or 'd2h_ms', got 'gpu_ms'",
        ),
        ("series: {gpu_compute_ms: 1}\nfailure: {how: kill}", "field failure.at: Field required"),
        (
            "series: {gpu_compute_ms: 1}\ngraph_kernels: 1.5",
            "field graph_kernels: Input should be a valid integer, got a number with a fractional part",
        ),
        (
            "series: {gpu_compute_ms: 1}\nseed: -1",
            f"field seed: {AT_LEAST} 0, got -1",
        ),
        (
            "series: {gpu_compute_ms: [1, 2, 3]}\nversion: [1, 2]",
            "field version: Input should be a valid string, got [1, 2]",
        ),
    ],
)
def test_a_damaged_script_is_reported_with_path_field_and_value(tmp_path, text, words):
    path = tmp_path / "script.yaml"
    path.write_text(text, encoding="utf-8")
    arm = ArmSpec(
        label="arm", runtime="fake", recipe=None, export=None, artifact=str(path), artifact_sha256=None
    )
    with ExitStack() as stack, pytest.raises(MeasureError, match=f"script {path}: ") as caught:
        load(Job(arm=arm, bench=BENCH, process=0), stack)
    shown = str(caught.value)
    assert shown.removeprefix(f"script {path}: ").startswith(words)
    assert "\n" not in shown
    assert "pydantic" not in shown


def test_times_that_drift_below_the_shortest_stay_there(tmp_path):
    path = tmp_path / "script.yaml"
    path.write_text("series: {gpu_compute_ms: {median_ms: 1, drift_per_s: -1000}}", encoding="utf-8")
    device = open_device(
        ArmSpec(
            label="arm", runtime="fake", recipe=None, export=None, artifact=str(path), artifact_sha256=None
        ),
        0,
    )
    query = Query(lambda: None)
    assert device.time_queries(cycle([query]), 3)[1:] == [SHORTEST_MS, SHORTEST_MS]


def test_a_binary_script_is_reported(tmp_path):
    path = tmp_path / "script.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    arm = ArmSpec(
        label="arm", runtime="fake", recipe=None, export=None, artifact=str(path), artifact_sha256=None
    )
    with ExitStack() as stack, pytest.raises(MeasureError, match=f"script {path}: invalid YAML: .*utf-8"):
        load(Job(arm=arm, bench=BENCH, process=0), stack)


def test_a_missing_script_is_reported(tmp_path):
    arm = ArmSpec(
        label="arm", runtime="fake", recipe=None, export=None, artifact="/no/script", artifact_sha256=None
    )
    with ExitStack() as stack, pytest.raises(MeasureError, match="script /no/script: No such file"):
        load(Job(arm=arm, bench=BENCH, process=0), stack)


def _text_encoder(path):
    """Embed the tokens ``ids``, keep those of ``mask``, scale by ``t``; a second output is constant."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("Cast", ["mask"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["e", "m"], ["kept"]),
        helper.make_node("Mul", ["kept", "t"], ["y"]),
        helper.make_node("Shape", ["ids"], ["shape"]),
    ]
    inputs = [("ids", TensorProto.INT64, [2, 8]), ("mask", TensorProto.BOOL, [2, 8, 1])]
    inputs.append(("t", TensorProto.FLOAT, []))
    outputs = [("y", TensorProto.FLOAT, [2, 8, 4]), ("shape", TensorProto.INT64, [2])]
    table = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        [numpy_helper.from_array(table, "table")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return arm_of_onnx("text", path, "onnxruntime-cpu").builds[0]


def test_integer_and_scalar_inputs_and_a_constant_output(tmp_path):
    arm = _text_encoder(tmp_path / "m.onnx")
    inputs = (InputValues(input="ids", low=0, high=99), InputValues(input="mask", low=1, high=1))
    with ExitStack() as stack:
        timed = load(Job(arm=arm, bench=BENCH.model_copy(update={"inputs": inputs}), process=0), stack)
        assert timed.block()["host_wall_ms"]
        timed.fill_constants()
        timed.restore_inputs()
    with ExitStack() as stack, pytest.raises(MeasureError, match="--input ids=LOW:HIGH"):
        load(Job(arm=arm, bench=BENCH, process=0), stack)
