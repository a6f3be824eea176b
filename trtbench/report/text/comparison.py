"""A comparison as text for people: one table of recipes, one of roles, then the findings."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.findings import render_noted
from trtbench.report.text.measurement import render_failure, render_measured_findings, render_times
from trtbench.results import (
    Comparison,
    ComparisonRow,
    CompiledSummary,
    EngineSummary,
    Fidelity,
    RoleCoverage,
)
from trtbench.runtimes import runtime_entry
from trtbench.units import format_bytes

Cell = Callable[[ComparisonRow, CompiledSummary, EngineSummary], str]
_WIDE = 100  # columns from which the table of recipes has room for two blanks between its own


def render_comparison(comparison: Comparison, raw_files: Sequence[Path], console: Console) -> None:
    """Print ``comparison``: what the compiler made of each recipe, then what was timed, and where."""
    named = [(row_name(row, comparison.rows), row) for row in comparison.rows]
    render_head([comparison], console)
    if comparison.target["sm"]:
        built = built_rows(comparison.rows)
        lines = [((row_name(row, built),), row) for row in built]
        render_recipes(("recipe",), lines, console)
    if any(row.compiled for row in comparison.rows):
        console.print(_role_table(comparison))
    measured = [row.measured for row in comparison.rows if row.measured]
    if measured:
        render_times(measured, comparison.verdicts, raw_files, console)
    for name, row in named:
        render_failure(name, row.reason, console)
    render_row_findings(named, console)


def render_head(comparisons: Sequence[Comparison], console: Console) -> None:
    """Print what was compared, at one batch or several, and why nothing was timed."""
    console.print(_headline(comparisons), soft_wrap=True)
    for reason in dict.fromkeys(each.not_timed for each in comparisons if each.not_timed):
        console.print(Text(f"not timed: {reason}", style="dim"), soft_wrap=True)


def render_recipes(
    headers: Sequence[str], lines: Sequence[tuple[tuple[str, ...], ComparisonRow]], console: Console
) -> None:
    """Print what the compiler made of each row, behind its cells under ``headers``, and what SQNR is."""
    console.print(_recipe_table(headers, lines, is_narrow=console.width < _WIDE))
    for fidelity in [row.fidelity for _, row in lines if row.fidelity][:1]:
        console.print(Text(_what_sqnr_is(fidelity), style="dim"), soft_wrap=True)


def row_name(row: ComparisonRow, rows: Iterable[ComparisonRow]) -> str:
    """The recipe, with the runtime where ``rows`` are in several."""
    return f"{row.recipe} on {row.runtime}" if len({each.runtime for each in rows}) > 1 else str(row.recipe)


def _headline(comparisons: Sequence[Comparison]) -> str:
    rows = [row for each in comparisons for row in each.rows]
    backends = sorted({f"{r.engine.backend} {r.engine.backend_version}" for r in rows if r.engine})
    is_timed = any(row.measured and row.measured.series for row in rows)
    first, batches = comparisons[0], list(dict.fromkeys(str(each.batch) for each in comparisons))
    sizes = dict.fromkeys(str(each.img_size) for each in comparisons if each.img_size)
    return (
        f"[bold]{first.model}[/bold], batch{'es' * (len(batches) > 1)} {', '.join(batches)}"
        + (f", images of {', '.join(sizes)} pixels" if sizes else "")
        + (f", compiled for {first.target['sm']}" if first.target["sm"] else "")
        + (f" by {', '.join(backends)}" if backends else "")
        + ("" if is_timed else "; nothing here was timed on a GPU")
    )


def _recipe_table(
    headers: Sequence[str], lines: Sequence[tuple[tuple[str, ...], ComparisonRow]], is_narrow: bool
) -> Table:
    """One line a row; a narrow console has no room for the activations."""
    columns = {header: cell for header, cell in _CELLS.items() if not (is_narrow and "activa" in header)}
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1 if is_narrow else 2, 0, 0))
    for header in headers:
        table.add_column(header, justify="left" if header == "recipe" else "right", no_wrap=True)
    table.add_column("GEMM FLOPs run in", min_width=len("fp16 25.5%"))
    table.add_column("attn", no_wrap=True)
    for header in columns:
        table.add_column(header, justify="right", no_wrap=True)
    for names, row in lines:
        table.add_row(*names, *_recipe_cells(row, columns.values()))
    return table


def built_rows(rows: Iterable[ComparisonRow]) -> list[ComparisonRow]:
    """Rows with an engine, or that failed to get one; other runtimes load nothing that was compiled."""
    return [row for row in rows if row.runtime is None or runtime_entry(row.runtime).loads == "engine"]


def _recipe_cells(row: ComparisonRow, cells: Iterable[Cell]) -> tuple[str, ...]:
    if row.compiled is None or row.engine is None:
        return ("[red]failed[/red]",)
    precisions = (format_shares(row.compiled.gemm_flops_share), row.compiled.attention_precision or "none")
    return (*precisions, *(cell(row, row.compiled, row.engine) for cell in cells))


def _what_sqnr_is(fidelity: Fidelity) -> str:
    images = "images" if fidelity.inputs.directory else "synthetic images"
    return f"SQNR of the logits against the FP32 model: emulated on a CPU, {fidelity.samples} {images}"


def _format_sqnr(fidelity: Fidelity | None) -> str:
    if fidelity is None:
        return "-"
    return "exact" if fidelity.sqnr_db is None else f"{fidelity.sqnr_db:.1f}"


_CELLS: dict[str, Cell] = {
    "SQNR\ndB": lambda row, compiled, engine: _format_sqnr(row.fidelity),
    "GEMM\nkernels": lambda row, compiled, engine: str(compiled.gemm_kernels),
    "other\nkernels": lambda row, compiled, engine: str(compiled.other_kernels),
    "bytes of\nothers": lambda row, compiled, engine: format_bytes(compiled.other_bytes),
    "weights": lambda row, compiled, engine: format_bytes(compiled.weight_bytes),
    "activa-\ntions": lambda row, compiled, engine: format_bytes(compiled.activation_bytes),
    "engine": lambda row, compiled, engine: format_bytes(engine.size_bytes),
}


def _role_table(comparison: Comparison) -> Table:
    """One line a role, one column a recipe: what it compiled to, and what was asked if that differs."""
    rows = [row for row in comparison.rows if row.compiled]
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("role")
    table.add_column("FLOPs", justify="right")
    for row in rows:
        table.add_column(row_name(row, rows))
    coverages = [row.compiled.by_role for row in rows if row.compiled]
    total = sum(role.flops for role in coverages[0].values()) if coverages else 0
    for name in dict.fromkeys(role for coverage in coverages for role in coverage):
        cells = [_role_cell(coverage.get(name)) for coverage in coverages]
        flops = next(coverage[name].flops for coverage in coverages if name in coverage)
        table.add_row(name, f"{flops / total:.1%}", *cells)
    return table


def _role_cell(role: RoleCoverage | None) -> str:
    if role is None or not role.compiled:
        return "-"
    ran = format_shares(role.compiled)
    if role.asked is None or set(role.compiled) == {role.asked}:
        return ran
    return f"[yellow]{ran}[/yellow] (asked {role.asked})"


def format_shares(shares: dict[str, float]) -> str:
    """``{"fp4": 0.75, "fp16": 0.25}`` as ``fp4 75.0% fp16 25.0%``; a single precision without its 100 %."""
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    if len(ranked) == 1:
        return ranked[0][0]
    return ", ".join(f"{name} {share:.1%}" for name, share in ranked)


def render_row_findings(named: Sequence[tuple[str, ComparisonRow]], console: Console) -> None:
    """Print the findings on measurements, then those on engines, of rows that are called by their names."""
    render_measured_findings([(name, row.measured) for name, row in named if row.measured], console)
    findings = [(name, finding) for name, row in named for finding in row.findings]
    render_noted(findings, console, "trtbench inspect")
