"""Write the table of the 39 compiled variants, both precisions in a row, from the cells of the sweep.

::

    trtbench sweep vit39 --export-csv docs/benchmarks/vit39/cells.csv --plots docs/benchmarks/vit39
    python docs/benchmarks/vit39/table.py > docs/benchmarks/vit39/table.md
"""

import csv
from pathlib import Path

from trtbench.units import format_bytes

CELLS = Path(__file__).with_name("cells.csv")
HEADINGS = (
    *("variant", "FP4 share of GEMM FLOPs", "kernels: fp16", "nvfp4", "quantizing in nvfp4"),
    *("other traffic: fp16", "nvfp4", "engine: fp16", "nvfp4"),
    *("predicted ms: fp16", "90 % interval", "nvfp4", "90 % interval", "speed-up"),
)
KERNELS = tuple(f"compiled_{kind}_kernels" for kind in ("gemm", "attention", "quantize", "other"))
Cell = dict[str, str]


def cells() -> dict[str, dict[str, Cell]]:
    """Cells by model and recipe, in the order of the plan."""
    found: dict[str, dict[str, Cell]] = {}
    with CELLS.open(encoding="utf-8", newline="") as file:
        for cell in csv.DictReader(file):
            found.setdefault(cell["model"], {})[cell["recipe"]] = cell
    return found


def speedup(fp16: Cell, nvfp4: Cell) -> float:
    """Predicted time in FP16 by that in NVFP4."""
    return float(fp16["predicted_gpu_compute_ms"]) / float(nvfp4["predicted_gpu_compute_ms"])


def row(model: str, fp16: Cell, nvfp4: Cell) -> tuple[str, ...]:
    """What stands in one line."""
    both = (fp16, nvfp4)
    return (
        model,
        f"{float(nvfp4['compiled_gemm_flops_share_fp4']):.1%}",
        *(str(sum(int(cell[kind]) for kind in KERNELS)) for cell in both),
        nvfp4["compiled_quantize_kernels"],
        *(format_bytes(int(cell["compiled_other_bytes"])) for cell in both),
        *(format_bytes(int(cell["engine_size_bytes"])) for cell in both),
        *(text for cell in both for text in time_of(cell)),
        f"{speedup(fp16, nvfp4):.2f}x",
    )


def time_of(cell: Cell) -> tuple[str, str]:
    """The predicted time and its interval, in ms."""
    low, high = (float(cell[f"predicted_gpu_compute_{end}_ms"]) for end in ("low", "high"))
    return f"{float(cell['predicted_gpu_compute_ms']):.3f}", f"{low:.3f} to {high:.3f}"


def main() -> None:
    """Print the page."""
    print("# 39 variants compiled for Blackwell")
    print("\nCompiled and predicted. Written by `table.py` from `cells.csv`.\n")
    for cells_of_row in (HEADINGS, ("---",) * len(HEADINGS)):
        print(f"| {' | '.join(cells_of_row)} |")
    for model, recipes in cells().items():
        print(f"| {' | '.join(row(model, recipes['fp16'], recipes['nvfp4']))} |")


if __name__ == "__main__":
    main()
