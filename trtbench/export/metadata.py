"""What an exported file says of itself: model, weights, how images are prepared, names of classes.

ONNX keeps this as ``metadata_props``, so that it stays with the file wherever that goes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from timm.data import ImageNetInfo, infer_imagenet_subset
from torch import nn

import trtbench
from trtbench.export.checkpoint_files import configuration
from trtbench.export.model import image_shape
from trtbench.export.preparation import preparation_of
from trtbench.export.stated_preparation import image_preparation
from trtbench.specs import ExportSpec, ModelSpec


def with_metadata(graph: onnx.ModelProto, model: nn.Module, spec: ExportSpec) -> onnx.ModelProto:
    """Write into the file what ``model``, which need not have weights, and ``spec`` say."""
    graph.producer_name, graph.producer_version = "trtbench", trtbench.__version__
    onnx.helper.set_model_props(graph, metadata_of(model, spec))
    return graph


def metadata_of(model: nn.Module, spec: ExportSpec) -> dict[str, str]:
    """The properties by name; ``preprocessing`` and ``class_names`` are JSON."""
    names, reduction = class_names(model, spec.model), spec.model.token_reduction
    return {
        "model": spec.model.name,
        "recipe": str(spec.recipe),
        "weights": _weights(spec.model),
        **({"token_reduction": str(reduction)} if reduction else {}),
        **({"features": "+".join(map(str, spec.model.features))} if spec.model.features else {}),
        "preprocessing": json.dumps(_preprocessing(model, spec.model)),
        **({"class_names": json.dumps(names)} if names else {}),
    }


def _weights(model: ModelSpec) -> str:
    """Files by their hash, which identifies the artifact, and not by a name that may be another's."""
    if model.source is not None:
        return f"{model.source.kind}, sha256 {model.source.sha256}"
    return model.weights_name if model.checkpoint is None else f"checkpoint, sha256 {model.checkpoint.sha256}"


def _preprocessing(model: nn.Module, spec: ModelSpec) -> dict[str, object]:
    """How timm evaluates this model: size ``(C, H, W)``, and what resizes, crops and normalises."""
    shape = image_shape(model)
    is_assumed = (
        spec.source is not None and spec.preparation is None and image_preparation(spec.source).is_assumed
    )
    stated = {"input_size": shape, **preparation_of(model, shape[0])}
    return {**stated, "assumed": True} if is_assumed else stated


def class_names(model: nn.Module, spec: ModelSpec) -> list[str]:
    """Names of the classes in order, where the weights come with them: by ``config.json``, or ImageNet's."""
    classes = getattr(model, "num_classes", 0)
    if spec.checkpoint is not None:
        names = _names_of(configuration(Path(spec.checkpoint.path)))
    elif spec.pretrained:
        subset = infer_imagenet_subset(model)
        info = ImageNetInfo(subset) if subset else None
        names = [info.index_to_description(index) for index in range(info.num_classes())] if info else []
    else:
        names = []
    return names if len(names) == classes else []


def _names_of(config: Mapping[str, Any]) -> list[str]:
    """Names and descriptions as Hugging Face's files of timm models have them."""
    names = config.get("label_names") or []
    described = config.get("label_descriptions") or {}
    return [str(described.get(name, name)) for name in names]
