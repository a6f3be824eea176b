"""Measured kernels that the cost model is fitted to: published tables, and kernels timed on an H200."""

import csv
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trtbench.host.installation import install_command
from trtbench.predict.attention import AttentionWork, attention_time
from trtbench.predict.gemm import GemmWork, gemm_time
from trtbench.predict.gpus import find_gpu
from trtbench.predict.memory import MemoryRates, gelu_us, miss_share, pointwise_us
from trtbench.specs import GpuSpec

try:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError:
    sys.exit(f"{sys.argv[0]}: needs pyarrow: {install_command('fit')}")

Array = NDArray[np.float64]
H200 = Path(__file__).parent / "h200"
FOLDERS = {
    "rtx-pro-6000-se": "rtx_pro_6000_server",
    "l40s": "l40s",
    "h100": "h100_sxm",
    "h200": "h200_sxm",
    "b200": "b200_sxm",
    "b300": "b300_sxm",
}
VERSIONS = {"trtllm": "1.3.0rc20", "vllm": "0.24.0", "sglang": "0.5.14"}
ROWS = (
    64,
    128,
    192,
    256,
    257,
    512,
    768,
    1024,
    1025,
    1280,
    1536,
    2048,
    2304,
    3072,
    4096,
    4353,
    8192,
    16384,
    32768,
)
COLUMNS = (256, 512, 768, 1024, 1536, 2048, 2560, 3072, 3584, 4096, 5120, 6144)
SEQUENCES = (52, 64, 104, 128, 192, 256, 400, 512, 576, 1024, 1296, 1500, 1536, 2048, 2304)
HEADS = (4, 8, 10, 12, 14, 16, 20, 24, 32)
DTYPES = {"fp16": "bfloat16", "fp8": "fp8", "fp4": "nvfp4"}
OPERAND_BYTES = {"fp16": 2.0, "fp8": 1.0, "fp4": 0.5 + 1 / 16}
MOST_QUANTIZING = 0.5
"""Rows of which quantising the activation is a larger share say too little about the product."""


@dataclass(frozen=True)
class Rows:
    """Measured kernels of one GPU in one precision.

    ``shape``: M, N, K; or batch, sequence, heads, head width; or, of a kernel without products, rows,
    columns, bytes moved for an element, and whether it takes the GELU (1) or not (0).
    """

    gpu: GpuSpec
    kind: str
    precision: str
    shape: Array
    measured_us: Array
    quantizing_us: Array

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Rows":
        return replace(
            self,
            shape=self.shape[chosen],
            measured_us=self.measured_us[chosen],
            quantizing_us=self.quantizing_us[chosen],
        )

    @property
    def key(self) -> str:
        """What errors of such kernels are called."""
        return f"{self.kind} {self.precision}"


