"""Time and trace Vision Transformers of many sizes in torch, eager and in a CUDA graph.

    python docs/benchmarks/h200/time_variants.py variants.json

Needs one NVIDIA GPU, torch 2.11 or later and timm. All variants of patch 8, 16, 32, depth 6, 12, 18, 24 and
width 384, 768, 1024, 1280 with heads of 64, called ``vit<patch>x<depth>x<width>``: bfloat16, batch 8, 224
pixels, random weights. Of each, eager and in a graph:

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

PATCHES = (8, 16, 32)
DEPTHS = (6, 12, 18, 24)
WIDTHS = (384, 768, 1024, 1280)
HEAD = 64
BATCH, PIXELS = 8, 224
ROUNDS, TRACED = 7, 10


def variant(patch: int, depth: int, width: int, device: str = "cuda", dtype: Any = torch.bfloat16) -> Any:
    """A Vision Transformer of this size with random weights."""
    model = timm.create_model(
        "vit_base_patch16_224",
        patch_size=patch,
        depth=depth,
        embed_dim=width,
        num_heads=width // HEAD,
        device=device,
    )
    return model.to(dtype).eval()


def measure(patch: int, depth: int, width: int) -> dict[str, Any]:
    """Times and traces of one variant."""
    torch.manual_seed(0)
    module = variant(patch, depth, width)
    images = torch.randn(BATCH, 3, PIXELS, PIXELS, device="cuda", dtype=torch.bfloat16)
    arms = eager_and_graph("", module, images)
    time_in_turns(arms, ROUNDS, torch.cuda.synchronize)
    row = {
        "variant": f"vit{patch}x{depth}x{width}",
        "patch": patch,
        "depth": depth,
        "width": width,
        "tokens": (PIXELS // patch) ** 2 + 1,
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
    started_s, grid = time.perf_counter(), list(product(PATCHES, DEPTHS, WIDTHS))
    for done, size in enumerate(grid, start=1):
        name = "vit{}x{}x{}".format(*size)
        if name in results:
            continue
        row = measure(*size)
        results.add(rounded(row), machine())
        shares = ", ".join(
            f"{way} {min(row[way]['wall_ms']):.2f} ms, busy {row[way]['trace']['utilisation']:.0%}"
            for way in ("eager", "graph")
        )
        progress(done, len(grid), started_s, f"{name}: {shares}")
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
