"""What the fit of the cost model writes: tables, a sample of held-out predictions, a picture."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cost_model_errors import FP4_STAND_INS, STAND_INS, HeldOut, errors, ratios_by_gpu
from cost_model_rows import FOLDERS, Array

from trtbench.predict.intervals import Bounds, worst_of


def write_sample(held_out: list[HeldOut], path: Path, rows: int = 25) -> None:
    """Write a few held-out kernels of every GPU, precision and split, drawn at random."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["split", "gpu", "kind", "precision", "shape", "measured_us", "predicted_us"])
        groups: dict[tuple[str, str, str], list[tuple[Any, ...]]] = {}
        for each in (each for each in held_out if each.split != "fit"):
            for shape, measured, predicted in zip(
                each.rows.shape, each.rows.measured_us, each.predicted_us, strict=True
            ):
                groups.setdefault((each.split, each.rows.gpu.name, each.rows.key), []).append(
                    ("x".join(f"{size:.0f}" for size in shape), f"{measured:.4g}", f"{predicted:.4g}")
                )
        for (split, gpu, key), found in groups.items():
            for index in sorted(rng.choice(len(found), min(rows, len(found)), replace=False)):
                writer.writerow([split, gpu, *key.split(), *found[index]])


SPLITS = {
    "fit": "seen by the fit",
    "shape": "held-out shapes",
    "family": "held-out model widths",
    "gpu": "GPU left out",
}


def tables(held_out: list[HeldOut]) -> str:
    """Errors by split, and by GPU, as Markdown."""
    keys = list(dict.fromkeys(each.rows.key for each in held_out))
    lines = ["| kernels | " + " | ".join(f"{words}: median, p90" for words in SPLITS.values()) + " |"]
    lines += ["|---|" + "---|" * len(SPLITS)]
    for key in keys:
        cells = [_cell([e for e in held_out if e.split == split and e.rows.key == key]) for split in SPLITS]
        lines.append(f"| {key} | {' | '.join(cells)} |")
    lines += [
        "",
        "| GPU | kernels | rows | held-out shapes: median, p90, bias | predicted with "
        "| GPU left out: median, p90, bias |",
    ]
    lines += ["|---|---|---|---|---|---|"]
    for gpu in FOLDERS:
        for key in keys:
            own = [e for e in held_out if e.rows.gpu.name == gpu and e.rows.key == key]
            shape, left = ([e for e in own if e.split == split] for split in ("shape", "gpu"))
            if own:
                stand_in = (FP4_STAND_INS if "fp4" in key else STAND_INS)[gpu]
                count = sum(len(e.ratios) for e in shape)
                lines.append(
                    f"| {gpu} | {key} | {count} | {_cell(shape, True)} | {stand_in} | {_cell(left, True)} |"
                )
    return "\n".join(lines)


def coverage_table(held_out: list[HeldOut]) -> str:
    """How many kernels lie within intervals that were made without them, as Markdown."""
    own = errors(held_out, ("shape",))["own"]
    lines = [
        "| GPU | kernels | widths held out, interval from held-out shapes "
        "| GPU left out, interval from the other GPUs |",
        "|---|---|---|---|",
    ]
    for key in dict.fromkeys(each.rows.key for each in held_out):
        kernels = [each for each in held_out if each.rows.key == key]
        left_out = ratios_by_gpu([each for each in kernels if each.split == "gpu"])
        for gpu, ratios in left_out.items():
            widths = np.concatenate(
                [e.ratios for e in kernels if (e.split, e.rows.gpu.name) == ("family", gpu)]
            )
            others = worst_of(each for other, each in left_out.items() if other != gpu)
            lines.append(
                f"| {gpu} | {key} | {_within(widths, own[gpu][key].kernel)} | {_within(ratios, others)} |"
            )
    return "\n".join(lines)


def _within(ratios: Array, bounds: Bounds) -> str:
    return f"{100 * np.mean((ratios >= bounds.low) & (ratios <= bounds.high)):.0f} %"


def _cell(held_out: list[HeldOut], bias: bool = False) -> str:
    if not held_out:
        return "-"
    off = np.concatenate([each.predicted_us / each.rows.measured_us for each in held_out]) - 1
    text = f"{100 * np.median(np.abs(off)):.1f} %, {100 * np.quantile(np.abs(off), 0.9):.0f} %"
    return f"{text}, {100 * np.median(off):+.0f} %" if bias else text


COLOURS = {
    "gemm fp16": "#1f77b4",
    "gemm fp8": "#2ca02c",
    "gemm fp4": "#d62728",
    "attention fp16": "#9467bd",
    "pointwise any": "#8c564b",
}


@dataclass(frozen=True)
class Curve:
    """How many kernels or models are within each error; ``off`` are relative errors without sign."""

    label: str
    colour: str
    off: Array
    is_dashed: bool = False


def write_plot(held_out: list[HeldOut], path: Path) -> None:
    """Write the share of kernels within each error: held-out shapes solid, left-out GPUs dashed."""
    curves = [
        Curve(
            "" if split == "gpu" else key,
            colour,
            np.concatenate(
                [np.abs(1 / e.ratios - 1) for e in held_out if e.split == split and e.rows.key == key]
            ),
            split == "gpu",
        )
        for key, colour in COLOURS.items()
        for split in ("shape", "gpu")
    ]
    write_curves(curves, ("solid: held-out shapes", "dashed: GPU left out"), path)


def write_curves(curves: Sequence[Curve], notes: Sequence[str], path: Path) -> None:
    """Draw shares by error, up to 60 %."""
    left, bottom, width, height, most = 50, 250, 420, 220, 60
    percents = np.arange(0, most + 1)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="640" height="300" fill="white"/>',
    ]
    for share in (0, 25, 50, 75, 90, 100):
        y = bottom - height * share / 100
        parts.append(f'<line x1="{left}" y1="{y}" x2="{left + width}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{share} %</text>')
    for percent in range(0, most + 1, 10):
        x = left + width * percent / most
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{percent} %</text>')
    parts.append(
        f'<text x="{left + width / 2}" y="{bottom + 36}" text-anchor="middle">'
        "error of the predicted time</text>"
    )
    for curve in curves:
        shares = [np.mean(curve.off * 100 <= percent) for percent in percents]
        points = " ".join(
            f"{left + width * p / most:.1f},{bottom - height * s:.1f}"
            for p, s in zip(percents, shares, strict=True)
        )
        dash = ' stroke-dasharray="4 3"' if curve.is_dashed else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{curve.colour}" stroke-width="1.5"{dash}/>'
        )
    labelled = [(curve.colour, curve.label) for curve in curves if curve.label]
    for row, (colour, text) in enumerate((*labelled, *(("black", note) for note in notes))):
        parts.append(f'<text x="{left + width + 20}" y="{60 + 18 * row}" fill="{colour}">{text}</text>')
    path.write_text("\n".join((*parts, "</svg>")) + "\n", encoding="utf-8")


def write_between(path: Path, marker: str, text: str) -> None:
    """Replace what stands between ``<!-- marker -->`` and ``<!-- end marker -->``."""
    page = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end {marker} -->)", re.DOTALL)
    path.write_text(pattern.sub(lambda match: f"{match[1]}{text}\n{match[2]}", page), encoding="utf-8")
