"""ONNX models made to hang a reader, to fill its memory, or to make it read elsewhere."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attacks.onnx_mutants import OPSETS, small_model
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

Trap = Callable[[Path], None]
"""Writes ``m.onnx`` into a folder, and whatever it leads to."""

_FLOAT = TensorProto.FLOAT


def _model(nodes: list[NodeProto], constants: dict[str, Any] | None = None, **fields: Any) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "trap",
        [helper.make_tensor_value_info("x", _FLOAT, (2, 4))],
        [helper.make_tensor_value_info("y", _FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=10, **fields)


def _save(folder: Path, model: ModelProto) -> None:
    (folder / "m.onnx").write_bytes(model.SerializeToString())


def cycle(folder: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("MatMul", ["a", "a"], ["b"])]
    _save(folder, _model([*nodes, helper.make_node("MatMul", ["b", "x"], ["y"])]))


def _calling(name: str, *called: str) -> Any:
    nodes = [helper.make_node(each, ["a"], [f"r{index}"], domain="own") for index, each in enumerate(called)]
    nodes.append(helper.make_node("Sum", [f"r{index}" for index in range(len(called))] or ["a"], ["r"]))
    return helper.make_function("own", name, ["a"], ["r"], nodes, OPSETS)


def function_that_calls_itself(folder: Path) -> None:
    call = helper.make_node("F", ["x"], ["y"], domain="own")
    _save(folder, _model([call], functions=[_calling("F", "F")]))


def functions_that_call_each_other(folder: Path) -> None:
    call = helper.make_node("F", ["x"], ["y"], domain="own")
    _save(folder, _model([call], functions=[_calling("F", "G"), _calling("G", "F")]))


def functions_that_double(folder: Path) -> None:
    """2**60 nodes from sixty functions."""
    functions = [_calling(f"F{index}", f"F{index + 1}", f"F{index + 1}") for index in range(60)]
    call = helper.make_node("F0", ["x"], ["y"], domain="own")
    _save(folder, _model([call], functions=[*functions, _calling("F60")]))


def functions_nested_deeply(folder: Path) -> None:
    functions = [_calling(f"F{index}", f"F{index + 1}") for index in range(3000)]
    call = helper.make_node("F0", ["x"], ["y"], domain="own")
    _save(folder, _model([call], functions=[*functions, _calling("F3000")]))


def function_in_its_own_branch(folder: Path) -> None:
    branch = helper.make_graph(
        [helper.make_node("F", ["a"], ["o"], domain="own")],
        "branch",
        [],
        [helper.make_tensor_value_info("o", _FLOAT, None)],
    )
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["c"], ["r"], then_branch=branch, else_branch=branch),
    ]
    call = helper.make_node("F", ["x"], ["y"], domain="own")
    _save(folder, _model([call], functions=[helper.make_function("own", "F", ["a"], ["r"], nodes, OPSETS)]))


def _nested(depth: int) -> GraphProto:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["o"])], "g", [], [helper.make_tensor_value_info("o", _FLOAT, None)]
    )
    for _ in range(depth):
        node = helper.make_node("If", ["yes"], ["o"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("o", _FLOAT, None)])
    return graph


def branches_in_branches(folder: Path) -> None:
    branch = _nested(9)
    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    _save(folder, _model([node], {"yes": np.array(True)}))


def branches_nested_beyond_protobuf(folder: Path) -> None:
    """Lengths around a body, as often as no parser follows."""
    body = b""
    for _ in range(20_000):
        attribute = b"\x32" + _length(body) + body if len(body) < 2**20 else body[: 2**20]
        node = b"\x2a" + _length(attribute) + attribute
        body = b"\x0a" + _length(node) + node
        if len(body) > 2**18:
            break
    graph = b"\x3a" + _length(body) + body
    (folder / "m.onnx").write_bytes(small_model().SerializeToString() + graph)


def _length(content: bytes) -> bytes:
    value, encoded = len(content), bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _sized(operator: str, inputs: list[str], constants: dict[str, Any]) -> Trap:
    def write(folder: Path) -> None:
        nodes = [
            helper.make_node(operator, inputs, ["big"]),
            helper.make_node("ReduceMax", ["big"], ["one"], keepdims=1),
            helper.make_node("Cast", ["one"], ["shape"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["x", "shape"], ["r"]),
            helper.make_node("MatMul", ["r", "w"], ["y"]),
        ]
        _save(folder, _model(nodes, {**constants, "w": np.ones((4, 4), np.float32)}))

    write.__name__ = f"large_{operator.lower()}"
    return write


def endless_loop(folder: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Identity", ["v"], ["v2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("c", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("v", TensorProto.INT64, (1,)),
        ],
        [
            helper.make_tensor_value_info("c2", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("v2", TensorProto.INT64, (1,)),
        ],
    )
    nodes = [
        helper.make_node("Loop", ["trips", "yes", "start"], ["shape"], body=body),
        helper.make_node("Reshape", ["x", "shape"], ["r"]),
        helper.make_node("MatMul", ["r", "r"], ["y"]),
    ]
    constants = {"trips": np.array(2**62), "yes": np.array(True), "start": np.array([-1])}
    _save(folder, _model(nodes, constants))


def _with_tensor(folder: Path, **fields: Any) -> None:
    model = _model([helper.make_node("MatMul", ["x", "w"], ["y"])])
    tensor = model.graph.initializer.add(name="w", data_type=fields.pop("kind", _FLOAT))
    tensor.dims.extend(fields.pop("dims", (4, 4)))
    if "data" in fields:
        tensor.raw_data = fields.pop("data")
    if fields:
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in fields.items():
            tensor.external_data.add(key=key, value=str(value))
    _save(folder, model)


def constant_without_data(folder: Path) -> None:
    _with_tensor(folder)


def constant_of_an_exabyte(folder: Path) -> None:
    _with_tensor(folder, dims=(2**30, 2**30), data=bytes(64))


def constant_of_negative_size(folder: Path) -> None:
    _with_tensor(folder, dims=(-4, -4), data=bytes(64))


def constant_of_unknown_type(folder: Path) -> None:
    _with_tensor(folder, kind=23, data=bytes(64))


def constant_of_text(folder: Path) -> None:
    _with_tensor(folder, kind=TensorProto.STRING, data=bytes(64))


def data_missing(folder: Path) -> None:
    _with_tensor(folder, location="gone.bin", length=64)


def data_in_a_fifo(folder: Path) -> None:
    os.mkfifo(folder / "w.bin")
    _with_tensor(folder, location="w.bin", length=64)


def data_in_a_folder(folder: Path) -> None:
    (folder / "w.bin").mkdir()
    _with_tensor(folder, location="w.bin", length=64)


def data_in_a_device(folder: Path) -> None:
    (folder / "w.bin").symlink_to("/dev/zero")
    _with_tensor(folder, location="w.bin")


def data_elsewhere(folder: Path) -> None:
    _with_tensor(folder, location="/etc/passwd", length=64)


def data_above(folder: Path) -> None:
    _with_tensor(folder, location="../../../../../../etc/passwd", length=64)


def data_behind_a_link(folder: Path) -> None:
    (folder / "w.bin").symlink_to("/etc/passwd")
    _with_tensor(folder, location="w.bin", length=64)


def data_of_an_exabyte(folder: Path) -> None:
    (folder / "w.bin").write_bytes(bytes(64))
    os.truncate(folder / "w.bin", 2**42)
    _with_tensor(folder, location="w.bin", dims=(2**19, 2**19))


def data_cut_short(folder: Path) -> None:
    (folder / "w.bin").write_bytes(bytes(60))
    _with_tensor(folder, location="w.bin", length=64)


def data_before_the_file(folder: Path) -> None:
    (folder / "w.bin").write_bytes(bytes(64))
    _with_tensor(folder, location="w.bin", offset=-64, length=64)


def data_with_words_for_numbers(folder: Path) -> None:
    (folder / "w.bin").write_bytes(bytes(64))
    _with_tensor(folder, location="w.bin", offset="many", length="few")


def data_named_with_nul(folder: Path) -> None:
    _with_tensor(folder, location="w\0.bin", length=64)


def data_with_a_long_name(folder: Path) -> None:
    _with_tensor(folder, location="w" * 100_000, length=64)


def opset_of_the_future(folder: Path) -> None:
    model = small_model()
    model.opset_import[0].version = 10**9
    _save(folder, model)


def opset_below_zero(folder: Path) -> None:
    model = small_model()
    model.opset_import[0].version = -(2**63)
    _save(folder, model)


def no_opset(folder: Path) -> None:
    model = small_model()
    del model.opset_import[:]
    _save(folder, model)


def names_that_are_no_text(folder: Path) -> None:
    content = small_model().SerializeToString().replace(b"/Reshape", b"\xff\xfeshape")
    (folder / "m.onnx").write_bytes(content)


def names_that_act_on_terminals(folder: Path) -> None:
    model = small_model()
    for node in model.graph.node:
        node.name += "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m[/b]"
    model.graph.node[4].op_type = "\x1b[31mRed\nmond"
    _save(folder, model)


def long_names(folder: Path) -> None:
    model = small_model()
    for node in model.graph.node:
        node.name += "n" * 200_000
    model.graph.node[4].op_type = "o" * 200_000
    _save(folder, model)


def nothing(folder: Path) -> None:
    (folder / "m.onnx").write_bytes(b"")


def text(folder: Path) -> None:
    (folder / "m.onnx").write_text("ir_version: 10\ngraph { }\n", encoding="utf-8")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "m.onnx")


def device(folder: Path) -> None:
    (folder / "m.onnx").symlink_to("/dev/zero")


def sparse_file(folder: Path) -> None:
    (folder / "m.onnx").write_bytes(small_model().SerializeToString())
    os.truncate(folder / "m.onnx", 2**40)


def zeros(folder: Path) -> None:
    (folder / "m.onnx").write_bytes(bytes(2**20))


def many_fields(folder: Path) -> None:
    """More empty fields than any model has."""
    (folder / "m.onnx").write_bytes(small_model().SerializeToString() + b"\x4a\x00" * 1_100_000)


TRAPS: dict[str, Trap] = {
    trap.__name__: trap
    for trap in (
        cycle,
        function_that_calls_itself,
        functions_that_call_each_other,
        functions_that_double,
        functions_nested_deeply,
        function_in_its_own_branch,
        branches_in_branches,
        branches_nested_beyond_protobuf,
        _sized("ConstantOfShape", ["n"], {"n": np.array([2**40])}),
        _sized("Expand", ["one_", "n"], {"one_": np.ones(1, np.float32), "n": np.array([2**20, 2**20])}),
        _sized("Tile", ["one_", "n"], {"one_": np.ones(1, np.float32), "n": np.array([2**40])}),
        _sized("Range", ["a", "n", "b"], {"a": np.array(0), "n": np.array(2**50), "b": np.array(1)}),
        _sized("OneHot", ["a", "n", "v"], {"a": np.array([0]), "n": np.array(2**40), "v": np.array([0, 1])}),
        _sized("Pad", ["one_", "n"], {"one_": np.ones(1, np.float32), "n": np.array([0, 2**40])}),
        endless_loop,
        constant_without_data,
        constant_of_an_exabyte,
        constant_of_negative_size,
        constant_of_unknown_type,
        constant_of_text,
        data_missing,
        data_in_a_fifo,
        data_in_a_folder,
        data_in_a_device,
        data_elsewhere,
        data_above,
        data_behind_a_link,
        data_of_an_exabyte,
        data_cut_short,
        data_before_the_file,
        data_with_words_for_numbers,
        data_named_with_nul,
        data_with_a_long_name,
        opset_of_the_future,
        opset_below_zero,
        no_opset,
        names_that_are_no_text,
        names_that_act_on_terminals,
        long_names,
        nothing,
        text,
        fifo,
        device,
        sparse_file,
        zeros,
        many_fields,
    )
}
