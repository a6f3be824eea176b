"""The stage: models with and without token reduction over image sizes, and where the reduction pays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from trtbench.compare.grid import compare
from trtbench.compare.predict import predict
from trtbench.errors import SpecError
from trtbench.predict.speedup import predicted_speedup
from trtbench.progress import OnStep, silent
from trtbench.results import ComparisonRow, Statistic
from trtbench.results.break_even import BreakEven, BreakEvenCurve, BreakEvenPoint, Crossing, Gain, Side
from trtbench.specs import ExportSpec, Grid
from trtbench.specs.model import ImageSize
from trtbench.specs.recipe import Recipe
from trtbench.specs.token_reduction import TokenReduction
from trtbench.store.artifacts import Store


def break_even(grid: Grid, store: Store, on_step: OnStep = silent) -> BreakEven:
    """Make each export with all tokens, too, time both in the runtimes of the grid, or predict both.

    Args:
        grid: exports of one model with a token reduction, at several image sizes.
        store: where artifacts and results are kept.
        on_step: progress callback; subjects are keys of rows.

    Raises:
        SpecError: there is no token reduction or only one image size, or another request is wrong.
        RuntimeUnavailable: nothing can be built or timed on this machine.
        MeasureError: another process has the GPU, and ``grid.exclusive``.
        ArtifactError: the store cannot be read or written.
    """
    reduction = _reduction_of(grid.exports)
    both = tuple(spec for export in grid.exports for spec in (_with_all_tokens(export), export))
    run = compare if grid.runtimes else predict
    comparison = run(grid.model_copy(update={"exports": both}), store, on_step)
    counts = {export.model.img_size: _counts(export, reduction) for export in grid.exports}
    where = comparison.gpu if grid.runtimes or not comparison.predicted_on else comparison.predicted_on.title
    reasons = ((row.key, _why_no_time(row, bool(grid.runtimes))) for row in comparison.rows)
    return BreakEven(
        model=grid.exports[0].model.name,
        token_reduction=reduction,
        gpu=where,
        curves=tuple(_curves(comparison.rows, counts)),
        failed=tuple(f"{key}: {reason}" for key, reason in reasons if reason),
    )


@dataclass(frozen=True)
class _Counts:
    """Tokens of the first block, and of the last MLP with fewer of them; FLOPs of an image, all and fewer."""

    tokens: int
    left: int
    flops: int
    left_flops: int


def _reduction_of(exports: Sequence[ExportSpec]) -> TokenReduction:
    reduction = exports[0].model.token_reduction if exports else None
    if reduction is None:
        raise SpecError("break-even needs --token-reduction, such as evit:keep=0.5,at=3+6+9; add it")
    if len({export.model.img_size for export in exports}) < 2:
        raise SpecError("break-even needs at least two image sizes: --img-size 224,448")
    return reduction


def _with_all_tokens(export: ExportSpec) -> ExportSpec:
    return export.model_copy(update={"model": export.model.model_copy(update={"token_reduction": None})})


def _counts(export: ExportSpec, reduction: TokenReduction) -> _Counts:
    from trtbench.export.flops import analytic_flops
    from trtbench.export.model import meta_model

    full, reduced = (meta_model(spec.model) for spec in (_with_all_tokens(export), export))
    tokens: Any = full  # timm does not type its models
    patches = left = tokens.patch_embed.num_patches
    for block in range(len(tokens.blocks)):
        left = reduction.after(block, left)
    prefix = tokens.num_prefix_tokens
    flops, left_flops = (sum(analytic_flops(model, 1).values()) for model in (full, reduced))
    return _Counts(prefix + patches, prefix + left, flops, left_flops)


def _why_no_time(row: ComparisonRow, is_timed: bool) -> str | None:
    if row.reason is not None:
        return row.reason
    if is_timed:
        return None if row.measured and row.measured.main else "not timed"
    return None if row.predicted else row.not_predicted or "not predicted"


def _curves(
    rows: Sequence[ComparisonRow], counts: Mapping[ImageSize | None, _Counts]
) -> Iterator[BreakEvenCurve]:
    """One for each recipe, runtime and batch that has a size at which both models have times."""
    groups: dict[tuple[Recipe | None, str | None, int | None], list[ComparisonRow]] = {}
    for row in rows:
        groups.setdefault((row.recipe, row.runtime, row.batch), []).append(row)
    for (recipe, runtime, batch), members in groups.items():
        full = {row.img_size: row for row in members if row.token_reduction is None}
        reduced = {row.img_size: row for row in members if row.token_reduction is not None}
        found = [
            _point(full[size], reduced[size], counts[size])
            for size in sorted(full, key=lambda size: counts[size].tokens)
            if size in reduced
        ]
        points = tuple(point for point in found if point is not None)
        if points and recipe is not None and batch is not None:
            yield _curve(recipe, runtime, batch, points)


def _curve(
    recipe: Recipe, runtime: str | None, batch: int, points: tuple[BreakEvenPoint, ...]
) -> BreakEvenCurve:
    walls = [(point.tokens, point.wall) for point in points if point.wall]
    return BreakEvenCurve(
        recipe=recipe,
        runtime=runtime,
        batch=batch,
        evidence="measured" if runtime else "predicted",
        points=points,
        gpu=crossing([(point.tokens, point.gpu) for point in points]),
        wall=crossing(walls) if walls else None,
    )


def _point(full: ComparisonRow, reduced: ComparisonRow, counts: _Counts) -> BreakEvenPoint | None:
    """None where one of both has no time."""
    batch = full.batch or 0
    before = _side(full, counts.tokens, batch * counts.flops)
    after = _side(reduced, counts.left, batch * counts.left_flops)
    gpu = _gpu_gain(full, reduced)
    if before is None or after is None or gpu is None or full.img_size is None:
        return None
    return BreakEvenPoint(
        img_size=full.img_size,
        tokens=counts.tokens,
        full=before,
        reduced=after,
        gpu=gpu,
        wall=_ratio(_wall(full), _wall(reduced)),
    )


def _side(row: ComparisonRow, tokens: int, flops: int) -> Side | None:
    measured, wall = row.measured, _wall(row)
    if measured is not None and measured.main is not None:
        kernels = measured.facts.graph_kernels if measured.facts else None
        wall_ms = wall.median if wall else None
        return Side(tokens=tokens, flops=flops, kernels=kernels, gpu_ms=measured.main.median, wall_ms=wall_ms)
    if row.predicted is None:
        return None
    return Side(
        tokens=tokens,
        flops=flops,
        kernels=len(row.predicted.layers),
        gpu_ms=row.predicted.gpu_compute_ms,
        wall_ms=None,
    )


def _wall(row: ComparisonRow) -> Statistic | None:
    return row.measured.series.get("host_wall_ms") if row.measured else None


def _gpu_gain(full: ComparisonRow, reduced: ComparisonRow) -> Gain | None:
    if full.measured and reduced.measured:
        return _ratio(full.measured.main, reduced.measured.main)
    if full.predicted and reduced.predicted:
        found = predicted_speedup(full.key, full.predicted, reduced.key, reduced.predicted)
        return Gain(speedup=found.ratio, interval=found.interval)
    return None


def _ratio(full: Statistic | None, reduced: Statistic | None) -> Gain | None:
    """Of the medians; its interval is that of both intervals, and so too wide rather than too narrow."""
    if full is None or reduced is None:
        return None
    interval = (full.ci95[0] / reduced.ci95[1], full.ci95[1] / reduced.ci95[0])
    return Gain(speedup=full.median / reduced.median, interval=interval)


def crossing(gains: Sequence[tuple[int, Gain]]) -> Crossing:
    """Where speed-ups by tokens rise above 1 for good, between two sizes by their logarithms."""
    tokens = [count for count, _ in gains]
    return Crossing(
        tokens=_rises(tokens, [gain.speedup for _, gain in gains]),
        low=_rises(tokens, [gain.interval[1] for _, gain in gains]),
        high=_rises(tokens, [gain.interval[0] for _, gain in gains]),
    )


def _rises(tokens: Sequence[int], speedups: Sequence[float]) -> float | None:
    slower = [index for index, speedup in enumerate(speedups) if speedup < 1]
    if not slower:
        return 0.0
    last = slower[-1]
    if last + 1 == len(tokens):
        return None
    low, high = log(speedups[last]), log(speedups[last + 1])
    return tokens[last] + (tokens[last + 1] - tokens[last]) * low / (low - high)
