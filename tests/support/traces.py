"""Recordings made by code: exports of Nsight Systems in several schemas, and traces of torch.profiler."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GEMM, GELU, NORM = (
    "sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x32_stage4",
    "void at::native::vectorized_elementwise_kernel<8, at::native::GeluCUDAKernelImpl(TensorIteratorBase&)>",
    "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::Half, float>",
)


@dataclass
class Recorded:
    """Events of one process: times in ns, names as texts; graph replays have no kernels of their own."""

    kernels: list[tuple[int, int, str, int]] = field(default_factory=list)
    """Start, end, name, correlation."""
    calls: list[tuple[int, int, str, int]] = field(default_factory=list)
    copies: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Start, end, CUPTI's kind, bytes."""
    memsets: list[tuple[int, int, int]] = field(default_factory=list)
    ranges: list[tuple[int, int, str]] = field(default_factory=list)
    replays: list[tuple[int, int]] = field(default_factory=list)
    devices: tuple[int, ...] = ()
    """Of the kernels; none: all on device 0."""
    streams: tuple[int, ...] = ()


def eager(inferences: int = 4, wait_ns: int = 50_000) -> Recorded:
    """Inferences of three kernels of 5, 20 and 10 us, 2 us apart, each launched by a call; a range each."""
    found, now, number = Recorded(), 1_000_000, 0
    for _ in range(inferences):
        begin = now
        for name, length in ((NORM, 5_000), (GEMM, 20_000), (GELU, 10_000)):
            number += 1
            found.calls.append((now - 4_000, now - 1_000, "cudaLaunchKernel_v7000", number))
            found.kernels.append((now, now + length, name, number))
            now += length + 2_000
        found.ranges.append((begin - 5_000, now, "inference"))
        found.calls.append((now, now + 20_000, "cudaStreamSynchronize_v3020", 0))
        now += wait_ns
    return found


def graphed(replays: int = 3) -> Recorded:
    """Replays of a CUDA graph of three kernels, recorded node by node: all share the launch's correlation."""
    found, now = Recorded(), 1_000_000
    for number in range(1, replays + 1):
        found.calls.append((now - 5_000, now - 2_000, "cudaGraphLaunch_v10000", number))
        for name, length in ((NORM, 5_000), (GEMM, 20_000), (GEMM, 20_000)):
            found.kernels.append((now, now + length, name, number))
            now += length + 1_000
        now += 4_000
    return found


SCHEMAS: dict[str, dict[str, str]] = {
    "2.4.3": {  # Nsight Systems 2020: no graph nodes, NVTX by text alone, name and value of one version
        "kernel": "start,end,deviceId,contextId,streamId,correlationId,globalPid,demangledName,shortName,"
        "launchType,registersPerThread,gridX,blockX",
        "nvtx": "start,end,eventType,rangeId,category,color,text,globalTid,endGlobalTid",
        "gpu": "vmId,id,name,smCount",
        "meta": "EXPORT_SCHEMA_VERSION",
    },
    "3.1.7": {  # 2023: texts of NVTX by number, graph nodes
        "kernel": "start,end,deviceId,contextId,streamId,correlationId,globalPid,demangledName,shortName,"
        "mangledName,launchType,registersPerThread,gridX,blockX,graphNodeId",
        "nvtx": "start,end,eventType,rangeId,category,color,text,globalTid,endGlobalTid,textId",
        "gpu": "vmId,id,name,smCount,computeMajor,computeMinor",
        "meta": "EXPORT_SCHEMA_VERSION",
    },
    "3.24.14": {  # 2026: columns in the middle, version in parts
        "kernel": "start,end,deviceId,contextId,greenContextId,streamId,correlationId,globalPid,"
        "demangledName,shortName,mangledName,launchType,registersPerThread,gridX,blockX,graphNodeId,graphId,clusterX",
        "nvtx": "start,end,eventType,rangeId,category,color,text,globalTid,endGlobalTid,textId",
        "gpu": "vmId,id,name,busLocation,smCount,chipName,computeMajor,computeMinor",
        "meta": "EXPORT_SCHEMA_VERSION_MAJOR",
    },
}


