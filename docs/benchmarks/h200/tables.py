"""Tables and plots of variants.json and token_reduction.json, written beside them: no GPU is needed.

    python docs/benchmarks/h200/tables.py

Intervals: 95 %, by drawing the rounds again, both sides of a ratio from the same rounds.
"""

import itertools
import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import trtbench

HERE = Path(__file__).parent
PLAN = yaml.safe_load((Path(trtbench.__file__).parent / "sweep/plans/vit39.yaml").read_text(encoding="utf-8"))
FACTORS = ("patch", "depth", "width")
WAYS = ("eager", "graph")
DRAWS = 2000
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")
Row = dict[str, Any]
Points = list[tuple[float, float]]


def main() -> None:
    """Write both pages and their plots."""
    variants, tokens = (_results(name) for name in ("variants", "token_reduction"))
    (HERE / "variants.md").write_text(variants_page(variants), encoding="utf-8")
    (HERE / "token_reduction.md").write_text(tokens_page(tokens), encoding="utf-8")
    plot_variants(variants)
    plot_tokens(tokens)


def _results(name: str) -> list[Row]:
    found: list[Row] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))["results"]
    return found


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def wall_ms(row: Row, way: str) -> float:
    """Median of the rounds."""
    return statistics.median(row[way]["wall_ms"])


def busy_share(row: Row, way: str) -> float:
    """Share of the wall time, without a profiler, in which a kernel runs."""
    return float(row[way]["trace"]["busy_ms"]) / wall_ms(row, way)


def variants_page(rows: Sequence[Row]) -> str:
    """One line a variant, then what explains how busy the GPU is."""
    headers = ["variant", "tokens", "weights", "kernels", "mean", "kernel sum", "moved"]
    headers += [
        f"{way}: {what}" for way in WAYS for what in ("wall", "busy", "utilisation", "efficiency", "gaps")
    ]
    lines = [
        [
            row["variant"] + " *" * (row["variant"] in PLAN["skip"]),
            row["tokens"],
            f"{row['weights'] / 1e6:.0f} M",
            f"{row['graph']['trace']['kernels']:.0f}",
            f"{row['graph']['trace']['mean_kernel_us']:.1f} us",
            f"{row['graph']['trace']['kernel_ms']:.3f} ms",
            f"{row['moved_bytes'] / row['graph']['trace']['busy_ms'] / 1e6:.0f} GB/s",
            *(cell for way in WAYS for cell in _variant_cells(row, way)),
        ]
        for row in rows
    ]
    shares = [
        [f"{way}, {name}", *_explained(rows, way, read)] for name, read in MEASURES.items() for way in WAYS
    ]
    factors = ["patch", "depth", "width", "patch x depth", "patch x width", "depth x width", "all three"]
    return (
        "# Variants on an NVIDIA H200, measured\n\n"
        f"Written by `tables.py` from `variants.json`. `*`: left out by the plan.\n\n"
        f"{table(headers, lines)}\n## Shares of variance of all {len(rows)}\n\n"
        f"{table(['of', 'mean', *factors], shares)}"
    )


def _variant_cells(row: Row, way: str) -> Iterator[str]:
    traced = row[way]["trace"]
    yield f"{wall_ms(row, way):.2f} ms"
    yield f"{busy_share(row, way):.0%}"
    yield f"{traced['utilisation']:.0%}"
    yield f"{traced['pipeline_efficiency']:.0%}"
    yield f"{traced['gaps_over_10us']:.0f}"


MEASURES: dict[str, Callable[[Row, str], float]] = {
    "busy share of the wall time": busy_share,
    "utilisation under the profiler": lambda row, way: float(row[way]["trace"]["utilisation"]),
}


def _explained(rows: Sequence[Row], way: str, read: Callable[[Row, str], float]) -> list[str]:
    """Mean, and the shares of variance of factors and interactions; of a complete grid they add up to 1."""
    values = {tuple(row[factor] for factor in FACTORS): read(row, way) for row in rows}
    mean = statistics.mean(values.values())
    total = sum((value - mean) ** 2 for value in values.values())
    effects: dict[tuple[int, ...], dict[tuple[int, ...], float]] = {(): {(): mean}}
    shares = []
    for chosen in (each for size in (1, 2, 3) for each in itertools.combinations(range(3), size)):
        parts = [part for size in range(len(chosen)) for part in itertools.combinations(chosen, size)]
        effects[chosen] = {
            level: statistics.mean(v for k, v in values.items() if tuple(k[i] for i in chosen) == level)
            - sum(effects[part][tuple(level[chosen.index(i)] for i in part)] for part in parts)
            for level in {tuple(key[i] for i in chosen) for key in values}
        }
        explained = sum(effects[chosen][tuple(key[i] for i in chosen)] ** 2 for key in values)
        shares.append(f"{explained / total:.1%}")
    return [f"{mean:.0%}", *shares]


