"""Time and trace DeiT-Base with fewer and fewer tokens in torch, eager and in a CUDA graph.

    python docs/benchmarks/h200/time_token_reduction.py token_reduction.json

Needs one NVIDIA GPU, torch 2.11 or later, timm and what FP8 in torch needs. Random weights. Two grids:

    keep rates   224 pixels batch 1, 448 pixels batch 8; FP16, bfloat16, FP8; from all tokens to 1 in 1000
    image sizes  112 to 640 pixels, batch 1 and 8; bfloat16; all tokens, evit at 0.5 and 0.1, tome

Of each model, eager and in a graph: ``wall_ms`` and ``latency_ms`` (back to back, one alone) of 9 rounds in
which all reductions of one shape take turns, and 10 queries under torch's profiler, summed up as
``trtbench trace`` does. A second run goes on where the first ended.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from arguments import check_gpu, parser
from eager_and_graph import Results, eager_and_graph, machine, progress, rounded, time_in_turns, traced

from trtbench.export.calibration import resolve_calibration
from trtbench.export.flops import analytic_flops
from trtbench.export.images import ImageBatches
from trtbench.export.token_reduction import reduce_tokens
from trtbench.runtimes.torch_model import use_fp8
from trtbench.specs import CalibrationSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.specs.token_reduction import parse_token_reduction

MODEL, DEPTH, PATCH = "deit_base_patch16_224", 12, 16
AT = "3+6+9"
KEEPS = (0.9, 0.7, 0.5, 0.3, 0.1)
MERGED = {224: (2, 4, 8, 12, 16), 448: (8, 16, 32, 48, 65)}
SIZES = (112, 160, 224, 288, 352, 448, 544, 640)
TOME_SHARE = 8 / 196
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.float16}
ROUNDS, TRACED = 9, 10


@dataclass(frozen=True)
class Group:
    """Models that take turns; the first word, ``none``, is the model with all tokens."""

    pixels: int
    batch: int
    precision: str
    words: tuple[str, ...]

    def name(self, word: str) -> str:
        """Name of a row."""
        return f"{self.pixels}px b{self.batch} {self.precision} {word}"


def groups() -> Iterator[Group]:
    """Both grids; what both hold is in the first."""
    for pixels, batch in ((224, 1), (448, 8)):
        words = (
            "none",
            *(f"evit:keep={keep},at={AT}" for keep in KEEPS),
            *(f"tome:r={r}" for r in MERGED[pixels]),
        )
        for precision in DTYPES:
            yield Group(pixels, batch, precision, words)
    for pixels in SIZES:
        r = round(TOME_SHARE * (pixels // PATCH) ** 2)
        words = ("none", f"evit:keep=0.5,at={AT}", f"evit:keep=0.1,at={AT}", f"tome:r={r}")
        for batch in (1, 8):
            if (pixels, batch) not in ((224, 1), (448, 8)):
                yield Group(pixels, batch, "bf16", words)


def model_of(group: Group, word: str, device: str) -> Any:
    """DeiT-Base in float32 with a reduction; on the device ``meta`` it has no weights."""
    torch.manual_seed(0)
    model = timm.create_model(MODEL, img_size=group.pixels, device=device).eval().requires_grad_(False)
    if word != "none":
        reduce_tokens(model, parse_token_reduction(word))
    return model


def quantized(model: Any, group: Group) -> Any:
    """The model in the precision of the group, on its device."""
    images = ImageBatches(resolve_calibration(CalibrationSpec(samples=2)), model)
    model = model.to(DTYPES[group.precision])
    if group.precision == "fp8":
        use_fp8(model, parse_recipe("fp8"), images)
    return model


def tokens_of(group: Group, word: str) -> list[int]:
    """Tokens in the MLP of each block, the class token among them."""
    patches, found = (group.pixels // PATCH) ** 2, []
    for block in range(DEPTH):
        if word != "none":
            patches = parse_token_reduction(word).after(block, patches)
        found.append(patches + 1)
    return found


def measure(group: Group, device: str = "cuda") -> Iterator[dict[str, Any]]:
    """Times of all models of a group in turns, then their traces: one row a model."""
    shape = (group.batch, 3, group.pixels, group.pixels)
    images = torch.randn(shape, device=device, dtype=DTYPES[group.precision])
    arms = {
        word: eager_and_graph(word, quantized(model_of(group, word, device), group), images)
        for word in group.words
    }
    time_in_turns([arm for pair in arms.values() for arm in pair], ROUNDS, torch.cuda.synchronize)
    for word, pair in arms.items():
        row = {
            "name": group.name(word),
            "pixels": group.pixels,
            "batch": group.batch,
            "precision": group.precision,
            "token_reduction": word,
            "tokens": tokens_of(group, word),
            "flops": sum(analytic_flops(model_of(group, word, "meta"), group.batch).values()),
        }
        for way, arm in zip(("eager", "graph"), pair, strict=True):
            row[way] = arm.samples() | {"trace": traced(arm, TRACED)}
        yield row


def main() -> None:
    """Write all groups."""
    words = parser(__doc__)
    words.add_argument("file", type=Path)
    results = Results(words.parse_args().file, "name")
    check_gpu()
    started_s, plan = time.perf_counter(), list(groups())
    for done, group in enumerate(plan, start=1):
        if all(group.name(word) in results for word in group.words):
            continue
        results.drop(group.name(word) for word in group.words)
        for row in measure(group):
            results.add(rounded(row, 5), machine())
            texts = (f"{way} {min(row[way]['wall_ms']):.3f} ms" for way in ("eager", "graph"))
            progress(done, len(plan), started_s, f"{row['name']}: {', '.join(texts)}")
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
