"""One concern: the graph has one input and one output, under the names that we promise."""

import onnx

from trtbench.export.graph.names import rename_tensors


def with_interface(model: onnx.ModelProto, input_name: str, output_name: str) -> onnx.ModelProto:
    """Name input and output, and drop inputs that are weights: ModelOpt lists those of NVFP4 as both."""
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    inputs_proto = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in inputs]
    del graph.input[:]
    graph.input.extend(inputs_proto)
    renamed = {graph.input[0].name: input_name, graph.output[0].name: output_name}
    rename_tensors(graph, renamed)
    graph.input[0].name, graph.output[0].name = input_name, output_name
    return model
