"""A small ViT that reads handwritten digits: trained in seconds, so that recipes have an accuracy to lose.

``python tests/support/digits.py FOLDER`` writes what ``prepare`` does, for ``trtbench verify``.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from trtbench.export.model import build_model
from trtbench.specs import ModelSpec
from trtbench.verify.preprocess import Preprocessor

# Heads of 64 as in all of timm's ViTs; 128 and 512 along K are whole blocks of MXFP8 (32) and NVFP4 (16).
MODEL = ModelSpec(
    name="vit_tiny_patch16_224",
    overrides=(("depth", 3), ("embed_dim", 128), ("num_classes", 10), ("num_heads", 2), ("patch_size", 8)),
    img_size=32,
)
TEST_IMAGES = 500

_GRAY_STEP = 15  # of the 17 levels 0 to 16 of an 8x8 image
_EPOCHS, _BATCH, _SHIFT_PX = 16, 32, 2
_PEAK_LEARNING_RATE, _WARM_UP, _WEIGHT_DECAY = 1.5e-3, 0.2, 1.0
_BIAS_SPREAD = 0.25


@dataclass(frozen=True)
class Digits:
    """Weights, and images in class folders (0 to 9); calibration takes some of ``train``."""

    checkpoint: Path
    train: Path
    test: Path


def prepare(folder: Path, seed: int = 0) -> Digits:
    """Write scikit-learn's digits (1297 to train with, 500 to test) and a model trained on them."""
    digits = Digits(folder / "vit.safetensors", folder / "train", folder / "test")
    bunch = load_digits()
    images, labels = bunch.images, bunch.target
    halves = train_test_split(images, labels, test_size=TEST_IMAGES, random_state=0, stratify=labels)
    for directory, pixels, classes in ((digits.train, *halves[::2]), (digits.test, *halves[1::2])):
        _write_images(directory, pixels, classes)
    model = _train(*load_images(digits.train), seed)
    safetensors.torch.save_file(model.state_dict(), digits.checkpoint)
    return digits


def load_images(directory: Path) -> tuple[Tensor, Tensor]:
    """Images ``(N, C, H, W)`` of class folders as verification preprocesses them, and classes ``(N,)``."""
    preprocess = Preprocessor(MODEL, (3, 32, 32))
    paths = sorted(directory.rglob("*.png"))
    images = torch.from_numpy(np.stack([preprocess(path) for path in paths]))
    return images, torch.tensor([int(path.parent.name) for path in paths])


def _write_images(directory: Path, images: np.ndarray, classes: np.ndarray) -> None:
    for index, (pixels, label) in enumerate(zip(images, classes, strict=True)):
        folder = directory / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * _GRAY_STEP).astype(np.uint8)).save(folder / f"{index:04d}.png")


def _train(images: Tensor, classes: Tensor, seed: int) -> nn.Module:
    """Train on one thread: as fast as two at this size, and the same whatever else the machine does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(MODEL).train()
        _start_large(model)
        _optimize(model, images, classes)
    torch.set_num_threads(threads)
    return model.eval()


def _start_large(model: nn.Module) -> None:
    """Start where much is to be lost: with weights and biases as large as those of ViTs trained for long.

    Weights are Glorot's; timm's deviation of 0.02 is for 768 channels and learns slowly with 128.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=_BIAS_SPREAD)


def _optimize(model: nn.Module, images: Tensor, classes: Tensor) -> None:
    optimizer = _optimizer(model)
    steps = len(images) // _BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _PEAK_LEARNING_RATE, total_steps=_EPOCHS * steps, pct_start=_WARM_UP
    )
    for _ in range(_EPOCHS):
        for chosen in torch.randperm(len(images))[: steps * _BATCH].view(steps, _BATCH):
            loss = cross_entropy(model(_shifted(images[chosen])), classes[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def _optimizer(model: nn.Module) -> torch.optim.AdamW:
    """Weights decay, biases and norms do not, as ViTs are trained."""
    decaying = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [{"params": decaying, "weight_decay": _WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, fused=True)


def _shifted(images: Tensor) -> Tensor:
    """Each image moved by up to ``_SHIFT_PX`` in both directions, which is worth some more images."""
    side = images.shape[-1]
    wide = pad(images, (_SHIFT_PX,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * _SHIFT_PX + 1, (len(images), 2)).tolist()
    return torch.stack(
        [image[:, y : y + side, x : x + side] for image, (y, x) in zip(wide, offsets, strict=True)]
    )


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