def read(
    data: Path, gpu: str, kind: str, file: str, **wanted: tuple[Any, ...]
) -> dict[tuple[Any, ...], dict[str, float]]:
    """Latency in us by the values of the columns ``wanted``, then by framework."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for framework, version in VERSIONS.items():
        path = data / FOLDERS[gpu] / kind / framework / version / f"{file}.parquet"
        if not path.is_file():
            continue
        table = pq.read_table(path, columns=[*wanted, "latency", "device"])
        for column, values in wanted.items():
            table = table.filter(pc.is_in(table[column], pc_array(values, table[column].type)))
        # A few rows of B300 call themselves GB300.
        table = table.filter(pc.invert(pc.match_substring(table["device"], " GB")))
        keys = zip(*(table[column].to_pylist() for column in wanted), strict=True)
        for key, latency in zip(keys, table["latency"].to_pylist(), strict=True):
            found.setdefault(key, {})[framework] = latency * 1e3
    return found


def pc_array(values: tuple[Any, ...], kind: Any) -> Any:
    """Values of a filter, in the type of its column."""
    import pyarrow as pa

    return pa.array(values, type=kind)


def read_pointwise(data: Path, gpu: str) -> tuple[Rows, Rows]:
    """Static FP8 quantisers, which read 2 bytes an element and write 1: TensorRT-LLM's, then vLLM's."""
    found = read(data, gpu, "quantize", "scale_matrix_perf", m=ROWS, k=COLUMNS)
    both = []
    for framework in ("trtllm", "vllm"):
        rows = [(m, k, 3, 0, times[framework]) for (m, k), times in found.items() if framework in times]
        both.append(_alone(gpu, "pointwise", "any", rows))
    return both[0], both[1]


def _alone(gpu: str, kind: str, precision: str, rows: list[tuple[float, ...]]) -> Rows:
    """Kernels that do nothing else; each row ends with its time in us."""
    table = np.array(rows, float)
    return Rows(find_gpu(gpu), kind, precision, table[:, :-1], table[:, -1], np.zeros(len(table)))


def read_attention(data: Path, gpu: str) -> Rows:
    """Encoder attention in BF16, the fastest framework of each shape."""
    found = read(
        data, gpu, "encoder_attention", "encoder_attention_perf",
        batch_size=(1, 2, 4, 8, 16, 32, 64), isl=SEQUENCES, num_heads=HEADS, head_dim=(64, 80),
        attn_dtype=("bfloat16",),
    )  # fmt: skip
    rows = [(*key[:4], min(times.values())) for key, times in found.items()]
    return _alone(gpu, "attention", "fp16", rows)


def read_gemm(data: Path, gpu: str, precision: str, memory: MemoryRates) -> Rows:
    """Products of N and K within a factor of 4, with what their rows spend on quantising the activation.

    BF16 rows are the product alone. FP8 rows of TensorRT-LLM and vLLM also find the scale and quantise: both
    are measured alone in the same framework (``quantize/``). NVFP4 rows also quantise: priced as a kernel
    that reads 2 bytes an element and writes 9/16.
    """
    found = read(
        data, gpu, "gemm", "gemm_perf", gemm_dtype=(DTYPES[precision],), m=ROWS, n=COLUMNS, k=COLUMNS
    )
    scales = read(data, gpu, "quantize", "computescale_perf", m=ROWS, k=COLUMNS) if precision == "fp8" else {}
    casts = read(data, gpu, "quantize", "scale_matrix_perf", m=ROWS, k=COLUMNS) if precision == "fp8" else {}
    spec, rows = find_gpu(gpu), []
    for (_, m, n, k), times in found.items():
        if max(n, k) > 4 * min(n, k):
            continue
        if precision == "fp16":
            rows.append((m, n, k, min(times.values()), 0.0))
        elif precision == "fp4":
            moved = np.array([(2 + OPERAND_BYTES["fp4"]) * m * k])
            # What the product moves comes between two quantisations of the same activation.
            distance = moved + 2 * m * n + OPERAND_BYTES["fp4"] * n * k
            extra = pointwise_us(moved, moved * miss_share(distance, spec, memory), spec, memory)[0]
            rows.append((m, n, k, min(times.values()), extra))
        elif row := _fp8_row(times, scales.get((m, k), {}), casts.get((m, k), {})):
            # Beyond L2, the scale's own rows are differences of long times, and often 0.
            rows += [(m, n, k, *row)] * (3 * m * k < 0.6 * spec.l2_bytes)
    table = np.array(rows, float)
    table = table[table[:, 4] < MOST_QUANTIZING * table[:, 3]]
    return Rows(spec, "gemm", precision, table[:, :3], table[:, 3], table[:, 4])


def _fp8_row(
    times: dict[str, float], scale: dict[str, float], cast: dict[str, float]
) -> tuple[float, float] | None:
    """Total time and the quantising in it, of the framework whose product alone is fastest."""
    known = [
        (times[name] - scale[name] - cast[name], times[name], scale[name] + cast[name])
        for name in ("trtllm", "vllm")
        if name in times and scale.get(name, 0) > 0.05 and name in cast
    ]
    return min(known)[1:] if known else None


# Bytes moved for an element, and whether it takes the GELU, of kernels that torch.compile generates.
GENERATED = {
    ("norm", "fp16"): (4, 0),
    ("residual norm", "fp16"): (8, 0),
    ("norm quantize", "fp8"): (3, 0),
    ("quantize", "fp8"): (3, 0),
    ("add", "fp16"): (6, 0),
    ("transpose", "fp16"): (4, 0),
}
EAGER = {("add", "fp16"): (6, 0), ("copy", "fp16"): (4, 0), ("quantize", "fp8"): (3, 0)}
GELU = {("gelu", "fp16"): (4, 1)}
CLOCK_KEPT = 0.97
"""Kernels timed at less than this share of the highest clock were slowed down by the power limit."""


def read_timed(name: str) -> list[tuple[str, str, tuple[float, ...], float]]:
    """Kernels timed on the H200 at its full clock: kind, precision, shape, us."""
    with (H200 / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    lowest = CLOCK_KEPT * max(float(row["clock_mhz"]) for row in rows)
    return [
        (row["kernel"], row["precision"], tuple(map(float, row["shape"].split("x"))), float(row["us"]))
        for row in rows
        if float(row["clock_mhz"]) >= lowest
    ]


def timed_pointwise(kinds: dict[tuple[str, str], tuple[float, int]], name: str) -> Rows:
    """Kernels without products on the H200."""
    rows = [
        (*shape, *kinds[kind, precision], us)
        for kind, precision, shape, us in read_timed(name)
        if (kind, precision) in kinds
    ]
    return _alone("h200", "pointwise", "any", rows)


def timed_attention() -> Rows:
    """The fastest of torch's libraries in each shape on the H200."""
    fastest: dict[tuple[float, ...], float] = {}
    for kind, _, shape, us in read_timed("kernels.csv"):
        if kind.startswith("attention"):
            fastest[shape] = min(us, fastest.get(shape, us))
    return _alone("h200", "attention", "fp16", [(*shape, us) for shape, us in fastest.items()])


