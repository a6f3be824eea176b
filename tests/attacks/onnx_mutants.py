"""Mutated ONNX models: each follows from its kind and its seed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from onnx import ModelProto, TensorProto, helper, numpy_helper

_EXTREME_INTEGERS = (-1, 0, 1, 7, 2**31 - 1, 2**31, 2**40, 2**62, -(2**63))
_EXTREME_TEXTS = ("", "\0", "x" * 5000, "../../etc/passwd", "\x1b]0;owned\x07", "x[/b]", "\u202egnp.exe", "/")


def small_model() -> ModelProto:
    """A patch embedding, a reshape by computed shapes, a quantised layer, and a branch."""
    constants = {
        "w": np.ones((8, 3, 4, 4), np.float32),
        "two": np.array([0, 0, -1], np.int64)[:2],
        "rest": np.array([-1], np.int64),
        "scale": np.float32(0.1),
        "zero": np.int8(0),
        "k": np.ones((16, 5), np.float32),
        "yes": np.array(True),
    }
    branch = [
        helper.make_graph(
            [helper.make_node(kind, ["m"], [f"o_{kind}"])],
            kind,
            [],
            [helper.make_tensor_value_info(f"o_{kind}", TensorProto.FLOAT, None)],
        )
        for kind in ("Relu", "Neg")
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "/patch_embed/proj/Conv", strides=[4, 4]),
        helper.make_node("Shape", ["c"], ["s"], "/Shape"),
        helper.make_node("Slice", ["s", "from", "to"], ["s2"], "/Slice"),
        helper.make_node("Concat", ["s2", "rest"], ["target"], "/Concat", axis=0),
        helper.make_node("Reshape", ["c", "target"], ["t"], "/Reshape"),
        helper.make_node("QuantizeLinear", ["t", "scale", "zero"], ["q"], "/blocks.0/mlp/fc1/Quantize"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], "/blocks.0/mlp/fc1/Dequantize"),
        helper.make_node("MatMul", ["d", "k"], ["m"], "/blocks.0/mlp/fc1/MatMul"),
        helper.make_node("If", ["yes"], ["b"], "/If", then_branch=branch[0], else_branch=branch[1]),
        helper.make_node("Twice", ["b"], ["y"], "/Twice", domain="own"),
    ]
    del constants["two"]
    constants |= {"from": np.array([0], np.int64), "to": np.array([2], np.int64)}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3, 16, 16))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 8, 5))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    twice = helper.make_function(
        "own", "Twice", ["a"], ["r"], [helper.make_node("Add", ["a", "a"], ["r"])], OPSETS[:1]
    )
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=10, functions=[twice])


OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
Mutate = Callable[[ModelProto, Random], bytes]


def _flip_bytes(model: ModelProto, random: Random) -> bytes:
    data = bytearray(model.SerializeToString())
    for _ in range(random.randint(1, 8)):
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)


def _cut(model: ModelProto, random: Random) -> bytes:
    data = model.SerializeToString()
    return data[: random.randrange(len(data))]


def _splice(model: ModelProto, random: Random) -> bytes:
    """Remove, repeat or move a part."""
    data = model.SerializeToString()
    start, end = sorted(random.sample(range(len(data)), 2))
    end = min(end, start + 200)
    part = random.choice((b"", data[start:end] * 2, data[start:end][::-1]))
    return data[:start] + part + data[end:]


def _clear_field(model: ModelProto, random: Random) -> bytes:
    for _ in range(random.randint(1, 3)):
        message = random.choice(list(_messages(model)))
        fields = message.ListFields()
        if fields:
            message.ClearField(random.choice(fields)[0].name)
    return model.SerializePartialToString()


def _set_extreme(model: ModelProto, random: Random) -> bytes:
    for _ in range(random.randint(1, 3)):
        message = random.choice([each for each in _messages(model) if each.DESCRIPTOR.fields])
        _set(message, random.choice(list(message.DESCRIPTOR.fields)), random)
    return model.SerializePartialToString()


def _set(message: Message, field: FieldDescriptor, random: Random) -> None:
    values: dict[Any, Any] = {
        FieldDescriptor.CPPTYPE_INT64: random.choice(_EXTREME_INTEGERS),
        FieldDescriptor.CPPTYPE_INT32: random.choice(_EXTREME_INTEGERS[:5]),
        FieldDescriptor.CPPTYPE_UINT64: random.choice(_EXTREME_INTEGERS[1:8]),
        FieldDescriptor.CPPTYPE_FLOAT: random.choice((float("nan"), float("inf"), -1e38)),
        FieldDescriptor.CPPTYPE_DOUBLE: float("nan"),
        FieldDescriptor.CPPTYPE_ENUM: random.choice(field.enum_type.values).number if field.enum_type else 0,
        FieldDescriptor.CPPTYPE_STRING: random.choice(_EXTREME_TEXTS),
    }
    value = values.get(field.cpp_type)
    if value is None:
        return
    if field.type == FieldDescriptor.TYPE_BYTES:
        value = str(value).encode("utf-8", errors="replace")
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _repeat_message(model: ModelProto, random: Random) -> bytes:
    """Duplicate names, outputs written twice, a second definition of a function."""
    lists = [
        values
        for message in _messages(model)
        for field, values in message.ListFields()
        if field.is_repeated and field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
    ]
    values = random.choice(lists)
    values.add().CopyFrom(random.choice(list(values)))
    return model.SerializeToString()


def _swap_names(model: ModelProto, random: Random) -> bytes:
    """Wire tensors at random: cycles, unknown names, results that nobody makes."""
    nodes = list(model.graph.node)
    names = [name for node in nodes for name in (*node.input, *node.output)]
    for _ in range(random.randint(1, 3)):
        node = random.choice(nodes)
        side = random.choice((node.input, node.output))
        if side:
            side[random.randrange(len(side))] = random.choice(names)
    return model.SerializeToString()


def _resize(model: ModelProto, random: Random) -> bytes:
    """Huge, negative and missing dimensions of constants, inputs and outputs."""
    tensor = random.choice(list(model.graph.initializer))
    value = random.choice((*model.graph.input, *model.graph.output))
    dims = value.type.tensor_type.shape.dim
    if random.random() < 0.5:
        tensor.dims.append(random.choice(_EXTREME_INTEGERS))
    if random.random() < 0.7 and dims:
        random.choice(list(dims)).dim_value = random.choice(_EXTREME_INTEGERS)
    if random.random() < 0.2:
        tensor.ClearField("raw_data")
    return model.SerializeToString()


def _change_operator(model: ModelProto, random: Random) -> bytes:
    node = random.choice(list(model.graph.node))
    operators = [schema.name for schema in onnx.defs.get_all_schemas()]
    node.op_type = random.choice(operators)
    if random.random() < 0.3:
        node.domain = random.choice(("trt", "own", "com.microsoft", "ai.onnx.ml"))
    return model.SerializeToString()


MUTATIONS: dict[str, Mutate] = {
    mutate.__name__.strip("_"): mutate
    for mutate in (
        _flip_bytes,
        _cut,
        _splice,
        _clear_field,
        _set_extreme,
        _repeat_message,
        _swap_names,
        _resize,
        _change_operator,
    )
}


def mutant(kind: str, seed: int) -> bytes:
    """The model of this kind and seed."""
    return MUTATIONS[kind](small_model(), Random(f"{kind} {seed}"))  # noqa: S311 (reproducible)


def _messages(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                yield from _messages(inner)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
