"""How long ``trtbench report`` takes for many results at once, and how large the page is.

    python docs/benchmarks/report_size.py results/compare-vit.json

Copies the result 500 times, reports on all copies in a process of its own, and prints wall time, processor
time, the largest resident memory and the size of the page.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Copy, report, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, page = Path(folder, "results"), Path(folder, "report.html")
        results.mkdir()
        for index in range(arguments.count):
            shutil.copy(arguments.result, results / f"{index}.json")
        started_s = time.perf_counter()
        command = "from trtbench.cli.app import main; main()"
        subprocess.run([sys.executable, "-c", command, "report", results, "-o", page], check=True)
        wall_s = time.perf_counter() - started_s
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor_s, peak_gb = used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss / 1e9
        print(f"{arguments.count} results, {len(os.sched_getaffinity(0))} cores")
        print(f"{wall_s:.1f} s wall, {processor_s:.1f} s processor, {peak_gb:.2f} GB")
        print(f"{page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