def tokens_page(rows: Sequence[Row]) -> str:
    """One line a model of the first grid, then break-even tokens of the second."""
    headers = ["shape", "precision", "reduction", "last MLP's tokens", "GFLOP", "kernels", "kernel sum"]
    headers += [f"{way}: {what}" for way in WAYS for what in ("wall", "speed-up")]
    lines = [
        [
            f"{row['pixels']} px, batch {row['batch']}",
            row["precision"],
            row["token_reduction"],
            row["tokens"][-1],
            f"{row['flops'] / 1e9:.1f}",
            f"{row['graph']['trace']['kernels']:.0f}",
            f"{row['graph']['trace']['kernel_ms']:.3f} ms",
            *(cell for way in WAYS for cell in (f"{wall_ms(row, way):.3f} ms", _ratio_text(rows, row, way))),
        ]
        for row in rows
        if (row["pixels"], row["batch"]) in ((224, 1), (448, 8))
    ]
    points = [
        [f"batch {batch}", name, what, *_break_even_cells(rows, batch, name, read)]
        for batch in (1, 8)
        for name in REDUCTIONS
        for what, read in TIMES.items()
    ]
    return (
        "# Token reduction on an NVIDIA H200, measured\n\n"
        "Written by `tables.py` from `token_reduction.json`: DeiT-Base; speed-ups over all tokens with 95 % "
        f"intervals.\n\n{table(headers, lines)}\n## Break-even tokens, bfloat16\n\n"
        f"{table(['batch', 'reduction', 'by', 'break-even tokens', '95 % interval'], points)}"
    )


REDUCTIONS = ("evit:keep=0.5", "evit:keep=0.1", "tome")
TIMES: dict[str, Callable[[Row], list[float]]] = {
    "sum of kernels": lambda row: row["graph"]["trace"]["each_kernel_ms"],
    "wall time in a graph": lambda row: row["graph"]["wall_ms"],
    "wall time eager": lambda row: row["eager"]["wall_ms"],
}


def _is_full(row: Row) -> bool:
    return len(set(row["tokens"])) == 1


def _full(rows: Sequence[Row], row: Row) -> Row:
    same = ("pixels", "batch", "precision")
    return next(each for each in rows if _is_full(each) and all(each[k] == row[k] for k in same))


def speedups(full: Sequence[float], reduced: Sequence[float]) -> np.ndarray:
    """The ratio of the medians, then that of as many drawn rounds as there are draws."""
    count = min(len(full), len(reduced))
    pairs = np.array([full[:count], reduced[:count]])
    drawn = pairs[:, np.random.default_rng(0).integers(count, size=(DRAWS, count))]
    ratios = np.median(drawn[0], axis=1) / np.median(drawn[1], axis=1)
    own = np.median(pairs[0]) / np.median(pairs[1])
    return np.concatenate(([own], ratios))


def _ratio_text(rows: Sequence[Row], row: Row, way: str) -> str:
    if _is_full(row):
        return ""
    ratios = speedups(_full(rows, row)[way]["wall_ms"], row[way]["wall_ms"])
    low, high = np.quantile(ratios[1:], (0.025, 0.975))
    return f"{ratios[0]:.2f} ({low:.2f} to {high:.2f})"