def write_nsys(
    path: Path, recorded: Recorded, schema: str = "3.24.14", target: tuple[int, int] = (9, 0)
) -> Path:
    """Write an export; tables without rows are left out, as Nsight Systems does."""
    shape = SCHEMAS[schema]
    strings: dict[str, int] = {}

    def number(text: str) -> int:
        return strings.setdefault(text, 100 + len(strings))

    with sqlite3.connect(path) as database:
        for index, (start, end, name, correlation) in enumerate(recorded.kernels):
            device = recorded.devices[index] if recorded.devices else 0
            stream = recorded.streams[index] if recorded.streams else 7
            row = {
                "start": start,
                "end": end,
                "deviceId": device,
                "streamId": stream,
                "correlationId": correlation,
            }
            names = {"demangledName": number(name), "shortName": number(name.partition("<")[0])}
            _insert(database, "CUPTI_ACTIVITY_KIND_KERNEL", shape["kernel"], row | names)
        for start, end in recorded.replays:
            columns = "start,end,deviceId,contextId,streamId,correlationId,globalPid,graphId,graphExecId"
            _insert(
                database,
                "CUPTI_ACTIVITY_KIND_GRAPH_TRACE",
                columns,
                {"start": start, "end": end, "deviceId": 0},
            )
        for start, end, name, correlation in recorded.calls:
            columns = "start,end,eventClass,globalTid,correlationId,nameId,returnValue,callchainId"
            row = {"start": start, "end": end, "correlationId": correlation, "nameId": number(name)}
            _insert(database, "CUPTI_ACTIVITY_KIND_RUNTIME", columns, row)
        for start, end, kind, nbytes in recorded.copies:
            columns = (
                "start,end,deviceId,contextId,streamId,correlationId,globalPid,bytes,copyKind,srcKind,dstKind"
            )
            row = {"start": start, "end": end, "deviceId": 0, "bytes": nbytes, "copyKind": kind}
            _insert(database, "CUPTI_ACTIVITY_KIND_MEMCPY", columns, row)
        for start, end, nbytes in recorded.memsets:
            columns = "start,end,deviceId,contextId,streamId,correlationId,globalPid,value,bytes,memKind"
            row = {"start": start, "end": end, "deviceId": 0, "value": 0, "bytes": nbytes}
            _insert(database, "CUPTI_ACTIVITY_KIND_MEMSET", columns, row)
        for start, end, name in recorded.ranges:
            text = {"textId": number(name)} if "textId" in shape["nvtx"] else {"text": name}
            _insert(
                database, "NVTX_EVENTS", shape["nvtx"], {"start": start, "end": end, "eventType": 59} | text
            )
        gpu = {
            "id": 0,
            "name": "NVIDIA H200",
            "smCount": 132,
            "computeMajor": target[0],
            "computeMinor": target[1],
        }
        _insert(database, "TARGET_INFO_GPU", shape["gpu"], gpu)
        for name, value in _versions(schema, shape["meta"]):
            _insert(database, "META_DATA_EXPORT", "name,value", {"name": name, "value": value})
        database.execute("CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
        database.executemany(
            "INSERT INTO StringIds VALUES (?, ?)", [(i, text) for text, i in strings.items()]
        )
    database.close()
    return path


def _versions(schema: str, style: str) -> list[tuple[str, str]]:
    if style == "EXPORT_SCHEMA_VERSION":
        return [("EXPORT_SCHEMA_VERSION", schema), ("EXPORT_PRODUCT_VERSION", "2023.1.1")]
    parts = zip(("MAJOR", "MINOR", "MICRO"), schema.split("."), strict=True)
    return [
        *((f"EXPORT_SCHEMA_VERSION_{part}", value) for part, value in parts),
        ("EXPORT_PRODUCT_VERSION", "2026.1.1"),
    ]


def _insert(database: sqlite3.Connection, table: str, columns: str, row: dict[str, Any]) -> None:
    names = [f'"{each.strip()}"' for each in columns.split(",")]
    database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(names)})")
    values = [row.get(name.strip('"')) for name in names]
    database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608


def torch_trace(recorded: Recorded, steps: bool = True) -> dict[str, Any]:
    """The same events as torch.profiler writes them; ranges become steps of the profiler."""
    directions = {1: "Memcpy HtoD (Pinned -> Device)", 2: "Memcpy DtoH (Device -> Pinned)"}
    events: list[dict[str, Any]] = [{"ph": "M", "name": "process_name", "pid": 0, "args": {"name": "python"}}]
    for start, end, name, correlation in recorded.kernels:
        arguments = {"device": 0, "stream": 7, "correlation": correlation, "grid": [1, 1, 1]}
        events.append(_event("kernel", name, start, end, arguments))
    for start, end, name, correlation in recorded.calls:
        plain = name.partition("_v")[0]
        events.append(_event("cuda_runtime", plain, start, end, {"correlation": correlation}))
    for start, end, kind, nbytes in recorded.copies:
        arguments = {"device": 0, "stream": 7, "bytes": nbytes}
        events.append(_event("gpu_memcpy", directions[kind], start, end, arguments))
    for index, (start, end, _) in enumerate(recorded.ranges if steps else ()):
        events.append(_event("user_annotation", f"ProfilerStep#{index}", start, end, {}))
    events.append({"ph": "s", "id": 1, "cat": "ac2g", "name": "ac2g", "ts": 1.0, "pid": 0, "tid": 0})
    device = {"id": 0, "name": "NVIDIA H200", "computeMajor": 9, "computeMinor": 0, "numSms": 132}
    return {
        "schemaVersion": 1,
        "deviceProperties": [device],
        "traceEvents": events,
        "traceName": "trace.json",
    }


def _event(category: str, name: str, start: int, end: int, arguments: dict[str, Any]) -> dict[str, Any]:
    times = {"ts": start / 1e3, "dur": (end - start) / 1e3}
    return {"ph": "X", "cat": category, "name": name, "pid": 0, "tid": 7, **times, "args": arguments}


def write_torch(path: Path, recorded: Recorded, steps: bool = True) -> Path:
    """Write a trace of torch.profiler."""
    path.write_text(json.dumps(torch_trace(recorded, steps), indent=1), encoding="utf-8")
    return path


def write_profile(path: Path, layers: Sequence[tuple[str, float]], count: int = 10) -> Path:
    """Write a layer profile of trtexec: names and milliseconds of one run."""
    total = sum(each for _, each in layers)
    rows: list[dict[str, Any]] = [{"count": count}]
    rows += [
        {
            "name": name,
            "timeMs": count * each,
            "averageMs": each,
            "medianMs": each,
            "percentage": 100 * each / total,
        }
        for name, each in layers
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path
