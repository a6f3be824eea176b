"""The section of a comparison: what to take, the recipes side by side, and the figures that say why."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from trtbench.measure.stop import relative_half_width
from trtbench.report.figures.batches import batches
from trtbench.report.figures.coverage import coverage
from trtbench.report.figures.errors import block_errors
from trtbench.report.figures.figure import Figure, short
from trtbench.report.figures.kernels import block_of_kernels
from trtbench.report.figures.pareto import pareto
from trtbench.report.figures.roofs import comparison_roofs
from trtbench.report.figures.times import times
from trtbench.report.figures.versions import versions
from trtbench.report.figures.waterfall import comparison_waterfall
from trtbench.report.sections.machine import command_of, machine_facts, recorded_facts
from trtbench.report.sections.section import Cell, Section, Source, Table, remedies_of, table_of, three
from trtbench.report.sections.timed import timed_figures
from trtbench.report.text.compiled_table import format_shares
from trtbench.report.text.fidelity import fidelity_basis, format_share, format_sqnr, sqnr_scale
from trtbench.results import Comparison, ComparisonRow, Finding, PredictedSpeedup, Verdict
from trtbench.specs import sides_of
from trtbench.units import format_bytes

_FIGURES: tuple[Callable[[Comparison], Figure | None], ...] = (
    pareto,
    times,
    versions,
    batches,
    coverage,
    comparison_waterfall,
    block_of_kernels,
    comparison_roofs,
)
"""In the order in which a decision needs them."""


def comparison_section(comparison: Comparison, source: Source) -> Section:
    """All that the comparison has."""
    recommended = comparison.recommendations
    verdicts = [f"{each.text[:1].upper()}{each.text[1:]}" for each in recommended]
    uncertain = dict.fromkeys(line for each in recommended for line in each.uncertain)
    return Section(
        kind="comparison",
        title=_title(comparison),
        source=source.name,
        evidence=comparison.evidence,
        facts=tuple(_facts(comparison)),
        verdict=short(" ".join(verdicts), 900) or _no_verdict(comparison),
        uncertain=tuple(short(line, 400) for line in uncertain),
        tables=(_recipes(comparison),),
        figures=tuple(_figures(comparison, source)),
        remedies=remedies_of(_findings(comparison)),
        environment=tuple(machine_facts(comparison)),
        command=command_of(comparison.environment),
    )


def _figures(comparison: Comparison, source: Source) -> Iterable[Figure]:
    yield from (found for figure in _FIGURES if (found := figure(comparison)))
    errors = block_errors({row.key: row.fidelity for row in comparison.rows if row.fidelity})
    if errors is not None:
        yield errors
    yield from timed_figures({row.key: row.measured for row in comparison.rows if row.measured}, source)


def _title(comparison: Comparison) -> str:
    subjects = len({row.subject for row in comparison.rows})
    batches = sorted({row.batch for row in comparison.rows if row.batch})
    words = [comparison.model or f"{subjects} files"]
    if len(batches) == 1:
        words.append(f"batch {batches[0]}")
    if device := comparison.gpu or (comparison.predicted_on and comparison.predicted_on.title):
        words.append(device)
    return short(", ".join(words), 120)


def _no_verdict(comparison: Comparison) -> str:
    if all(row.status == "failed" for row in comparison.rows):
        return "No recommendation: every row failed."
    return "No recommendation: fewer than two rows of one shape have a time."


def _facts(comparison: Comparison) -> Iterable[tuple[str, str]]:
    rows = comparison.rows
    batches = sorted({row.batch for row in rows if row.batch})
    sizes = sorted({row.img_size for row in rows if row.img_size}, key=sides_of)
    targets = dict.fromkeys(target for row in rows for target in row.targets)
    compilers = dict.fromkeys(f"{e.backend} {e.backend_version}" for row in rows if (e := row.engine))
    listed: list[tuple[str, Iterable[object]]] = [
        ("batch", batches),
        ("image", [f"{size} px" for size in sizes]),
        ("measured on", [comparison.gpu] if comparison.gpu else []),
        ("predicted for", [comparison.predicted_on.title] if comparison.predicted_on else []),
        ("compiled for", targets),
        ("compiler", compilers),
        ("not timed", [comparison.not_timed] if comparison.not_timed else []),
        ("accuracy", _fidelity_facts(rows)),
    ]
    yield from recorded_facts(comparison.environment)
    for name, values in listed:
        if text := ", ".join(map(str, values)):
            yield name, short(text, 300)


def _fidelity_facts(rows: Sequence[ComparisonRow]) -> list[str]:
    found = next((row.fidelity for row in rows if row.fidelity), None)
    if found is None:
        return []
    return [
        f"emulated on a CPU, {fidelity_basis(found.inputs, found.samples, found.weights)}; {sqnr_scale()}"
    ]


def _recipes(comparison: Comparison) -> Table:
    """One line a row: times with intervals, error, size, and what ran in what."""
    verdicts = {each.arm: each for each in comparison.verdicts}
    speedups = {each.arm: each for each in comparison.predicted_speedups}
    picked = {each.row for each in comparison.recommendations}
    baselines: set[str | None] = {each.baseline for each in comparison.verdicts}
    baselines |= {each.baseline for each in comparison.predicted_speedups}
    roles = {"baseline": baselines, "recommended": picked}
    lines = [_line(row, verdicts.get(row.key), speedups.get(row.key), roles) for row in comparison.rows]
    columns = {header: [line[header] for line in lines] for header in lines[0]}
    words = {"row", "GEMMs run in", "attention", "verdict", "failed with"}
    table = table_of("recipes", "Recipes side by side", columns, set(columns) - words)
    marked = frozenset(index for index, row in enumerate(comparison.rows) if row.key in picked)
    return replace(table, marked=marked)


def _line(
    row: ComparisonRow,
    verdict: Verdict | None,
    speedup: PredictedSpeedup | None,
    roles: Mapping[str, Collection[str | None]],
) -> dict[str, Cell]:
    played = ", ".join(role for role, keys in roles.items() if row.key in keys)
    name = f"{short(row.key)} ({played})" if played else short(row.key)
    failed = Cell(short(row.reason or "an unknown reason", 300) if row.status == "failed" else "")
    return {"row": Cell(name), **_times(row, verdict, speedup), **_found(row), "failed with": failed}


def _times(row: ComparisonRow, verdict: Verdict | None, speedup: PredictedSpeedup | None) -> dict[str, Cell]:
    main = row.measured.main if row.measured and row.measured.median_ms else None
    predicted = row.predicted
    return {
        "measured ms": Cell(f"{main.median:.4f} ± {relative_half_width(main):.2%}", main.median)
        if main
        else Cell(""),
        "measured speed-up (95% interval)": _ratio(verdict.ratio, verdict.ci95) if verdict else Cell(""),
        "verdict": Cell(verdict.verdict if verdict else ""),
        "predicted ms (90% interval)": _span(predicted.gpu_compute_ms, predicted.interval_ms)
        if predicted
        else Cell(""),
        "predicted speed-up (90% interval)": _ratio(speedup.ratio, speedup.interval) if speedup else Cell(""),
    }


def _found(row: ComparisonRow) -> dict[str, Cell]:
    fidelity, engine, compiled = row.fidelity, row.engine, row.compiled
    top1 = format_share(fidelity.top1) if fidelity and fidelity.top1 is not None else ""
    infinite = float("inf")
    return {
        "SQNR dB": Cell(
            format_sqnr(fidelity.sqnr_db), infinite if fidelity.sqnr_db is None else fidelity.sqnr_db
        )
        if fidelity
        else Cell(""),
        "top-1": Cell(top1, fidelity.top1 if fidelity else None),
        "engine": Cell(format_bytes(engine.size_bytes), engine.size_bytes) if engine else Cell(""),
        "GEMMs run in": Cell(format_shares(compiled.gemm_flops_share) if compiled else ""),
        "attention": Cell((compiled.attention_precision or "none") if compiled else ""),
        "kernels": Cell(str(compiled.kernels), compiled.kernels) if compiled else Cell(""),
    }


def _ratio(ratio: float | None, interval: tuple[float, float] | None) -> Cell:
    if ratio is None:
        return Cell("")
    ends = f" ({three(interval[0])} to {three(interval[1])})" if interval else ""
    return Cell(f"{three(ratio)}x{ends}", ratio)


def _span(ms: float, interval: tuple[float, float]) -> Cell:
    return Cell(f"{three(ms)} ({three(interval[0])} to {three(interval[1])})", ms)


def _findings(comparison: Comparison) -> Iterable[tuple[str, Finding]]:
    for record in comparison.environments:
        yield from ((record.environment, each) for each in record.findings)
    for row in comparison.rows:
        measured = row.measured.findings if row.measured else ()
        yield from ((row.key, each) for each in (*row.findings, *measured))
