"""How long ``trtbench trace`` takes for an export of many kernels, and how much memory.

    python docs/benchmarks/trace_size.py large.sqlite

Makes the export if it is not there: inferences of 130 kernels on one stream, each kernel launched by a call
of its own, as in an eager model, with the columns of Nsight Systems 2026. Then reads it in a process of its
own, and prints wall time, processor time and the largest resident memory.
"""

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

KERNEL_COLUMNS = [
    "start",
    "end",
    "deviceId",
    "contextId",
    "greenContextId",
    "streamId",
    "correlationId",
    "globalPid",
    "demangledName",
    "shortName",
    "mangledName",
    "launchType",
    "cacheConfig",
    "registersPerThread",
    "gridX",
    "gridY",
    "gridZ",
    "blockX",
    "blockY",
    "blockZ",
    "staticSharedMemory",
    "dynamicSharedMemory",
    "localMemoryPerThread",
    "localMemoryTotal",
    "gridId",
    "sharedMemoryExecuted",
    "graphNodeId",
    "sharedMemoryLimitConfig",
]
CALL_COLUMNS = [
    "start",
    "end",
    "eventClass",
    "globalTid",
    "correlationId",
    "nameId",
    "returnValue",
    "callchainId",
]
BLOCK = (
    ("vectorized_layer_norm_kernel", 2500),
    ("nvjet_hsh_128x192_64x5_2x1_v_bz_coopA_bias_TNT", 9000),
    ("pytorch_flash::flash_fwd_kernel", 6000),
    ("nvjet_hsh_128x128_64x6_2x1_v_bz_coopA_bias_TNT", 4500),
    ("vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::Half>>", 1900),
    ("vectorized_layer_norm_kernel", 2500),
    ("nvjet_hsh_192x192_64x4_2x1_v_bz_coopB_bias_TNT", 11000),
    ("vectorized_elementwise_kernel<8, at::native::GeluCUDAKernelImpl>", 2800),
    ("nvjet_hsh_128x192_64x5_2x1_v_bz_splitK_TNT", 10500),
    ("vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::Half>>", 1900),
)
ENDS = ("sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc", "CatArrayBatchedCopy")
BATCH = 100_000


def sequence() -> list[tuple[str, int]]:
    """Name and ns of each kernel of an inference."""
    return [(ENDS[0], 9000), (ENDS[1], 2000), *BLOCK * 12, ("reduce_kernel", 2000), *BLOCK[:7]]


def rows(count: int, numbers: dict[str, int]) -> Iterator[tuple[tuple[object, ...], tuple[object, ...]]]:
    """A kernel and the call that launches it."""
    inference = [(numbers[name], ns) for name, ns in sequence()]
    now, launch, pid = 1_000_000_000, 999_990_000, 4242 << 24
    for index in range(count):
        name, ns = inference[index % len(inference)]
        now = max(now + 900, launch + 7000) + (40_000 if index % len(inference) == 0 else 0)
        ns += index * 7919 % 97
        kernel = (
            *(
                now,
                now + ns,
                0,
                1,
                None,
                7,
                index + 1,
                pid,
                name,
                name,
                name,
                1,
                0,
                128,
                264,
                1,
                1,
                256,
                1,
                1,
            ),
            *(0, 98304, 0, 0, index, 102400, None, 0),
        )
        yield kernel, (launch, launch + 2600, 0, pid, index + 1, 1, 0, None)
        launch, now = max(launch + 4300, now - 3_000_000), now + ns


def make(path: Path, count: int) -> None:
    """Write the export, under another name until it is complete."""
    work = path.with_suffix(".part")
    work.unlink(missing_ok=True)
    names = list(dict.fromkeys(name for name, _ in sequence()))
    numbers = {name: 100 + index for index, name in enumerate(names)}
    database = sqlite3.connect(work)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    for table, columns in (("KERNEL", KERNEL_COLUMNS), ("RUNTIME", CALL_COLUMNS)):
        listed = ", ".join(f'"{each}" INTEGER' for each in columns)
        database.execute(f"CREATE TABLE CUPTI_ACTIVITY_KIND_{table} ({listed})")
    database.execute("CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
    texts = [(number, name) for name, number in numbers.items()]
    database.executemany("INSERT INTO StringIds VALUES (?, ?)", [*texts, (1, "cudaLaunchKernel_v7000")])
    marks = {width: ", ".join("?" * width) for width in (len(KERNEL_COLUMNS), len(CALL_COLUMNS))}
    made = rows(count, numbers)
    while batch := list(islice(made, BATCH)):
        for table, place, width in (("KERNEL", 0, len(KERNEL_COLUMNS)), ("RUNTIME", 1, len(CALL_COLUMNS))):
            statement = f"INSERT INTO CUPTI_ACTIVITY_KIND_{table} VALUES ({marks[width]})"  # noqa: S608
            database.executemany(statement, [each[place] for each in batch])
    database.commit()
    database.close()
    work.replace(path)


def main() -> None:
    """Make the export, read it, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--kernels", type=int, default=10_000_000)
    arguments = parser.parse_args()
    if not arguments.path.exists():
        make(arguments.path, arguments.kernels)
    print(f"{arguments.path.stat().st_size / 1e9:.2f} GB, {len(os.sched_getaffinity(0))} cores")
    started_s = time.perf_counter()
    command = "from trtbench.cli.app import main; main()"
    subprocess.run([sys.executable, "-c", command, "trace", str(arguments.path)], check=True)
    wall_s = time.perf_counter() - started_s
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s, peak_gb = used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss / 1e9
    print(f"{wall_s:.1f} s wall, {processor_s:.1f} s processor, {peak_gb:.2f} GB")


if __name__ == "__main__":
    main()
