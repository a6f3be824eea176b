"""Accuracy of a small trained ViT by how many of its tokens a reduction keeps.

Run from the repository's root:

    python docs/benchmarks/token_reduction_accuracy.py

The model reads handwritten digits: 3 blocks, 16 patches and a class token, trained here in seconds on 1297
images and never with a reduction. Each reduction is exported in FP16 and NVFP4, and the exported files are
computed on the 500 images that it was not trained on. The page goes to
docs/benchmarks/token_reduction_accuracy.md.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from math import sqrt
from pathlib import Path

from arguments import parse

import trtbench
from trtbench.host.hardware import package_versions
from trtbench.results import Fidelity
from trtbench.specs.token_reduction import parse_token_reduction

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support.digits import MODEL, TEST_IMAGES, Digits, prepare

RECIPES = ("fp16", "nvfp4")
KEEP_RATES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
WORDS = (
    *(f"evit:keep={keep:g},at=1" for keep in KEEP_RATES),
    *(f"tome:r={r}" for r in (1, 2, 3, 4)),
)
PATCHES, BLOCKS = 16, 3
PAGE = Path(__file__).with_suffix(".md")
_CONFIDENCE_95 = 1.96


@dataclass(frozen=True)
class Row:
    """One reduction, or none: patches that each MLP computes, and what each recipe comes to."""

    word: str | None
    patches: tuple[int, ...]
    fidelities: dict[str, Fidelity]


def patches_of(word: str | None) -> tuple[int, ...]:
    """Patches behind the attention of each block."""
    left, found = PATCHES, []
    for block in range(BLOCKS):
        left = left if word is None else parse_token_reduction(word).after(block, left)
        found.append(left)
    return tuple(found)


def rows(folder: Path, digits: Digits) -> Iterator[Row]:
    """Verify all reductions, and the model without one."""
    for word in (None, *WORDS):
        found = trtbench.verify(
            RECIPES,
            model=MODEL.name,
            overrides=dict(MODEL.overrides),
            img_size=MODEL.img_size,
            batch=8,
            checkpoint=digits.checkpoint,
            calib=digits.train,
            calib_samples=64,
            data=digits.test,
            data_samples=TEST_IMAGES,
            token_reduction=word,
            store=folder,
        )
        if reasons := [row.reason for row in found.rows if row.reason]:
            sys.exit(f"{word}: {reasons[0]}")
        fidelities = {str(row.recipe): row.fidelity for row in found.rows if row.fidelity is not None}
        print(word, {name: each.top1 for name, each in fidelities.items()}, file=sys.stderr, flush=True)
        yield Row(word, patches_of(word), fidelities)


def percent(top1: float | None) -> str:
    """Share of correct images with Wilson's 95 % interval."""
    if top1 is None:
        raise ValueError("the images have no labels")
    z2 = _CONFIDENCE_95**2 / TEST_IMAGES
    middle = (top1 + z2 / 2) / (1 + z2)
    half = sqrt(z2 * (top1 * (1 - top1) + z2 / 4)) / (1 + z2)
    return f"{top1:.1%} ({middle - half:.1%} to {middle + half:.1%})"


def page(found: list[Row]) -> str:
    """The table, with how it was made."""
    versions = ", ".join(f"{name} {version}" for name, version in package_versions(("torch", "timm")).items())
    full = found[0].fidelities["fp16"].reference.top1
    lines = [
        f"| {'none' if row.word is None else f'`{row.word}`'} | {', '.join(map(str, row.patches))} | "
        + " | ".join(percent(row.fidelities[recipe].top1) for recipe in RECIPES)
        + " |"
        for row in found
    ]
    return "\n".join(
        (
            "# Accuracy by the tokens that are kept",
            "",
            f"Emulated, {date.today().isoformat()}, {versions}:",
            "`python docs/benchmarks/token_reduction_accuracy.py`, which says what was run. Top-1 on 500",
            f"images with its 95 % interval; FP32 with all tokens: {percent(full)}.",
            "",
            "| reduction | patches in blocks 0, 1, 2 | FP16 | NVFP4 |",
            "|---|---|---|---|",
            *lines,
            "",
        )
    )


def main() -> None:
    """Train, verify, and write the page."""
    parse(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = list(rows(folder / "store", prepare(folder / "digits")))
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
