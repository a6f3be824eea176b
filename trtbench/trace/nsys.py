"""SQLite exports of Nsight Systems, of any version.

Tables are there if they have rows, and columns come and go: both are looked up. Times are ns, names are
numbers of ``StringIds``. Rows are read in pieces into columns of about 24 bytes a kernel and 22 bytes a call.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from urllib.parse import quote

import numpy as np

from trtbench.errors import ArtifactError, Code
from trtbench.trace.calls import NO_CALLS, Calls, calls_of
from trtbench.trace.recording import (
    NO_RANGES,
    Copies,
    Kernels,
    Names,
    Ranges,
    Recording,
)
from trtbench.trace.spans import Column, Ns
from trtbench.trace.taxonomy import cause_of_call

_KERNELS = "CUPTI_ACTIVITY_KIND_KERNEL"
_GRAPHS = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
_COPIES = "CUPTI_ACTIVITY_KIND_MEMCPY"
_MEMSETS = "CUPTI_ACTIVITY_KIND_MEMSET"
_CALLS = "CUPTI_ACTIVITY_KIND_RUNTIME"
_RANGES = "NVTX_EVENTS"
_STRINGS = "StringIds"
_GPUS = "TARGET_INFO_GPU"
_META = "META_DATA_EXPORT"
_ENDED = '"end" >= "start"'
_RANGE_TYPES = (59, 60)
"""Pushed and popped, started and ended."""
_VERSION = re.compile(r"_v\d+(_pts[zd])?$")
_CHUNK = 1 << 17
_LOCKED_S = 2.0
_COPY_KINDS = {
    1: "host to device",
    2: "device to host",
    3: "host to array",
    4: "array to host",
    5: "array to array",
    6: "array to device",
    7: "device to array",
    8: "device to device",
    9: "host to host",
    10: "peer to peer",
}
"""CUPTI's numbers."""
REPLAY = "CUDA graph replay (kernels not recorded)"
NODE_REMEDY = "record again with nsys profile --cuda-graph-trace=node"

Columns = tuple[Column, ...]


@dataclass(frozen=True)
class _Export:
    """An open export: its path, and the columns of every table."""

    path: Path
    database: sqlite3.Connection
    tables: dict[str, frozenset[str]]

    def has(self, table: str) -> bool:
        return table in self.tables

    def has_rows(self, table: str) -> bool:
        return self.database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None  # noqa: S608

    def column(self, table: str, *names: str, default: str | None = None) -> str:
        """The first of these columns that the table has, 0 where it is not known.

        Raises:
            ArtifactError: it has none, and there is no default.
        """
        found = next((name for name in names if name in self.tables[table]), None)
        if found is not None:
            return f'ifnull("{found}", 0)'
        if default is None:
            raise ArtifactError(
                f"{self.path}: table {table} has no column {names[0]}: export it again with another version "
                "of Nsight Systems"
            )
        return default

    def columns(self, table: str, *expressions: str, where: str = "1") -> Columns:
        """Whole numbers, one array a column, in as few bits as they allow."""
        query = f"SELECT {', '.join(expressions)} FROM {table} WHERE {where}"  # noqa: S608
        (most,) = self.database.execute(f"SELECT ifnull(max(rowid), 0) FROM {table}").fetchone()  # noqa: S608
        # Made at once and filled: what many small arrays leave behind, Python does not give back.
        columns: list[Column] = [np.empty(most, np.int8) for _ in expressions]
        cursor, count = self.database.execute(query), 0
        while True:
            values = np.fromiter(chain.from_iterable(islice(cursor, _CHUNK)), np.int64)
            if not len(values):
                return tuple(column[:count] for column in columns)
            rows = values.reshape(-1, len(expressions))
            for index, column in enumerate(rows.T):
                columns[index] = _wide_enough(columns[index], count, column)
                columns[index][count : count + len(rows)] = column
            count += len(rows)

    def strings(self, numbers: Column) -> tuple[str, ...]:
        """Texts of these numbers of ``StringIds``."""
        if not self.has(_STRINGS):
            return tuple(f"name {number}" for number in numbers)
        query = f"SELECT value FROM {_STRINGS} WHERE id = ?"  # noqa: S608
        rows = (self.database.execute(query, (int(number),)).fetchone() for number in numbers)
        return tuple(
            str(row[0]) if row else f"name {number}" for row, number in zip(rows, numbers, strict=True)
        )


