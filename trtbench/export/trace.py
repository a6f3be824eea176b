"""From a torch model to an ONNX graph whose batch is still a symbol."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from trtbench.export.features import FEATURES, feature_names
from trtbench.export.passes.fp8_attention import AttentionRange
from trtbench.export.rms_norm import traceable_rms_norm
from trtbench.results import Finding

OPSET = 20  # what ModelOpt 0.47 exports with
_INPUT, _OUTPUT = "x", "y"
LOGITS = "logits"


def output_names(model: nn.Module) -> tuple[str, ...]:
    """What the outputs are called in the exported graph."""
    blocks: tuple[int, ...] | None = getattr(model, "feature_blocks", None)
    if blocks is not None:
        return feature_names(blocks)
    return (LOGITS,) if getattr(model, "num_classes", 0) > 0 else (FEATURES,)


@dataclass(frozen=True)
class Graph:
    """A graph with a symbolic batch, the ranges of its attentions, a note for each deviation, findings."""

    model: onnx.ModelProto
    ranges: tuple[AttentionRange, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def trace(model: nn.Module, image_shape: tuple[int, int, int], dtype: torch.dtype) -> onnx.ModelProto:
    """Trace with one image of ``image_shape`` (C, H, W): tracing computes, a batch would take minutes."""
    outputs = [f"{_OUTPUT}{index}" for index, _ in enumerate(output_names(model))]
    image = torch.zeros((1, *image_shape), dtype=dtype)
    with traceable(model), TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / "traced.onnx"  # a file, because weights of over 2 GB need more than one
        torch.onnx.export(
            model,
            (image,),
            str(path),
            input_names=[_INPUT],
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (_INPUT, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
        return onnx.load(path)


@contextmanager
def traceable(model: nn.Module) -> Iterator[None]:
    """Keep torch's exporter from what it gets wrong in timm's models, as long as the block lasts.

    It makes a tensor of every flag that ``forward`` has besides the images, which attention refuses. It also
    confuses constants of some rotary embeddings; their tables depend on the image size alone, so they are
    computed before tracing. RMSNorm it knows in later opsets only.
    """
    forward = model.forward
    rope: Any = getattr(model, "rope", None)

    def forward_images(x: Tensor) -> Any:
        return forward(x)

    model.forward = forward_images
    if rope is not None:
        with torch.no_grad():
            tables = rope.get_embed(model.get_submodule("patch_embed").grid_size)
        rope.get_embed = lambda shape=None: tables
    try:
        with traceable_rms_norm(OPSET):
            yield
    finally:
        del model.forward
        if rope is not None:
            del rope.get_embed
