"""What a stranger brings: a small ViT as a training script saves it, and drawn images in class folders."""

from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image, ImageDraw

SHAPES = ("circles", "squares", "stripes")


def draw_images(folder: Path, seed: int) -> None:
    """Ten images of each shape, in a folder of its own."""
    chance = np.random.default_rng(seed)
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for index in range(10):
            _drawing(shape, chance).save(folder / shape / f"{index}.png")


def _drawing(shape: str, chance: np.random.Generator) -> Image.Image:
    paper, ink = chance.choice([["navy", "gold"], ["ivory", "green"]])
    image = Image.new("RGB", (96, 80), paper)
    draw = ImageDraw.Draw(image)
    left, top, side = chance.integers((0, 0, 25), (40, 30, 45)).tolist()
    box = (left, top, left + side, top + side)
    if shape == "circles":
        draw.ellipse(box, fill=ink)
    elif shape == "squares":
        draw.rectangle(box, fill=ink)
    else:
        for x in range(left % 12, 96, 12):
            draw.rectangle((x, 0, x + 5, 80), fill=ink)
    return image


def train(images: Path, checkpoint: Path, epochs: int = 30) -> None:
    """Train on all images at once, and save weights, optimizer and epoch."""
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=len(SHAPES))
    config = timm.data.resolve_data_config({"input_size": (3, 64, 64)}, model=model)
    examples = timm.data.create_dataset("", str(images), transform=timm.data.create_transform(**config))
    pixels, labels = (
        torch.stack([torch.as_tensor(part) for part in parts]) for parts in zip(*examples, strict=True)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        loss = torch.nn.functional.cross_entropy(model(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(
        {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epochs}, checkpoint
    )
