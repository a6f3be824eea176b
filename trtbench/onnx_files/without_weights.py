"""An ONNX file without the data of its large tensors, which stay on the disk."""

import mmap
from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto

from trtbench.host.untrusted_files import open_untrusted

PROTOBUF_BYTES = 2**31
"""Most that a protobuf message may have."""

# Numbers of fields in onnx.proto.
_GRAPH_OF_MODEL = 7
_INITIALIZER_OF_GRAPH = 5
_DATA_OF_TENSOR = frozenset({4, 5, 6, 7, 9, 10, 11})

_KEPT_BYTES = 1024
_FIRST_TAG = 1 << 3
_MOST_FIELDS = 1_000_000
"""Of a graph, its nodes, constants and notes: a ViT has thousands."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def load_without_weights(path: Path) -> ModelProto:
    """Read a model whose initializers lack data of more than 1 KiB; external data is not read.

    A protobuf message is a sequence of fields with their lengths, so that large ones can be stepped over.

    Raises:
        OSError: the file cannot be read.
        DecodeError: not a protobuf message, or cut short.
    """
    with open_untrusted(path, PROTOBUF_BYTES) as file:
        if not file.seek(0, SEEK_END):
            return ModelProto()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            model: ModelProto = ModelProto.FromString(_model(data))
            return model


def _model(data: mmap.mmap) -> bytes:
    return b"".join(
        _nested(number, _graph(data, content, end)) if number == _GRAPH_OF_MODEL else data[start:end]
        for number, start, content, end in _fields(data, 0, len(data))
    )


def _graph(data: mmap.mmap, start: int, end: int) -> bytes:
    parts = []
    for number, begin, content, stop in _fields(data, start, end):
        is_large = number == _INITIALIZER_OF_GRAPH and stop - content > _KEPT_BYTES
        parts.append(_nested(number, _tensor(data, content, stop)) if is_large else data[begin:stop])
    return b"".join(parts)


def _tensor(data: mmap.mmap, start: int, end: int) -> bytes:
    return b"".join(
        data[begin:stop]
        for number, begin, content, stop in _fields(data, start, end)
        if number not in _DATA_OF_TENSOR or stop - content <= _KEPT_BYTES
    )


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number of each field, where it starts, where its content starts, and where it ends."""
    count = 0
    while start < end:
        tag, content = _varint(data, start, end)
        wire_type, count = tag & 7, count + 1
        if tag < _FIRST_TAG or count > _MOST_FIELDS:
            raise DecodeError("no field has the number 0, and no model so many fields")
        if wire_type == _LENGTH:
            length, content = _varint(data, content, end)
            stop = content + length
        elif wire_type == _VARINT:
            stop = _varint(data, content, end)[1]
        elif wire_type in (_FIXED64, _FIXED32):
            stop = content + (8 if wire_type == _FIXED64 else 4)
        else:
            raise DecodeError(f"wire type {wire_type}")
        if stop > end:
            raise DecodeError("a field ends behind its message")
        yield tag >> 3, start, content, stop
        start = stop


def _varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    """The number at ``position`` and where it ends; 7 bits a byte, the lowest first."""
    value = shift = 0
    while position < end and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise DecodeError("a number is cut short")


def _nested(number: int, content: bytes) -> bytes:
    """A field that holds a message."""
    return _encoded(number << 3 | _LENGTH) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
