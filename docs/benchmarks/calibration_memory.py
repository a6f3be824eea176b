"""Peak memory and time of an export that calibrates on many images, which this script draws.

``python docs/benchmarks/calibration_memory.py FOLDER 1000 2``: DINOv2's ViT-S/14 at its 518 pixels, cut
to two blocks, as ``nvfp4+fp8attn``, which runs all images through the model twice.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

_SIZE = (800, 600)


def draw(folder: Path, samples: int) -> Path:
    """Draw smooth noise, other noise in each image."""
    photos = folder / f"photos-{samples}"
    photos.mkdir(parents=True, exist_ok=True)
    for number in range(samples):
        noise = np.random.default_rng(number).integers(0, 256, (18, 24, 3), dtype=np.uint8)
        Image.fromarray(noise).resize(_SIZE, Image.Resampling.BICUBIC).save(photos / f"{number:04}.jpg")
    return photos


def main() -> None:
    """Export in a process of its own, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("samples", type=int)
    parser.add_argument("depth", type=int)
    given = parser.parse_args()
    photos = draw(given.folder, given.samples)
    command = "from trtbench.cli.app import main; main()"
    options = f"--model vit_small_patch14_dinov2 --set depth={given.depth} --batch 8"
    options += f" --calib-samples {given.samples}"
    words = [
        "export",
        "nvfp4+fp8attn",
        *options.split(),
        "--calib",
        photos,
        "--store",
        given.folder / "store",
    ]
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", command, *map(str, words)], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_maxrss * 1024 / 1e9:.2f} GB at most, {time.perf_counter() - started:.0f} s")
    print(f"{used.ru_utime + used.ru_stime:.0f} s on a core")


if __name__ == "__main__":
    main()
