"""Write docs/results/vit_b16_predicted.md from what ``explain`` and ``predict`` printed.

Run from the repository's root, with one file a recipe and one a GPU, named after them:

    recipes="fp16 int8 fp8 fp8+fp8attn mxfp8 mxfp8+fp8attn nvfp4@stock nvfp4 nvfp4+fp8attn fp16+sparse"
    best=nvfp4:proj=fp8,head=fp16+fp8attn  # the winner of trtbench tune
    for recipe in $recipes $best
    do trtbench explain $recipe --gpu rtx-pro-6000 --batch 64 --json > DIR/$recipe.json; done
    trtbench predict fp16 fp8 fp8+fp8attn --gpu l40s --batch 64 --json > DIR/l40s.json
    trtbench predict $recipes $best --gpu rtx-5090 --batch 64 --json > DIR/rtx-5090.json
    python docs/benchmarks/vit_b16_predicted.py DIR

It takes minutes where the engines are in the store, and ten to twenty on two cores where they are not.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from textwrap import dedent, wrap

from arguments import parse

from trtbench.host.hardware import package_versions
from trtbench.report.text.explanation import EVIDENCE, STEPS
from trtbench.results import Comparison, Explanation

RECIPES = (
    "fp16",
    "int8",
    "fp8",
    "fp8+fp8attn",
    "mxfp8",
    "mxfp8+fp8attn",
    "nvfp4@stock",
    "nvfp4",
    "nvfp4+fp8attn",
    "fp16+sparse",
    "nvfp4:proj=fp8,head=fp16+fp8attn",
)
GPUS = ("rtx-5090", "l40s")
PACKAGES = ("trtbench", "tensorrt-rtx", "nvidia-modelopt", "torch", "timm")
PUBLISHED, HOPED = 1.60, 2.5
"""Speed-ups over FP16: the best published for NVFP4 on this GPU and model, and what its authors hope for."""


def times(found: Sequence[Explanation]) -> Iterator[str]:
    """One line a recipe."""
    yield (
        "| recipe | predicted ms | 90 % interval | images/s | over fp16 | ideal | ceiling, fp16's others "
        "| ceiling, own others |"
    )
    yield "|---" * 8 + "|"
    for each in found:
        own, ceiling = each.waterfall, each.ceiling
        low, high = own.interval_ms
        yield (
            f"| `{own.recipe}` | {own.predicted_ms:.2f} | {low:.2f} to {high:.2f} "
            f"| {1e3 * each.batch / own.predicted_ms:.0f} | {each.speedup:.2f}x | {ceiling.peak_ratio:.2f}x "
            f"| {ceiling.fp16_others:.2f}x | {ceiling.own_others:.2f}x |"
        )


def waterfalls(found: Sequence[Explanation]) -> Iterator[str]:
    """One line a step, one column a recipe."""
    yield f"| ms | {' | '.join(f'`{each.waterfall.recipe}`' for each in found)} |"
    yield "|---" * (len(found) + 1) + "|"
    yield _row("GEMMs at the peak, nothing else", [each.waterfall.ideal_ms for each in found])
    for place, step in enumerate(found[0].waterfall.steps):
        values = [each.waterfall.steps[place].ms for each in found]
        if any(values):
            yield _row(STEPS[step.step], values)
    yield _row("**predicted**", [each.waterfall.predicted_ms for each in found])


def _row(label: str, values: Sequence[float]) -> str:
    return f"| {label} | {' | '.join(f'{value:.3f}' if value >= 0.0005 else '-' for value in values)} |"


def levers(each: Explanation) -> Iterator[str]:
    """What would shorten the time of one recipe."""
    yield "| lever | saves ms | over fp16 | evidence | what was computed |"
    yield "|---|---|---|---|---|"
    for lever in each.levers:
        saved = f"{'up to ' * lever.at_most}{lever.saves_ms:.3f}"
        evidence = EVIDENCE[lever.evidence]
        yield f"| {lever.name} | {saved} | {lever.speedup:.2f}x | {evidence} | {lever.basis} |"


def in_words(best: Explanation) -> Iterator[str]:
    """How far the best recipe gets, and what stands in the way."""
    own, fp16, ceiling = best.waterfall, best.fp16, best.ceiling
    step, base = ({each.step: each.ms for each in waterfall.steps} for waterfall in (own, fp16))
    need = fp16.predicted_ms / HOPED
    low, high = best.speedup_interval
    yield (
        f"The best of them is `{own.recipe}`: {own.predicted_ms:.2f} ms, {best.speedup:.2f}x over FP16. "
        f"The best published NVFP4 engine has {PUBLISHED:.2f}x."
    )
    yield (
        f"Its interval is {low:.2f}x to {high:.2f}x, so which of them is faster is open. "
        f"{HOPED}x would be {need:.2f} ms: {own.predicted_ms - need:.2f} ms less."
    )
    yield ""
    yield (
        f"- **Non-GEMM kernels** take {own.other_ms:.2f} ms ({own.other_ms / own.predicted_ms:.0%}), "
        f"and {fp16.other_ms:.2f} ms in FP16: "
        f"attention {step['attention']:.2f}, quantisers and scales {step['quantize']:.2f}, "
        f"LayerNorm {step['norm']:.2f}, transposes {step['reformat']:.2f}, GELU {step['gelu']:.2f}, "
        "and their share of the next item."
    )
    yield (
        f"  FP16 fuses GELU into its GEMM and quantises nothing. With {own.recipe}'s other kernels, GEMMs at "
        f"the ratio of the peaks give {ceiling.own_others:.2f}x, GEMMs in no time {ceiling.no_gemms:.2f}x."
    )
    floor = next(each for each in own.steps if each.step == "floor")
    yield (
        f"- **{floor.kernels} starts of graph nodes** take {floor.ms:.2f} ms "
        f"(FP16: {base['floor']:.2f}), **L2 misses** {step['misses']:.2f} ms "
        f"(FP16: {base['misses']:.2f})."
    )
    yield (
        f"- **GEMMs** take {own.gemm_ms:.2f} ms, {own.ideal_ms:.2f} of them at the peak. Storing results and "
        f"filling pipelines costs {step['epilogue']:.2f} ms (FP16: {base['epilogue']:.2f}): "
        "faster multiplication does not shorten it."
    )
    yield f"  Operands from L2 cost {step['operand_loads']:.2f} ms (FP16: {base['operand_loads']:.2f})."
    yield (
        f"- **{HOPED}x** leaves {need - own.gemm_ms:.2f} ms for all other kernels if GEMMs stay as they are; "
        f"they take {own.other_ms:.2f}. The best lever below gives {best.levers[0].speedup:.2f}x."
    )


def other_gpus(compared: Sequence[Comparison]) -> Iterator[str]:
    """One line a GPU and recipe."""
    yield "| GPU | recipe | predicted ms | 90 % interval | images/s | over fp16 | its interval |"
    yield "|---" * 7 + "|"
    for each in compared:
        ratios = {ratio.arm: ratio for ratio in each.predicted_speedups}
        for row in each.rows:
            if row.predicted is None or each.predicted_on is None:
                raise ValueError(f"{row.key} has no prediction: {row.reason or row.not_predicted}")
            (low, high), ratio = row.predicted.interval_ms, ratios.get(row.key)
            over = (
                f"{ratio.ratio:.2f}x | {ratio.interval[0]:.2f} to {ratio.interval[1]:.2f}"
                if ratio
                else "1.00x | "
            )
            yield (
                f"| {each.predicted_on.title} | `{row.recipe}` | {row.predicted.gpu_compute_ms:.2f} "
                f"| {low:.2f} to {high:.2f} | {row.predicted.images_per_s:.0f} | {over} |"
            )


def page(found: Sequence[Explanation], compared: Sequence[Comparison]) -> Iterator[str]:
    """The whole page, line by line."""
    first, best = found[0], min(found, key=lambda each: each.waterfall.predicted_ms)
    stock = next(each for each in found if each.waterfall.recipe.stock)
    sparse = next(each for each in found if each.waterfall.recipe.sparse)
    versions = ", ".join(f"{name} {version}" for name, version in package_versions(PACKAGES).items())
    yield "# ViT-B/16 at batch 64 on an RTX PRO 6000, predicted\n"
    yield (
        f"**Predicted, not measured**: no GPU was involved. {date.today().isoformat()}, {versions}; "
        f"{first.gpu.title} at {first.gpu.clock_mhz:.0f} MHz."
    )
    yield (
        "[nvfp4.md](../explanation/nvfp4.md) says what the steps are, "
        "[prediction.md](../explanation/prediction.md) how wrong the times may be. "
        "Written by `docs/benchmarks/vit_b16_predicted.py` from\n"
    )
    command = dedent(str(__doc__).split("\n\n")[2])
    yield f"```bash\n# takes minutes\n{command}\n```\n"
    yield from times(found)
    yield (
        "\nIdeal: the peak of the recipe's format over that of FP16. Ceilings: FP16's GEMMs at that ratio, "
        "with the other kernels of FP16, or with the recipe's own;"
    )
    yield "recipes that quantise nothing are compared with FP4. Notes of the compiler's audits:\n"
    yield from (f"- `{each.waterfall.recipe}`: {note}" for each in found for note in each.notes)
    yield f"\n## How far it is to {HOPED}x\n"
    yield from in_words(best)
    yield "\n## Other GPUs\n"
    yield (
        "The RTX 5090 runs the same engines; its FP16 products have half the peak with FP32 accumulators. "
        "The L40S has no FP4: its engines are built for SM89. The B200 is missing, because TensorRT-RTX does "
        "not compile for SM100.\n"
    )
    yield from other_gpus(compared)
    yield "\n## Where the time goes\n"
    yield from waterfalls(found)
    for each in (best, stock, sparse):
        yield f"\n## What would shorten `{each.waterfall.recipe}`\n"
        yield from levers(each)


def paragraphs(lines: Iterable[str]) -> list[str]:
    """Lines of prose that follow each other as one; all others as they are."""
    found: list[str] = []
    for line in lines:
        goes_on = line[:1].isalpha() or line.startswith(("[", "  "))
        if goes_on and found and found[-1] and not found[-1].startswith(("|", "#")) and found[-1][-1] != "\n":
            found[-1] += f" {line.lstrip()}"
        else:
            found.append(line)
    return found


def wrapped(text: str) -> list[str]:
    """Prose in lines of at most 118 characters; tables and code stay as they are."""
    if text.startswith(("|", "```")):
        return [text]
    hanging = "  " if text.startswith(("- ", "  ")) else ""
    return [
        short for line in text.split("\n") for short in wrap(line, 118, subsequent_indent=hanging) or [""]
    ]


def main() -> None:
    """Write the page."""
    folder = Path(parse(__doc__, "folder").folder)
    texts = ((folder / f"{recipe}.json").read_bytes() for recipe in RECIPES)
    found = [Explanation.model_validate_json(text) for text in texts]
    compared = [Comparison.model_validate_json((folder / f"{gpu}.json").read_bytes()) for gpu in GPUS]
    text = "\n".join(short for line in paragraphs(page(found, compared)) for short in wrapped(line)) + "\n"
    Path("docs/results/vit_b16_predicted.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
