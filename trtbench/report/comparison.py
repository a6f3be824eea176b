"""A comparison as text for people: one table of recipes, one of roles, then the findings."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.findings import render_findings
from trtbench.results import Comparison, ComparisonRow, RoleCoverage
from trtbench.units import format_bytes

_WIDE = 100  # columns from which the table of recipes has room for two blanks between its own


def render_comparison(comparison: Comparison, console: Console) -> None:
    """Print ``comparison``; every number in it comes from the compiled engine (evidence: compiled)."""
    console.print(_headline(comparison), soft_wrap=True)
    console.print(_recipe_table(comparison, gap=1 if console.width < _WIDE else 2))
    if any(row.compiled for row in comparison.rows):
        console.print(_role_table(comparison))
    for row in comparison.rows:
        if row.status == "failed":
            console.print(Text.assemble((f"{row.recipe} failed", "red"), f": {row.reason}"), soft_wrap=True)
    _render_findings(comparison.rows, console)


def _headline(comparison: Comparison) -> str:
    backends = sorted({f"{r.engine.backend} {r.engine.backend_version}" for r in comparison.rows if r.engine})
    return (
        f"[bold]{comparison.model}[/bold], batch {comparison.batch}, compiled for {comparison.target['sm']}"
        + (f" by {', '.join(backends)}" if backends else "")
        + "; nothing here was timed on a GPU"
    )


def _recipe_table(comparison: Comparison, gap: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    table.add_column("recipe", no_wrap=True)
    table.add_column("GEMM FLOPs run in", min_width=len("fp16 25.5%"))
    table.add_column("attn", no_wrap=True)
    for header in (
        "GEMM\nkernels",
        "other\nkernels",
        "bytes of\nothers",
        "weights",
        "activa-\ntions",
        "engine",
    ):
        table.add_column(header, justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(str(row.recipe), *_recipe_cells(row))
    return table


def _recipe_cells(row: ComparisonRow) -> tuple[str, ...]:
    if row.compiled is None or row.engine is None:
        return ("[red]failed[/red]", *7 * ("",))
    compiled = row.compiled
    return (
        format_shares(compiled.gemm_flops_share),
        compiled.attention_precision or "none",
        str(compiled.gemm_kernels),
        str(compiled.other_kernels),
        format_bytes(compiled.other_bytes),
        format_bytes(compiled.weight_bytes),
        format_bytes(compiled.activation_bytes),
        format_bytes(row.engine.size_bytes),
    )


def _role_table(comparison: Comparison) -> Table:
    """One line a role, one column a recipe: what it compiled to, and what was asked if that differs."""
    rows = [row for row in comparison.rows if row.compiled]
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column("role")
    table.add_column("FLOPs", justify="right")
    for row in rows:
        table.add_column(str(row.recipe))
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


def _render_findings(rows: Iterable[ComparisonRow], console: Console) -> None:
    """Print what needs attention in full, and the rest by name."""
    findings = [(str(row.recipe), finding) for row in rows for finding in row.findings]
    render_findings([pair for pair in findings if pair[1].severity != "info"], console)
    notes = [f"{finding.code} ({subject})" for subject, finding in findings if finding.severity == "info"]
    if notes:
        console.print(Text(f"further notes, in full with trtbench inspect: {', '.join(notes)}", style="dim"))
