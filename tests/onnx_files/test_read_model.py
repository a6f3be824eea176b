"""The one reader of ONNX files: what it takes, and how it refuses."""

from pathlib import Path

import onnx
import pytest
from attacks.onnx_mutants import small_model
from attacks.onnx_traps import TRAPS

from trtbench.errors import ArtifactError
from trtbench.onnx_files import read_model
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
