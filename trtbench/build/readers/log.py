r"""Reads the verbose log of a TensorRT-RTX build: compiled layers, memory, the compiler's last words.

A message is ``[SEVERITY] text``, and text may have several lines. With detailed profiling verbosity one of
the last messages lists the compiled layers, one a line, in execution order (1.5 to 1.7; wrapped here)::

    [VERBOSE] Layers:
    Name: fc_myl0_3, LayerType: gemm, Inputs: [ { Name: x, Dimensions: [4,64], Strides: [64,1],
    StrideOrder: [1,0], Datatype: Half, Format: (Linear) Row major linear format }], Constants: [],
    Outputs: [ { ... }, { ... }], TacticName: , StreamId: 0,
    Metadata: [ONNX Layer: /fc/MatMul]\x1f[ONNX Layer: /fc/Add]

    I/O Tensors:

Names are the ONNX file's, so they may hold commas, brackets and even line ends; control flow adds more
``Key: value`` pairs after ``StreamId``. A line of another form, such as that of a copy of a shape from host
to device, is a layer of unknown type.
"""

import re
from pathlib import Path

from trtbench.errors import BuildError
from trtbench.results import CompiledLayer, LayerTensor
from trtbench.results.artifacts import EngineMemory

_LAYERS = re.compile(r"^\[VERBOSE\] Layers:\n(?P<lines>.*?)\n?\nI/O Tensors:\n", re.MULTILINE | re.DOTALL)
_LAYER = re.compile(
    r"Name: (?P<name>.*?), LayerType: (?P<layer_type>\w+), Inputs: \[(?P<inputs>.*?)\], "
    r"Constants: \[(?P<constants>.*?)\], Outputs: \[(?P<outputs>.*?)\], TacticName: (?P<tactic_name>.*?), "
    r"StreamId: (?P<stream_id>-?\d+)(?:, \w+: .*?)??, Metadata: (?P<metadata>.*)",
    re.DOTALL,
)
_TENSOR = re.compile(
    r",? \{ Name: (?P<name>.*?), Dimensions: \[(?P<dimensions>[-\d,]*)\], Strides: \[(?P<strides>[-\d,]*)\], "
    r"StrideOrder: \[[-\d,]*\], Datatype: (?P<dtype>[^,]+), Format: (?P<format>[^{}]*) \}(?=, \{ Name: |\Z)",
    re.DOTALL,
)
# What a name holds when it has swallowed a tensor that could not be read.
_SWALLOWED = re.compile(r" \}, \{ Name: |, Dimensions: \[[-\d,]*\], Strides: \[")
_NAME = re.compile(r"Name: (.*?), LayerType: ", re.DOTALL)
_EXCERPT = 80
_NODE_PREFIX, _NODE_SEPARATOR = "[ONNX Layer: ", "\x1f"


def read_compiled_layers(log_path: Path) -> tuple[CompiledLayer, ...]:
    """List all compiled layers, in execution order.

    Raises:
        BuildError: there is no list of layers, or more than one.
    """
    text = _read(log_path)
    sections = list(_LAYERS.finditer(text))
    if len(sections) != 1:
        raise BuildError(f"{log_path.name}: expected one whole list after 'Layers:', found {len(sections)}")
    return tuple(map(_read_layer, _split_records(sections[0]["lines"])))


def read_memory(log_path: Path) -> EngineMemory:
    """Find the totals of device memory.

    Raises:
        BuildError: the log cannot be read.
    """
    return memory_in(_read(log_path), r"^\[INFO\] ")


def memory_in(log: str, before: str) -> EngineMemory:
    """Find the totals in a log whose messages have ``before``, a pattern, in front."""
    return EngineMemory(
        activation_bytes=_last_total(log, before, "Total Activation Memory"),
        weight_bytes=_last_total(log, before, "Total Weights Memory"),
        scratch_bytes=_last_total(log, before, "Max Scratch Memory"),
    )


def read_trtexec_memory(log: str) -> EngineMemory:
    """Find the totals of device memory in the log of a build by trtexec."""
    return memory_in(log, r"\] \[I\] \[TRT\] ")


def read_peak_rss(log_path: Path) -> int:
    """Find the peak memory in bytes of the compiler's process, which it logs at its end.

    Raises:
        BuildError: the log does not have it.
    """
    peak_bytes = _last_total(_read(log_path), r"^\[INFO\] ", "Peak resident memory")
    if peak_bytes is None:
        raise BuildError(f"{log_path.name}: has no line 'Peak resident memory'")
    return peak_bytes


def _read(log_path: Path) -> str:
    try:
        # Not read_text: it would turn a carriage return in a name into a line end.
        return log_path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise BuildError(f"{log_path}: cannot read the build log: {error.strerror}") from error


def _split_records(lines: str) -> list[str]:
    return re.split(r"\n(?=Name: )", lines) if lines else []


def _read_layer(record: str) -> CompiledLayer:
    try:
        return _parse_layer(record)
    except ValueError:
        name = _NAME.match(record)
        return CompiledLayer.unread(name[1] if name else record[:_EXCERPT])


def _parse_layer(record: str) -> CompiledLayer:
    match = _LAYER.fullmatch(record)
    if match is None:
        raise ValueError("not a layer")
    return CompiledLayer(
        name=match["name"],
        layer_type=match["layer_type"],
        tactic_name=match["tactic_name"],
        stream_id=int(match["stream_id"]),
        inputs=_parse_tensors(match["inputs"]),
        constants=_parse_tensors(match["constants"]),
        outputs=_parse_tensors(match["outputs"]),
        onnx_nodes=_parse_metadata(match["metadata"]),
    )


def _parse_tensors(text: str) -> tuple[LayerTensor, ...]:
    tensors = []
    position = 0
    while position < len(text):
        match = _TENSOR.match(text, position)
        if match is None or _SWALLOWED.search(match["name"]):
            raise ValueError("not a tensor")
        tensors.append(
            LayerTensor(
                name=match["name"],
                dimensions=_parse_integers(match["dimensions"]),
                strides=_parse_integers(match["strides"]),
                dtype=match["dtype"],
                format=match["format"],
            )
        )
        position = match.end()
    return tuple(tensors)


def _parse_integers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",")) if text else ()


def _parse_metadata(text: str) -> tuple[str, ...]:
    """Read ``[ONNX Layer: a]<US>[ONNX Layer: b]``; a layer that the compiler made up has none."""
    entries = text.split(_NODE_SEPARATOR) if text else []
    for entry in entries:
        if not (entry.startswith(_NODE_PREFIX) and entry.endswith("]")) or entry.count(_NODE_PREFIX) > 1:
            raise ValueError("not a node")
    return tuple(entry.removeprefix(_NODE_PREFIX).removesuffix("]") for entry in entries)


def _last_total(log: str, before: str, name: str) -> int | None:
    totals = re.findall(rf"{before}{name}: (\d+) bytes", log, re.MULTILINE)
    return int(totals[-1]) if totals else None