def _wide_enough(column: Column, count: int, values: Ns) -> Column:
    """The column, in more bits if it has too few for ``values``; ``count`` of its rows are filled."""
    limits = np.iinfo(column.dtype)
    if limits.min <= values.min() and values.max() <= limits.max:
        return column
    kinds = (np.int16, np.int32, np.int64)
    fits = (np.dtype(each) for each in kinds if np.iinfo(each).max >= max(values.max(), -values.min()))
    wider = np.empty(len(column), next(fits))
    wider[:count] = column[:count]
    return wider


def read_nsys(path: Path) -> list[Recording]:
    """Read an export: one recording for each GPU that ran kernels, by its number.

    Raises:
        ArtifactError: the file is locked, damaged, no export of Nsight Systems, or holds no kernels; the text
            says what to do.
    """
    with _opened(path) as export:
        _check(export)
        return _recordings(export)


@contextmanager
def _opened(path: Path) -> Iterator[_Export]:
    """Open read-only; every error of SQLite is one line with its remedy."""
    try:
        database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_LOCKED_S)
        try:
            names = [
                row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            tables = {
                name: frozenset(row[1] for row in database.execute(f'PRAGMA table_info("{name}")'))
                for name in names
            }
            yield _Export(path, database, tables)
        finally:
            database.close()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise ArtifactError(
                f"{path}: another program is writing it; try again when the export has ended, or read a copy"
            ) from error
        raise ArtifactError(f"{path}: cannot be read: {error}; export it again") from error
    except sqlite3.DatabaseError as error:
        raise ArtifactError(f"{path}: damaged or cut short: {error}; export it again") from error


def _check(export: _Export) -> None:
    """Refuse what is no export of Nsight Systems, and recordings without kernels."""
    path = export.path
    if not export.tables:
        raise ArtifactError(f"{path}: empty database; export the report again")
    if "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL" in export.tables or "StringTable" in export.tables:
        raise ArtifactError(
            f"{path}: written by nvprof, not by Nsight Systems; record again with nsys profile",
            code=Code.TRACE_FOREIGN,
        )
    if not {_STRINGS, _META, _RANGES, _KERNELS, _CALLS} & set(export.tables):
        shown = ", ".join(sorted(export.tables)[:3])
        raise ArtifactError(
            f"{path}: a database with tables {shown}, not an export of Nsight Systems; "
            "write one with nsys export --type sqlite REPORT.nsys-rep",
            code=Code.TRACE_FOREIGN,
        )
    if not export.has(_KERNELS) or not export.has_rows(_KERNELS):
        raise ArtifactError(f"{path}: {_why_no_kernels(export)}", code=Code.TRACE_WITHOUT_KERNELS)


def _why_no_kernels(export: _Export) -> str:
    if export.has(_GRAPHS) and export.has_rows(_GRAPHS):
        (replays,) = export.database.execute(f"SELECT count(*) FROM {_GRAPHS}").fetchone()  # noqa: S608
        return f"{replays} replays of CUDA graphs and no kernels in them; {NODE_REMEDY}"
    if export.has(_CALLS):
        return (
            "calls of CUDA and no kernels: the program launched nothing, or nsys could not trace the GPU; "
            "record again with nsys profile --trace=cuda,nvtx, and read its warnings"
        )
    return "no kernels; record again with nsys profile --trace=cuda,nvtx, and let the program use the GPU"


def _recordings(export: _Export) -> list[Recording]:
    names, columns = _kernel_columns(export)
    *columns_of_kernels, devices = columns
    calls, ranges, copies = _calls(export), _ranges(export), _copy_columns(export)
    replays = names.index(REPLAY) if REPLAY in names else None
    found = []
    for device in np.unique(devices):
        kernels = _kernels_of(names, tuple(columns_of_kernels), devices, int(device))
        gpu, target = _gpu(export, int(device))
        found.append(
            Recording(
                tool=_tool(export),
                gpu=gpu,
                target=target,
                device=int(device),
                kernels=kernels,
                copies=_copies_of(*copies, int(device)),
                calls=calls,
                ranges=ranges,
                graph_replays=0 if replays is None else int(np.count_nonzero(kernels.name == replays)),
            )
        )
    return found


def _kernel_columns(export: _Export) -> tuple[tuple[str, ...], Columns]:
    """Names of kernels, and the columns start, end, name, correlation, stream, device.

    Replays of graphs whose kernels were not recorded stand for these.
    """
    start, end, name, correlation, stream, device = export.columns(
        _KERNELS,
        export.column(_KERNELS, "start"),
        export.column(_KERNELS, "end"),
        export.column(_KERNELS, "demangledName", "shortName", "name"),
        export.column(_KERNELS, "correlationId", default="0"),
        export.column(_KERNELS, "streamId", default="0"),
        export.column(_KERNELS, "deviceId", default="0"),
        where=_ENDED,
    )
    texts, name = _named(export, name)
    if not export.has(_GRAPHS):
        return texts, (start, end, name, correlation, stream, device)
    replays = export.columns(
        _GRAPHS,
        export.column(_GRAPHS, "start"),
        export.column(_GRAPHS, "end"),
        str(len(texts)),
        export.column(_GRAPHS, "correlationId", default="0"),
        export.column(_GRAPHS, "streamId", default="0"),
        export.column(_GRAPHS, "deviceId", default="0"),
        where=_ENDED,
    )
    both = zip((start, end, name, correlation, stream, device), replays, strict=True)
    return (*texts, REPLAY), tuple(np.concatenate(pair) for pair in both)


def _named(export: _Export, ids: Column) -> tuple[tuple[str, ...], Column]:
    """Texts of the strings that occur, and for each row its index among them."""
    occurs = np.zeros(int(ids.max(initial=0)) + 1, bool)
    occurs[ids] = True
    used = np.flatnonzero(occurs)
    index = np.zeros(len(occurs), np.int16 if len(used) <= np.iinfo(np.int16).max else np.int32)
    index[used] = np.arange(len(used))
    return export.strings(used), index[ids]


def _kernels_of(names: tuple[str, ...], columns: Columns, devices: Column, device: int) -> Kernels:
    if not np.all(devices == device):
        columns = tuple(column[devices == device] for column in columns)
    start = columns[0]
    if np.any(start[1:] < start[:-1]):
        order = np.argsort(start, kind="stable")
        columns = tuple(column[order] for column in columns)
    start, end, name, correlation, stream = columns
    return Kernels(names, _times(start), _times(end), name, correlation, stream)


def _copy_columns(export: _Export) -> tuple[tuple[str, ...], Columns]:
    """Kinds of copies, and the columns start, end, kind, bytes, device."""
    parts, kinds = [], Names()
    for table, kind in ((_COPIES, "copyKind"), (_MEMSETS, None)):
        if not export.has(table):
            continue
        number = str(kinds.number("memset")) if kind is None else export.column(table, kind, default="0")
        start, end, numbers, nbytes, device = export.columns(
            table,
            export.column(table, "start"),
            export.column(table, "end"),
            number,
            export.column(table, "bytes", default="0"),
            export.column(table, "deviceId", default="0"),
            where=_ENDED,
        )
        if kind is not None:
            found, index = np.unique(numbers, return_inverse=True)
            texts = (_COPY_KINDS.get(int(each), f"kind {each}") for each in found)
            numbers = np.array([kinds.number(text) for text in texts], np.int16)[index]
        parts.append((start, end, numbers, nbytes, device))
    if not parts:
        return (), tuple(np.empty(0, np.int64) for _ in range(5))
    return kinds.all(), tuple(np.concatenate(each) for each in zip(*parts, strict=True))


def _times(column: Column) -> Ns:
    """Wide enough for sums and differences."""
    return column.astype(np.int64, copy=False)


def _copies_of(kinds: tuple[str, ...], columns: Columns, device: int) -> Copies:
    *values, devices = columns
    start, end, kind, nbytes = (column[devices == device] for column in values)
    return Copies(kinds, _times(start), _times(end), kind, _times(nbytes))


def _calls(export: _Export) -> Calls:
    if not export.has(_CALLS):
        return NO_CALLS
    start, end, name, correlation = export.columns(
        _CALLS,
        export.column(_CALLS, "start"),
        export.column(_CALLS, "end"),
        export.column(_CALLS, "nameId"),
        export.column(_CALLS, "correlationId", default="0"),
        where=_ENDED,
    )
    texts, name = _named(export, name)
    names = tuple(_VERSION.sub("", text) for text in texts)
    causes = tuple(cause_of_call(each) for each in names)
    return calls_of(names, causes, (_times(start), _times(end), name, correlation))


def _ranges(export: _Export) -> Ranges:
    """Ranges with their texts, which are in the row or a number of ``StringIds``."""
    if not export.has(_RANGES):
        return NO_RANGES
    columns = export.tables[_RANGES]
    text = '"text"' if "text" in columns else "NULL"
    if "textId" in columns and export.has(_STRINGS):
        text = f"ifnull({text}, (SELECT value FROM {_STRINGS} WHERE id = textId))"  # noqa: S608
    types = f"eventType IN {_RANGE_TYPES}" if "eventType" in columns else "1"
    query = f'SELECT start, "end", {text} FROM {_RANGES} WHERE "end" > start AND {types}'  # noqa: S608
    names, starts, ends, numbers = Names(), list[int](), list[int](), list[int]()
    for start, end, name in export.database.execute(query):
        starts.append(start)
        ends.append(end)
        numbers.append(names.number(str(name)))
    found = [np.array(each, np.int64) for each in (starts, ends, numbers)]
    return Ranges(names.all(), found[0], found[1], found[2])


def _gpu(export: _Export, device: int) -> tuple[str | None, str | None]:
    """Name and target of a GPU, as far as the export says."""
    if not export.has(_GPUS):
        return None, None
    columns = export.tables[_GPUS]
    fields = [each if each in columns else "NULL" for each in ("name", "computeMajor", "computeMinor")]
    query = f"SELECT {', '.join(fields)} FROM {_GPUS} WHERE id = ?"  # noqa: S608
    row = export.database.execute(query, (_gpu_number(export, device),)).fetchone()
    if row is None:
        return None, None
    name, major, minor = row
    return name, None if major is None or minor is None else f"sm{major}{minor}"


def _gpu_number(export: _Export, device: int) -> int:
    """The number of a GPU in the machine, by that which CUDA gives it in the process."""
    table = "TARGET_INFO_CUDA_DEVICE"
    if not {"cudaId", "gpuId"} <= export.tables.get(table, frozenset()):
        return device
    row = export.database.execute(f"SELECT gpuId FROM {table} WHERE cudaId = ?", (device,)).fetchone()  # noqa: S608
    return int(row[0]) if row else device


def _tool(export: _Export) -> str:
    """Name and version of what wrote the export, and of its schema."""
    if not {"name", "value"} <= export.tables.get(_META, frozenset()):
        return "Nsight Systems"
    facts = dict(export.database.execute(f"SELECT name, value FROM {_META}"))  # noqa: S608
    version = facts.get("EXPORT_PRODUCT_VERSION")
    parts = [facts.get(f"EXPORT_SCHEMA_VERSION_{part}") for part in ("MAJOR", "MINOR", "MICRO")]
    schema = facts.get("EXPORT_SCHEMA_VERSION") or ".".join(str(each) for each in parts if each is not None)
    return " ".join(filter(None, ["Nsight Systems", version, f"(schema {schema})" if schema else ""]))
