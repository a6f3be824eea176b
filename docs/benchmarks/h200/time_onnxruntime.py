"""Time whole Vision Transformers in onnxruntime on CUDA, and list the nodes that it runs.

    python docs/benchmarks/h200/time_onnxruntime.py onnxruntime_models.json

Needs one NVIDIA GPU, torch 2.11 or later, timm, onnx and onnxruntime-gpu. Files are those of
``time_models.py``; an operation is a node of the graph as onnxruntime optimised it, and ``us`` is of its own
CUDA graph.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from arguments import check_gpu, parser
from time_models import burst, model_and_images, write_models

MODELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vit_tiny_patch16_224", {}),
    ("vit_small_patch16_224", {}),
    ("vit_base_patch16_224", {}),
    ("vit_base_patch32_224", {}),
    ("vit_large_patch16_224", {}),
    ("vit_base_patch16_224", {"depth": 6, "embed_dim": 512, "num_heads": 8}),
)
NO_KERNEL = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape")


class Bound:
    """A session bound to memory; ``replay`` launches one query on a stream of torch's."""

    def __init__(self, path: Path, images: torch.Tensor, classes: int, stream: Any) -> None:
        provider = {"user_compute_stream": str(stream.cuda_stream), "enable_cuda_graph": "1"}
        self._session = onnxruntime.InferenceSession(
            str(path), providers=[("CUDAExecutionProvider", provider)]
        )
        self._output = torch.empty(images.shape[0], classes, device="cuda", dtype=torch.float16)
        self._binding = self._session.io_binding()
        for name, tensor, bind in (
            (self._session.get_inputs()[0].name, images, self._binding.bind_input),
            (self._session.get_outputs()[0].name, self._output, self._binding.bind_output),
        ):
            bind(name, "cuda", 0, onnx.TensorProto.FLOAT16, list(tensor.shape), tensor.data_ptr())
        self._options = onnxruntime.RunOptions()
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")

    def replay(self) -> None:
        """Launch one query."""
        self._session.run_with_iobinding(self._binding, self._options)


def nodes_of(path: Path, images: torch.Tensor, folder: Path) -> list[dict[str, Any]]:
    """The nodes that run, in order, with the shapes that they saw."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CUDAExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: images.cpu().numpy()})
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    graph = onnx.load(str(folder / "optimised.onnx"), load_external_data=False).graph
    nodes = {node.name: node for node in graph.node}
    weights = {each.name for each in graph.initializer}
    numbers: dict[str, int] = {}
    found = []
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            node = nodes[event["name"].removesuffix("_kernel_time")]
            if node.op_type not in NO_KERNEL:
                shown = event["args"]
                inputs = described(node.input, shown["input_type_shape"], weights, numbers)
                outputs = described(node.output, shown["output_type_shape"], weights, numbers)
                found.append({"op": node.op_type, "inputs": inputs, "outputs": outputs})
    return found


def described(
    names: Any, shown: list[dict[str, list[int]]], weights: set[str], numbers: dict[str, int]
) -> list[list[Any]]:
    """Of each tensor: a number for its name, shape, element type, and whether it is a weight."""
    present = [name for name in names if name]
    rows = []
    for name, entry in zip(present, shown, strict=False):
        ((kind, shape),) = entry.items()
        rows.append([numbers.setdefault(name, len(numbers)), shape, kind, name in weights])
    return rows


def time_model(name: str, overrides: dict[str, Any], batch: int, gpu: Any) -> dict[str, Any]:
    """One model at one batch."""
    torch.manual_seed(0)
    model, images = model_and_images(name, overrides, batch)
    with tempfile.TemporaryDirectory() as word, torch.inference_mode():
        folder = Path(word)
        path = folder / "model.onnx"
        torch.onnx.export(model, (images,), str(path), opset_version=18, dynamo=False)
        operations = nodes_of(path, images, folder)
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            bound = Bound(path, images, model.num_classes, stream)
            for _ in range(3):
                bound.replay()
            torch.cuda.synchronize()
            us, clock = burst(bound, gpu)
    return {
        "model": name, "overrides": overrides, "batch": batch, "img_size": images.shape[-1], "us": us,
        "clock_mhz": clock, "onnxruntime": onnxruntime.__version__, "operations": operations,
    }  # fmt: skip


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("file", type=Path)
    file = arguments.parse_args().file
    check_gpu()
    write_models(file, MODELS, time_model)