def curve(
    rows: Sequence[Row], batch: int, name: str, read: Callable[[Row], list[float]]
) -> tuple[list[int], np.ndarray]:
    """Tokens of all image sizes, and speed-ups (size, 1 + draws) of a reduction in bfloat16."""
    chosen = [row for row in rows if row["batch"] == batch and row["precision"] == "bf16" and _is(row, name)]
    chosen.sort(key=lambda row: row["pixels"])
    tokens = [(row["pixels"] // 16) ** 2 + 1 for row in chosen]
    return tokens, np.array([speedups(read(_full(rows, row)), read(row)) for row in chosen])


def _is(row: Row, name: str) -> bool:
    """Whether a row has a reduction of the second grid: tome merges 4 % of the patches in each block."""
    if name != "tome":
        return bool(row["token_reduction"].startswith(name))
    return bool(row["token_reduction"] == f"tome:r={round(8 / 196 * (row['pixels'] // 16) ** 2)}")


def break_even(tokens: Sequence[int], ratios: Sequence[float]) -> float:
    """Tokens from which on the speed-up stays above 1, between two sizes by its logarithm; inf: never."""
    below = [index for index, ratio in enumerate(ratios) if ratio < 1]
    if not below:
        return 0.0
    if below[-1] + 1 == len(tokens):
        return math.inf
    last = below[-1]
    low, high = math.log(ratios[last]), math.log(ratios[last + 1])
    return tokens[last] + (tokens[last + 1] - tokens[last]) * low / (low - high)


def _break_even_cells(
    rows: Sequence[Row], batch: int, name: str, read: Callable[[Row], list[float]]
) -> list[str]:
    tokens, ratios = curve(rows, batch, name, read)
    found = sorted(break_even(tokens, column) for column in ratios.T[1:])
    ends = [found[int(share * len(found))] for share in (0.025, 0.975)]
    texts = [_tokens_text(tokens, each) for each in (break_even(tokens, ratios[:, 0]), *ends)]
    return [texts[0], f"{texts[1]} to {texts[2]}"]


def _tokens_text(tokens: Sequence[int], found: float) -> str:
    if math.isinf(found):
        return f"above {tokens[-1]}"
    return f"{found:.0f}" if found else f"below {tokens[0]}"


def plot_variants(rows: Sequence[Row]) -> None:
    """How busy the GPU is against the mean duration of a kernel."""
    curves = [
        (
            f"{way}, patch {patch}",
            COLOURS[index],
            [
                (row["graph"]["trace"]["mean_kernel_us"], busy_share(row, way))
                for row in rows
                if row["patch"] == patch
            ],
        )
        for index, (way, patch) in enumerate(itertools.product(WAYS, PLAN["patch"]))
    ]
    write_plot(
        HERE / "variants.svg", curves, "mean duration of a kernel, us", "busy share", (60, 1.0), lines=False
    )


def plot_tokens(rows: Sequence[Row]) -> None:
    """Speed-ups against tokens, without reduction 1."""
    for batch in (1, 8):
        curves = []
        for (name, (what, read)), colour in zip(
            itertools.product(REDUCTIONS[1:], TIMES.items()), COLOURS, strict=True
        ):
            tokens, ratios = curve(rows, batch, name, read)
            curves.append((f"{name}, {what}", colour, list(zip(tokens, ratios[:, 0], strict=True))))
        path = HERE / f"token_reduction_b{batch}.svg"
        write_plot(path, curves, f"tokens, batch {batch}", "speed-up over all tokens", (1700, 2.5))


def write_plot(
    path: Path,
    curves: Sequence[tuple[str, str, Points]],
    across: str,
    up: str,
    most: tuple[float, float],
    lines: bool = True,
) -> None:
    """Draw curves or points of names and colours, from 0 to ``most``."""
    left, bottom, width, height = 50, 250, 400, 220
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 300" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="720" height="300" fill="white"/>',
        f'<text x="{left + width / 2}" y="{bottom + 36}" text-anchor="middle">{across}</text>',
        f'<text x="{left}" y="16">{up}</text>',
    ]
    for step in range(6):
        x, y = left + width * step / 5, bottom - height * step / 5
        parts.append(f'<line x1="{left}" y1="{y}" x2="{left + width}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{most[1] * step / 5:g}</text>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{most[0] * step / 5:g}</text>')
    for index, (name, colour, points) in enumerate(curves):
        placed = [(left + width * x / most[0], bottom - height * y / most[1]) for x, y in points]
        if lines:
            path_points = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
            parts.append(
                f'<polyline points="{path_points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in placed]
        parts.append(f'<text x="{left + width + 16}" y="{50 + 18 * index}" fill="{colour}">{name}</text>')
    path.write_text("\n".join((*parts, "</svg>")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
