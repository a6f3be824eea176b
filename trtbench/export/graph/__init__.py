"""What is done to the ONNX graph, whatever the recipe."""
