"""What the compiler made of each row as text: one line an engine, then what each role was compiled to."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from trtbench.report.text.keys import SHAPE, keyed, telling
from trtbench.report.text.tables import is_wide, table_of
from trtbench.results import ComparisonRow, CompiledSummary, EngineSummary, Fidelity, RoleCoverage
from trtbench.results.comparison import row_name
from trtbench.runtimes import runtime_entry
from trtbench.units import format_bytes

_SQNR, _WEIGHTS, _ACTIVATIONS = "SQNR\ndB", "weights", "activa-\ntions"
_PRECISIONS, _ATTENTION = "GEMM FLOPs run in", "attn"
_CELLS: dict[str, Callable[[ComparisonRow, CompiledSummary, EngineSummary], str]] = {
    _PRECISIONS: lambda row, compiled, engine: format_shares(compiled.gemm_flops_share),
    _ATTENTION: lambda row, compiled, engine: compiled.attention_precision or "none",
    _SQNR: lambda row, compiled, engine: _format_sqnr(row.fidelity),
    "GEMM\nkernels": lambda row, compiled, engine: str(compiled.gemm_kernels),
    "other\nkernels": lambda row, compiled, engine: str(compiled.other_kernels),
    "bytes of\nothers": lambda row, compiled, engine: format_bytes(compiled.other_bytes),
    _WEIGHTS: lambda row, compiled, engine: format_bytes(compiled.weight_bytes),
    _ACTIVATIONS: lambda row, compiled, engine: format_bytes(compiled.activation_bytes),
    "engine": lambda row, compiled, engine: format_bytes(engine.size_bytes),
}


def render_compiled(rows: Sequence[ComparisonRow], versions: Mapping[str, str], console: Console) -> None:
    """Print what was compiled, if anything was; ``versions``: what tables call each environment."""
    if not any(row.compiled for row in rows):
        return
    _render_engines(to_compile(rows), versions, console)
    for fidelity in [row.fidelity for row in rows if row.fidelity][:1]:
        console.print(Text(_what_sqnr_is(fidelity), style="dim"), soft_wrap=True)
    if not telling(rows) & {*SHAPE, "environment"}:
        _render_roles([row for row in rows if row.compiled], console)


def to_compile(rows: Iterable[ComparisonRow]) -> list[ComparisonRow]:
    """Rows with an engine, or that failed to get one; other runtimes load nothing that was compiled."""
    return [
        row
        for row in rows
        if (row.runtime is None or runtime_entry(row.runtime).loads == "engine")
        and (row.compiled or (row.status == "failed" and row.measured is None))
    ]


def format_shares(shares: Mapping[str, float]) -> str:
    """``{"fp4": 0.75, "fp16": 0.25}`` as ``fp4 75.0% fp16 25.0%``; a single precision without its 100 %."""
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    if len(ranked) == 1:
        return ranked[0][0]
    return ", ".join(f"{name} {share:.1%}" for name, share in ranked)


def _render_engines(rows: Sequence[ComparisonRow], versions: Mapping[str, str], console: Console) -> None:
    """One line a row; a narrow console shows no activations, and beside several keys no weights."""
    keys = keyed(rows, versions)
    shown = {
        _SQNR: any(row.fidelity for row in rows),
        _WEIGHTS: is_wide(console) or len(keys.headers) == 1,
        _ACTIVATIONS: is_wide(console),
    }
    columns = {header: cell for header, cell in _CELLS.items() if shown.get(header, True)}
    wraps = (*keys.texts, _PRECISIONS)
    table = table_of(console, *keys.headers, *columns, text=(_ATTENTION, *wraps), wraps=wraps)
    for key, row in zip(keys.lines(), keys.rows, strict=True):
        cells = (
            [cell(row, row.compiled, row.engine) for cell in columns.values()]
            if row.compiled and row.engine
            else ["[red]failed[/red]"]
        )
        table.add_row(*map(Text, key), *cells)
    console.print(table)


def _what_sqnr_is(fidelity: Fidelity) -> str:
    images = "images" if fidelity.inputs.directory else "synthetic images"
    return f"SQNR of the logits against the FP32 model: emulated on a CPU, {fidelity.samples} {images}"


def _format_sqnr(fidelity: Fidelity | None) -> str:
    if fidelity is None:
        return "-"
    return "exact" if fidelity.sqnr_db is None else f"{fidelity.sqnr_db:.1f}"


def _render_roles(rows: Sequence[ComparisonRow], console: Console) -> None:
    """One line a role, one column a row: what it compiled to, and what was asked if that differs."""
    names = [row_name(row, telling(rows)) for row in rows]
    table = table_of(console, "role", "FLOPs", *names, text=("role", *names), wraps=("role", *names))
    coverages = [row.compiled.by_role for row in rows if row.compiled]
    total = sum(role.flops for role in coverages[0].values()) or 1
    for name in dict.fromkeys(role for coverage in coverages for role in coverage):
        flops = next(coverage[name].flops for coverage in coverages if name in coverage)
        table.add_row(
            name, f"{flops / total:.1%}", *(_role_cell(coverage.get(name)) for coverage in coverages)
        )
    console.print(table)


def _role_cell(role: RoleCoverage | None) -> str:
    if role is None or not role.compiled:
        return "-"
    ran = format_shares(role.compiled)
    if role.asked is None or set(role.compiled) == {role.asked}:
        return ran
    return f"[yellow]{ran}[/yellow] (asked {role.asked})"
