"""One concern: the graph has one input and its outputs, under the names that we promise."""

from collections.abc import Sequence

import onnx

from trtbench.export.graph.names import rename_tensors


def with_interface(model: onnx.ModelProto, input_name: str, output_names: Sequence[str]) -> onnx.ModelProto:
    """Name input and outputs, and drop inputs that are weights: ModelOpt lists those of NVFP4 as both."""
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    inputs_proto = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in inputs]
    del graph.input[:]
    graph.input.extend(inputs_proto)
    renamed = {graph.input[0].name: input_name}
    renamed |= {value.name: name for value, name in zip(graph.output, output_names, strict=True)}
    rename_tensors(graph, renamed)
    for value in (graph.input[0], *graph.output):
        value.name = renamed[value.name]
    return model
