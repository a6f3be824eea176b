"""Whether padding the tokens of a ViT-B/16 pays, compiled and predicted: the table of docs/results/tuning.md.

    python docs/benchmarks/padded_tokens.py --store DIR

Three blocks are built for each number of tokens, and their time is extrapolated to twelve. Padded tokens
follow the others; they are computed and never read. ``masked``: attention gives them no weight, so that the
model computes what it computed before. ``free``: it does, so that this only bounds what padding could gain.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.errors import TrtbenchError
from trtbench.export import export
from trtbench.predict.gpus import find_gpu
from trtbench.results import BuiltEngine
from trtbench.specs import BuildSpec, CalibrationSpec, ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.tune.estimate import whole_time
from trtbench.units import format_bytes

MODEL, DEPTH, BLOCKS, TOKENS = "vit_base_patch16_224", 12, 3, 197
RECIPES = ("fp16", "nvfp4", "nvfp4+fp8attn")
PADDED = ((197, "none"), (200, "free"), (208, "free"), (256, "free"), (208, "masked"), (256, "masked"))


def padding(tokens: int, is_masked: bool) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """``_pos_embed`` and ``forward`` of timm's model with ``tokens``, and its attention masked or not."""
    embed, forward = VisionTransformer._pos_embed, VisionTransformer.forward

    def padded(model: VisionTransformer, x: Tensor) -> Tensor:
        found = embed(model, x)
        return functional.pad(found, (0, 0, 0, tokens - found.shape[1]))

    def masked(model: VisionTransformer, x: Tensor) -> Tensor:
        mask = torch.zeros(1, 1, tokens, tokens, dtype=x.dtype, device=x.device)
        mask[..., TOKENS:] = float("-inf")
        return forward(model, x, attn_mask=mask)

    return padded, masked if is_masked else forward


def engine_of(recipe: str, batch: int, store: Store) -> BuiltEngine:
    """Export and build three blocks."""
    model = ModelSpec(name=MODEL, overrides=(("depth", BLOCKS),))
    calibration = CalibrationSpec(samples=1)
    spec = ExportSpec(model=model, recipe=parse_recipe(recipe), batch=batch, calibration=calibration)
    onnx, _ = export(spec, store)
    engine, _ = build(onnx, BuildSpec(), store)
    return BuiltEngine(
        depth=DEPTH,
        blocks=BLOCKS,
        audit=inspect_engine(engine),
        engine_bytes=engine.manifest.files[0].size_bytes,
        activation_bytes=engine.manifest.activation_bytes,
    )


def line(recipe: str, tokens: int, kind: str, batch: int, gpu: str, folder: Path) -> str:
    """A line of the table."""
    try:
        # The identity of an export does not know of the padding, so that each has a store of its own.
        built = engine_of(recipe, batch, Store(folder / f"{tokens}-{kind}"))
    except TrtbenchError as error:
        return f"| `{recipe}` | {tokens} | {kind} | failed: {str(error).partition(' (log:')[0]} |"
    time = whole_time(built, find_gpu(gpu), batch)
    cells = (
        built.audit.attention_precision or "not fused",
        built.audit.gemm_kernels,
        built.audit.other_kernels,
        format_bytes(built.audit.other_bytes),
        f"{time.gpu_compute_ms:.3f}",
        f"{time.images_per_s:.0f}",
    )
    return f"| `{recipe}` | {tokens} | {kind} | {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", default="rtx-pro-6000-se")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--store", type=Path, required=True)
    words = parser.parse_args()
    print(
        f"| recipe | tokens | padded | attention | GEMMs, {BLOCKS} blocks | other kernels | their bytes "
        "| predicted ms | images/s |"
    )
    print("|---" * 9 + "|")
    embed, forward = VisionTransformer._pos_embed, VisionTransformer.forward
    for tokens, kind in PADDED:
        padded, attending = padding(tokens, kind == "masked")
        if kind != "none":
            VisionTransformer._pos_embed, VisionTransformer.forward = padded, attending
        for recipe in RECIPES:
            print(line(recipe, tokens, kind, words.batch, words.gpu, words.store), flush=True)
        VisionTransformer._pos_embed, VisionTransformer.forward = embed, forward


if __name__ == "__main__":
    main()
