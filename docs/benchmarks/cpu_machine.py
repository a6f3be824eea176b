"""Time what a user without a GPU waits for: compare (cold, again), export of each precision, --help.

Run from the repository's root, after installation, on an idle machine:

    uv run python docs/benchmarks/cpu_machine.py

Every command runs in a process of its own, each export on an empty store. Wall time is of the whole command;
memory is the peak of the resident sets of all its processes added up, sampled every 50 ms from /proc, so that
shared pages count more than once.
The results go to docs/benchmarks/cpu_machine.md.
"""

import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from arguments import parse

from trtbench.host.hardware import package_versions

TRTBENCH = str(Path(sys.executable).with_name("trtbench"))
PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp8", "mxfp8", "nvfp4")
VARIANTS = ("int8@stock", "fp8@stock", "mxfp8@stock", "nvfp4@stock", "nvfp4+sparse", "nvfp4+fp8attn")
PACKAGES = ("trtbench", "torch", "timm", "nvidia-modelopt", "onnx", "tensorrt-rtx")


@dataclass(frozen=True)
class Timing:
    """One command with its limit; ``limit_s`` is what the project promises."""

    arguments: str
    store: str
    wall_s: float
    peak_rss_bytes: int
    limit_s: float


def resident_bytes(root_pid: int) -> int:
    """Resident memory of a process and all its descendants."""
    parents, resident = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:  # the process ended meanwhile
            continue
        pid = int(fields["Pid"])
        parents[pid] = int(fields["PPid"])
        resident[pid] = int(fields.get("VmRSS", "0 kB").split()[0]) * 1024
    family = {root_pid}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(resident.get(pid, 0) for pid in family)


def run(arguments: str, limit_s: float, store: str = "", label: str = "") -> Timing:
    """Run ``trtbench`` with ``arguments`` to its end; ``label`` says what kind of store it meets."""
    command = [*shlex.split(arguments), *(["--store", store] if store else [])]
    start = time.perf_counter()
    process = subprocess.Popen([TRTBENCH, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident_bytes(process.pid))
        time.sleep(0.05)
    wall_s = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"trtbench {arguments} ended with {process.returncode}")
    timing = Timing(arguments, label, wall_s, peak, limit_s)
    print(f"{arguments} {label}: {wall_s:.2f} s of {limit_s:g} s, {peak / 1e9:.2f} GB", flush=True)
    return timing


def measure() -> list[Timing]:
    """All commands, one after the other."""
    timings = [run("--help", 0.2) for _ in range(3)][-1:]
    with tempfile.TemporaryDirectory() as store:
        compare = "compare fp16 mxfp8 nvfp4"
        timings.append(run(compare, 45, store, "empty"))
        timings.append(run(compare, 1.2, store, "all there"))
    cells = [(precision, batch) for precision in PRECISIONS for batch in (1, 64)]
    for recipe, batch in [*cells, *((variant, 64) for variant in VARIANTS)]:
        with tempfile.TemporaryDirectory() as store:
            timings.append(run(f"export --precision {recipe} --batch {batch}", 25, store, "empty"))
    return timings


def report(timings: list[Timing]) -> str:
    """The results as Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in package_versions(PACKAGES).items())
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, no GPU"
    lines = [
        "# Waiting times on a machine without a GPU",
        "",
        f"Measured {date.today():%Y-%m-%d} with `uv run python docs/benchmarks/cpu_machine.py`",
        f"on {machine}: {versions}.",
        "The model is ViT-B/16 (timm `vit_base_patch16_224`), the batch 64 unless said, the target sm120.",
        "Memory is the peak of all processes of the command added up.",
        "Of `int8@stock`, 12 s are spent in ModelOpt's own conversion to FP16, which our graph does without.",
        "",
        "| command | store | wall time, s | promised, s | peak memory, GB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `trtbench {t.arguments}` | {t.store} | {t.wall_s:.2f} | {t.limit_s:g} "
        f"| {t.peak_rss_bytes / 1e9:.2f} |"
        for t in timings
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    parse(__doc__)
    Path(__file__).with_suffix(".md").write_text(report(measure()))
