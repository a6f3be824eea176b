"""The one reader of ONNX files: what it takes, and how it refuses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from attacks.onnx_mutants import small_model
from attacks.onnx_traps import TRAPS

from trtbench.errors import ArtifactError
from trtbench.onnx_files import read_model
from trtbench.onnx_files.external import external_files
from trtbench.onnx_files.functions import inline_functions

SOUND = {
    "branches_in_branches",
    "endless_loop",
    "long_names",
    "many_fields",
    "names_that_act_on_terminals",
    *(name for name in TRAPS if name.startswith("large_")),
}
"""Traps that only spring when the graph is analysed or shown."""


@pytest.mark.parametrize("name", sorted(set(TRAPS) - SOUND))
def test_every_trap_is_an_error_of_one_line(name: str, tmp_path: Path) -> None:
    TRAPS[name](tmp_path)
    with pytest.raises(ArtifactError) as refused:
        inline_functions(read_model(tmp_path / "m.onnx", "all"))
    assert str(refused.value).startswith(str(tmp_path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("weights", ["none", "inside", "all"])
def test_a_sound_model_is_read_as_onnx_reads_it(weights: str, tmp_path: Path) -> None:
    onnx.save(small_model(), tmp_path / "m.onnx")
    model = read_model(tmp_path / "m.onnx", weights)  # type: ignore[arg-type]
    assert model.graph.node == small_model().graph.node
    kept = [tensor for tensor in small_model().graph.initializer if weights != "none" or tensor.name != "w"]
    assert [each for each in model.graph.initializer if each in kept] == kept


def test_nodes_may_stand_in_any_order(tmp_path: Path) -> None:
    model = small_model()
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in reversed(model.graph.node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, tmp_path / "m.onnx")
    assert read_model(tmp_path / "m.onnx").graph.node[0].op_type == "Twice"


def test_a_body_may_read_what_surrounds_it_and_no_cycle_leads_through_it(tmp_path: Path) -> None:
    model = small_model()
    (branch,) = (node for node in model.graph.node if node.op_type == "If")
    branch.attribute[0].g.node[0].input[0] = "y"
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match="a cycle"):
        read_model(tmp_path / "m.onnx")


def with_constant(folder: Path, value: float, kind: int, outside: bool = False) -> Path:
    """A model with a constant of 128 zeros but for one value; ``outside``: in another file."""
    array = np.zeros(128, np.float64)
    array[77] = value
    tensor = onnx.helper.make_tensor("own", kind, (2, 64), array.tolist())
    raw = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), "own")
    model = small_model()
    model.graph.initializer.append(raw if outside else tensor)
    onnx.save(model, folder / "m.onnx", save_as_external_data=outside, location="w.bin", size_threshold=0)
    return folder / "m.onnx"


@pytest.mark.parametrize("dtype", ["FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 3.0])
def test_weights_that_are_not_finite_are_refused(value: float, dtype: str, tmp_path: Path) -> None:
    kind: int = onnx.TensorProto.DataType.Value(dtype)
    path = with_constant(tmp_path, value, kind)
    if value in (3.0, float("-inf")):  # a mask has zeros and -inf alone
        assert read_model(path).graph.initializer[-1].data_type == kind
        return
    with pytest.raises(ArtifactError, match=r"m.onnx: 1 of 128 values of tensor 'own' are infinite or not"):
        read_model(path)


def test_minus_infinity_among_weights_is_refused(tmp_path: Path) -> None:
    model = small_model()
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, -np.inf], np.float32), "own"))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match="1 of 2 values of tensor 'own'"):
        read_model(tmp_path / "m.onnx")


def test_weights_in_another_file_are_looked_at_where_they_are_needed(tmp_path: Path) -> None:
    path = with_constant(tmp_path, float("nan"), onnx.TensorProto.FLOAT, outside=True)
    model = read_model(path)
    with pytest.raises(ArtifactError, match="1 of 128 values of tensor 'own'"):
        external_files(path, model)
    with pytest.raises(ArtifactError, match="1 of 128 values of tensor 'own'"):
        read_model(path, "all")


def read_with(folder: Path, change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    model = small_model()
    change(model)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return read_model(folder / "m.onnx")


def test_what_names_a_graph_twice_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"2 constants have the name 'k'"):
        read_with(tmp_path, lambda model: model.graph.initializer.add().CopyFrom(constant_of(model, "k")))
    with pytest.raises(ArtifactError, match=r"'s' is given and computed, too"):
        read_with(tmp_path, lambda model: setattr(constant_of(model, "k"), "name", "s"))


def test_an_input_that_an_operator_needs_may_not_be_left_out(tmp_path: Path) -> None:
    def leave_out(model: onnx.ModelProto) -> None:
        next(node for node in model.graph.node if node.op_type == "Conv").input[1] = ""

    with pytest.raises(ArtifactError, match=r"\(Conv\) has 2 inputs, not 2 to 3"):
        read_with(tmp_path, leave_out)


def test_a_constant_may_be_empty(tmp_path: Path) -> None:
    empty = onnx.numpy_helper.from_array(np.zeros((0, 4), np.float32), "own")
    assert (
        read_with(tmp_path, lambda model: model.graph.initializer.append(empty)).graph.initializer[-1]
        == empty
    )


def constant_of(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def test_the_first_opset_is_one_and_opset_0_is_none(tmp_path: Path) -> None:
    identity = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1,)) for name in "xy"]
    graph = onnx.helper.make_graph([identity], "g", value[:1], value[1:])
    for opset in (1, 0):
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
        (tmp_path / f"{opset}.onnx").write_bytes(model.SerializeToString())
    assert read_model(tmp_path / "1.onnx").graph.node[0].op_type == "Relu"
    with pytest.raises(ArtifactError, match="has opset 0"):
        read_model(tmp_path / "0.onnx")