def timed_gemm(precision: str) -> Rows:
    """Products of cuBLAS on the H200: FP16 with a bias, FP8 with static scales; nothing quantises."""
    found = read_timed("kernels.csv")
    rows = [(*shape, us) for kind, kept, shape, us in found if (kind, kept) == ("gemm", precision)]
    return _alone("h200", "gemm", precision, rows)


def together(*parts: Rows) -> Rows:
    """Rows of one kind of several sources."""
    return replace(
        parts[0],
        shape=np.concatenate([part.shape for part in parts]),
        measured_us=np.concatenate([part.measured_us for part in parts]),
        quantizing_us=np.concatenate([part.quantizing_us for part in parts]),
    )


def predict(rows: Rows, rates: Any, memory: MemoryRates, gelu_clocks: float = 0.0) -> Array:
    """Predicted times of ``rows`` in us, quantising included; activations are warm, weights cold."""
    gpu = rows.gpu
    if rows.kind == "pointwise":
        height, width, element_bytes, has_gelu = rows.shape.T
        moved = height * width * element_bytes
        arithmetic = gelu_us(height * width * has_gelu, gpu, gelu_clocks)
        return pointwise_us(moved, moved * miss_share(moved, gpu, rates), gpu, rates, arithmetic)
    if rows.kind == "attention":
        batch, sequence, heads, width = rows.shape.T
        moved = 4 * 2 * batch * sequence * heads * width
        dram = moved * miss_share(moved, gpu, memory)
        work = AttentionWork(batch * heads, sequence, sequence, width, moved, dram)
        return attention_time(work, gpu.rate("fp16"), gpu, rates, memory).total_us
    m, n, k = rows.shape.T
    size = OPERAND_BYTES[rows.precision]
    warm, cold = m * k * size + m * n * 2, n * k * size
    dram = cold + warm * miss_share(warm + cold, gpu, memory)
    work = GemmWork(m, n, k, np.full_like(m, size), np.full_like(m, 2.0), dram)
    return gemm_time(work, gpu.rate(rows.precision), gpu, rates, memory).total_us + rows.quantizing_us
