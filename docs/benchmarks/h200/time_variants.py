"""Time and trace Vision Transformers of many sizes in torch, eager and in a CUDA graph.

    python docs/benchmarks/h200/time_variants.py variants.json

Needs one NVIDIA GPU, torch 2.11 or later and timm. The whole grid of ``trtbench/sweep/plans/vit39.yaml``, 39
variants and nine that the plan leaves out, at its batch and image size: bfloat16, random weights. Of each,
eager and in a graph:

    wall_ms, latency_ms   back to back, and one alone; 7 rounds in which both ways take turns
    trace                 10 queries under torch's profiler, summed up as ``trtbench trace`` does

``moved_bytes`` are those that torch's operations read and write. A second run goes on where the first ended.
"""

import time
from itertools import product
from pathlib import Path
from typing import Any

import timm
import torch
import yaml
from arguments import check_gpu, parser
from eager_and_graph import (
    Results,
    eager_and_graph,
    machine,
    moved_bytes,
    progress,
    rounded,
    time_in_turns,
    traced,
)

import trtbench
from trtbench.specs.sized_vit import SizedViT

PLAN = yaml.safe_load((Path(trtbench.__file__).parent / "sweep/plans/vit39.yaml").read_text(encoding="utf-8"))
ROUNDS, TRACED = 7, 10


def variants() -> list[SizedViT]:
    """All variants of the grid of the plan."""
    grid = product(PLAN["patch"], PLAN["depth"], PLAN["width"])
    return [SizedViT(patch=patch, depth=depth, width=width) for patch, depth, width in grid]


def model_of(size: SizedViT, device: str = "cuda", dtype: Any = torch.bfloat16) -> Any:
    """A Vision Transformer with random weights."""
    return timm.create_model("vit_base_patch16_224", device=device, **size.arguments).to(dtype).eval()


def measure(size: SizedViT) -> dict[str, Any]:
    """Times and traces of one variant."""
    torch.manual_seed(0)
    module, pixels = model_of(size), PLAN["image"]
    images = torch.randn(PLAN["batch"], 3, pixels, pixels, device="cuda", dtype=torch.bfloat16)
    arms = eager_and_graph("", module, images)
    time_in_turns(arms, ROUNDS, torch.cuda.synchronize)
    row = {
        "variant": size.name,
        "patch": size.patch,
        "depth": size.depth,
        "width": size.width,
        "tokens": (pixels // size.patch) ** 2 + 1,
        "weights": sum(each.numel() for each in module.parameters()),
        "moved_bytes": moved_bytes(module, images),
    }
    for arm in arms:
        row[arm.label.strip()] = arm.samples() | {"trace": traced(arm, TRACED)}
    return row


def main() -> None:
    """Write all variants."""
    words = parser(__doc__)
    words.add_argument("file", type=Path)
    results = Results(words.parse_args().file, "variant")
    check_gpu()
    started_s, sizes = time.perf_counter(), variants()
    for done, size in enumerate(sizes, start=1):
        if size.name in results:
            continue
        row = measure(size)
        results.add(rounded(row), machine())
        shares = ", ".join(
            f"{way} {min(row[way]['wall_ms']):.2f} ms, busy {row[way]['trace']['utilisation']:.0%}"
            for way in ("eager", "graph")
        )
        progress(done, len(sizes), started_s, f"{size.name}: {shares}")
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
