"""Reads the JSON of TensorRT's engine inspector, 10 and 11, into the same layers as the log of TensorRT-RTX.

TensorRT 10 gives a tensor's datatype within its format (``"Format/Datatype": "Half"``, or ``"Row major linear
FP16 format"`` outside of Myelin), or ``"N/A due to dynamic shapes"`` where it knows no shape. TensorRT 11
splits the two; with names only, a layer is a plain string. Sources: NVIDIA's page "Migrating IEngineInspector
Usage from TensorRT 10.x to 11.x", and its README of ``sampleEditableTimingCache`` (10.8), whose log has the
same fields.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trtbench.errors import BuildError
from trtbench.host.json_text import parse_foreign_json
from trtbench.results import CompiledLayer, LayerTensor

# Words for datatypes in descriptions of formats, and what TensorRT calls the datatype itself.
_DATATYPES = {
    "FP32": "Float",
    "FP16": "Half",
    "BF16": "BFloat16",
    "INT4": "Int4",
    "INT8": "Int8",
    "UINT8": "UInt8",
    "INT32": "Int32",
    "INT64": "Int64",
    "BOOL": "Bool",
    "FP4": "FP4E2M1",
    "E8M0": "FP8UE8M0",
    **{
        name: name
        for name in (
            *("Float", "Half", "BFloat16", "Int4", "Int8", "UInt8", "Int32", "Int64", "Bool"),
            *("FP8", "FP8UE8M0", "FP4E2M1"),
        )
    },
}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_NODE = re.compile(r"\[ONNX Layer: (.*?)\](?=[\x1e\x1f]|\[ONNX Layer: |\Z)", re.DOTALL)
_UNKNOWN = ""
_NOT_TOLD = "N/A due to dynamic shapes"


@dataclass(frozen=True)
class InspectedEngine:
    """All layers in execution order; ``is_detailed``: whether it knows more than their names."""

    layers: tuple[CompiledLayer, ...]
    is_detailed: bool


def read_inspector(path: Path) -> InspectedEngine:
    """Read what ``get_engine_information`` or trtexec's ``--exportLayerInfo`` wrote.

    Raises:
        BuildError: the file is missing, cut short, or not what the inspector writes.
    """
    try:
        content = parse_foreign_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BuildError(f"{path}: cannot read the layers of the engine: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("Layers"), list):
        raise BuildError(f"{path}: no list of layers in it: not what the engine inspector writes")
    layers = content["Layers"]
    return InspectedEngine(
        layers=tuple(map(_read_layer, layers)),
        is_detailed=all(isinstance(layer, dict) for layer in layers),
    )


def _read_layer(layer: Mapping[str, Any] | str) -> CompiledLayer:
    """Read a layer; of one in a form that neither version has, the name."""
    if isinstance(layer, str):
        return CompiledLayer.unread(layer)
    try:
        return CompiledLayer(
            name=layer["Name"],
            layer_type=layer["LayerType"],
            # Layers that only move data have no tactic.
            tactic_name=layer.get("TacticName", _UNKNOWN),
            stream_id=layer.get("StreamId", 0),
            inputs=_read_tensors(layer["Inputs"]),
            # TensorRT 10 lists constants among the inputs.
            constants=_read_tensors(layer.get("Constants", ())),
            outputs=_read_tensors(layer["Outputs"]),
            onnx_nodes=tuple(_NODE.findall(layer.get("Metadata", ""))),
        )
    except (KeyError, TypeError, ValueError):
        return CompiledLayer.unread(str(layer.get("Name", layer)))


def _read_tensors(tensors: Sequence[Mapping[str, Any]]) -> tuple[LayerTensor, ...]:
    return tuple(_read_tensor(tensor) for tensor in tensors)


def _read_tensor(tensor: Mapping[str, Any]) -> LayerTensor:
    dtype, layout = _datatype_and_format(tensor)
    return LayerTensor(
        name=tensor["Name"],
        dimensions=tuple(tensor["Dimensions"]),
        strides=tuple(tensor.get("Strides", ())),
        dtype=dtype,
        format=layout,
    )


def _datatype_and_format(tensor: Mapping[str, Any]) -> tuple[str, str]:
    """Both as TensorRT 11 names them, or parsed from the description that TensorRT 10 has for the two."""
    combined = tensor.get("Format/Datatype")
    if combined is None:
        # The inspector writes DataType, the log of the same version Datatype.
        datatype = tensor["DataType"] if "DataType" in tensor else tensor["Datatype"]
        return datatype, tensor["Format"]
    if combined == _NOT_TOLD:
        return "unknown", combined
    found = {_DATATYPES[word] for word in _words(combined) if word in _DATATYPES}
    if len(found) != 1:
        raise ValueError(f"no datatype, or more than one, in {combined!r}")
    datatype = found.pop()
    return datatype, _UNKNOWN if combined == datatype else combined


def _words(description: str) -> list[str]:
    """Words as they stand and, since both are seen, in capitals (``Int8``, ``INT8``)."""
    words = _WORD.findall(description)
    return [word if word in _DATATYPES else word.upper() for word in words]
