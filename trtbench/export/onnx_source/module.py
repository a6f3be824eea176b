"""A torch model that runs the nodes of a graph, nested in modules as their paths say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import onnx_ir as ir
import torch
from torch import Tensor, nn

from trtbench.export.onnx_source.inputs import operands, shape_of
from trtbench.export.onnx_source.operators import Function, function_of, linear_weights
from trtbench.export.onnx_source.spatial import convolution
from trtbench.export.passes.graph import constant

S = TypeVar("S", bound="Scope")


@dataclass(frozen=True)
class _Step:
    """One call: of a function, or of the submodule ``child``; tensors are known by name."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    function: Function | None = None
    child: str = ""


class Scope(nn.Module):
    """Runs steps in order. Constants are buffers, so that they follow the model to another type or device."""

    def __init__(self, steps: Sequence[_Step], inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self._steps, self._inputs, self._outputs = tuple(steps), tuple(inputs), tuple(outputs)
        self._constants: dict[str, str] = {}

    def add_constant(self, name: str, numbers: Tensor) -> None:
        """Keep a constant that steps read as ``name``."""
        self._constants[name] = f"constant_{len(self._constants)}"
        self.register_buffer(self._constants[name], numbers)

    def forward(self, *inputs: Tensor) -> Any:
        """Map the inputs to the output, or to all if there are several; images are outermost."""
        known = dict(zip(self._inputs, inputs, strict=True))
        known |= {name: getattr(self, buffer) for name, buffer in self._constants.items()}
        for step in self._steps:
            call: Callable[..., Any] = step.function or getattr(self, step.child)
            result = call(*[known[name] for name in step.inputs])
            results = result if isinstance(result, tuple | list) else (result,)
            known.update(zip(step.outputs, results, strict=False))
        results = tuple(known[name] for name in self._outputs)
        return results[0] if len(results) == 1 else results


class ImportedViT(Scope):
    """The whole model: images ``(B, C, H, W)`` to its first output, or to the tokens of ``feature_blocks``.

    ``image_shape`` is (C, H, W), ``num_classes`` 0 without a classifier; ``pretrained_cfg`` says how images
    are prepared, as timm has it.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    pretrained_cfg: dict[str, Any]
    feature_blocks: tuple[int, ...] | None = None


def build_module(graph: ir.Graph, paths: dict[ir.Node, str]) -> ImportedViT:
    """Make the model; a node whose path is a module of its own (Linear, norm, attention) becomes that."""
    image, output = graph.inputs[0], graph.outputs[0]
    model = _scope(ImportedViT, list(graph), paths, "", [image], list(graph.outputs))
    _, channels, height, width = shape_of(image)
    model.image_shape = (channels, height, width)
    last = output.producer()
    is_classifier = last is not None and last.op_type == "Linear" and linear_weights(last)[1] is not None
    model.num_classes = shape_of(output)[-1] if is_classifier else 0
    model.eval().requires_grad_(False)
    return model


def _scope(
    kind: type[S],
    nodes: Sequence[ir.Node],
    paths: dict[ir.Node, str],
    path: str,
    inputs: Sequence[ir.Value],
    outputs: Sequence[ir.Value],
) -> S:
    """Module at ``path`` that runs ``nodes``: its own as functions, those of deeper paths in submodules."""
    steps: list[_Step] = []
    children: dict[str, nn.Module] = {}
    constants: dict[str, Tensor] = {}
    for name, run in _runs(nodes, paths, path):
        if not name:
            steps.append(_function_step(run[0]))
            constants |= _constants_of(run[0])
            continue
        entering, leaving = _bounds(run, outputs)
        unique = _unused(name, children)
        children[unique] = _child(run, paths, f"{path}.{name}".lstrip("."), entering, leaving)
        steps.append(_Step(_names(entering), _names(leaving), child=unique))
    module = kind(steps, _names(inputs), _names(outputs))
    for name, child in children.items():
        module.add_module(name, child)
    for name, numbers in constants.items():
        module.add_constant(name, numbers)
    return module


def _function_step(node: ir.Node) -> _Step:
    return _Step(_names(operands(node)), _names(node.outputs), function_of(node))


def _constants_of(node: ir.Node) -> dict[str, Tensor]:
    pairs = ((value, constant(value)) for value in operands(node))
    return {_name(value): torch.tensor(numbers) for value, numbers in pairs if numbers is not None}


def _bounds(run: Sequence[ir.Node], outputs: Sequence[ir.Value]) -> tuple[list[ir.Value], list[ir.Value]]:
    """Tensors that enter a run of nodes, and those that leave it."""
    inside = set(run)
    read = [value for node in run for value in operands(node) if constant(value) is None]
    entering = list(dict.fromkeys(value for value in read if value.producer() not in inside))
    given = [value for node in run for value in node.outputs]
    leaving = [
        value for value in given if value in outputs or any(user not in inside for user in value.consumers())
    ]
    return entering, leaving


def _child(
    run: Sequence[ir.Node],
    paths: dict[ir.Node, str],
    path: str,
    entering: Sequence[ir.Value],
    leaving: Sequence[ir.Value],
) -> nn.Module:
    """Submodule at ``path``: a layer, or a scope."""
    layer = _layer(run[0]) if len(run) == 1 and paths[run[0]] == path else None
    return _scope(Scope, run, paths, path, entering, leaving) if layer is None else layer


def _layer(node: ir.Node) -> nn.Module | None:
    """The module of torch or timm that a node is."""
    if node.op_type == "SelfAttention":
        attention: nn.Module = node.meta["module"]
        return attention
    if node.op_type == "Gelu":
        return nn.GELU(node.attributes.get_string("approximate", "none"))
    numbers = [constant(value) for value in node.inputs[1:] if value is not None]
    if node.op_type == "Linear":
        weight, bias = linear_weights(node)
        layer: nn.Module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        tensors = [weight, bias]
    elif node.op_type == "LayerNormalization":
        epsilon = node.attributes.get_float("epsilon", 1e-5)
        layer = nn.LayerNorm(shape_of(node.inputs[1]), epsilon, bias=len(numbers) > 1)
        tensors = [torch.tensor(each) for each in numbers]
    elif node.op_type == "Conv":
        layer = convolution(node)
        tensors = [torch.tensor(each) for each in numbers]
    else:
        return None
    named = zip(("weight", "bias"), tensors, strict=False)
    layer.load_state_dict({name: tensor for name, tensor in named if tensor is not None})
    return layer


def _runs(nodes: Sequence[ir.Node], paths: dict[ir.Node, str], path: str) -> list[tuple[str, list[ir.Node]]]:
    """Consecutive nodes of one submodule, by its name; a node of the module itself alone, under no name."""
    prefix = f"{path}." if path else ""
    runs: list[tuple[str, list[ir.Node]]] = []
    for node in nodes:
        rest = paths[node].removeprefix(prefix) if paths[node] != path else ""
        name = rest.partition(".")[0]
        if name and runs and runs[-1][0] == name:
            runs[-1][1].append(node)
        else:
            runs.append((name, [node]))
    return runs


def _unused(name: str, taken: dict[str, nn.Module]) -> str:
    number = 0
    candidate = name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _names(values: Sequence[ir.Value]) -> tuple[str, ...]:
    return tuple(map(_name, values))


def _name(value: ir.Value) -> str:
    if value.name is None:
        raise ValueError("a tensor has no name")
    return value.name
