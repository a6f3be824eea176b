"""What the compiler made of each row as text: accuracy, size and kernels, then what each role runs in."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from trtbench.report.text.fidelity import fidelity_basis, format_share, format_sqnr, sqnr_scale
from trtbench.report.text.keys import SHAPE, keyed, telling
from trtbench.report.text.tables import Cell, print_columns, print_crossed
from trtbench.results import ComparisonRow, CompiledSummary, EngineSummary, Fidelity, RoleCoverage
from trtbench.results.comparison import row_name
from trtbench.runtimes import runtime_entry
from trtbench.units import format_bytes

_PRECISIONS, _ATTENTION = "GEMMs run in", "attention"
_ACCURACY: dict[str, Callable[[Fidelity], str]] = {
    "top-1": lambda found: format_share(found.top1),
    "SQNR\ndB": lambda found: format_sqnr(found.sqnr_db),
}
_COMPILED: dict[str, Callable[[CompiledSummary, EngineSummary], str]] = {
    "engine\nfile": lambda compiled, engine: format_bytes(engine.size_bytes),
    "weights": lambda compiled, engine: format_bytes(compiled.weight_bytes),
    "activa-\ntions": lambda compiled, engine: format_bytes(compiled.activation_bytes),
    _PRECISIONS: lambda compiled, engine: format_shares(compiled.gemm_flops_share),
    _ATTENTION: lambda compiled, engine: compiled.attention_precision or "none",
    "GEMM\nkernels": lambda compiled, engine: str(compiled.gemm_kernels),
    "other\nkernels": lambda compiled, engine: str(compiled.other_kernels),
    "their\ntraffic": lambda compiled, engine: format_bytes(compiled.other_bytes),
}
_LEGEND = (
    "GEMMs: matrix products outside attention, by share of FLOPs",
    "other kernels: neither GEMMs nor attention, such as norms, GELU, quantisers and copies; their traffic: "
    "the bytes they read and write, at most, since caches hold some",
)


def render_compiled(rows: Sequence[ComparisonRow], versions: Mapping[str, str], console: Console) -> None:
    """Print what was compiled, if anything was; ``versions``: what tables call each environment."""
    verified = [row.fidelity for row in rows if row.fidelity]
    if any(row.compiled for row in rows):
        _render_engines(to_compile(rows), versions, console)
    elif verified:
        _render_accuracy([row for row in rows if row.fidelity], versions, console)
    for line in _legend(verified, any(row.compiled for row in rows)):
        console.print(Text(line, style="dim"), soft_wrap=True)
    for note in dict.fromkeys(note for found in verified for note in found.notes):
        console.print(Text(f"note: {note}"), soft_wrap=True)
    if not telling(rows) & {*SHAPE, "environment"} and any(row.compiled for row in rows):
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
    """One line a row: accuracy, size, then what ran in what; the first cell says what failed."""
    keys = keyed(rows, versions)
    columns: dict[str, list[Cell]] = {**_accuracy(keys.rows)}
    for header, cell in _COMPILED.items():
        columns[header] = [
            cell(row.compiled, row.engine) if row.compiled and row.engine else "" for row in keys.rows
        ]
    first = next(iter(columns.values()))
    for line, row in enumerate(keys.rows):
        if row.compiled is None:
            first[line] = Text("failed", "red")
    print_columns(console, keys.columns(), columns, (_PRECISIONS, _ATTENTION, *keys.texts))


def _render_accuracy(rows: Sequence[ComparisonRow], versions: Mapping[str, str], console: Console) -> None:
    """One line a row of which no engine was built."""
    keys = keyed(rows, versions)
    print_columns(console, keys.columns(), _accuracy(keys.rows), keys.texts)


def _accuracy(rows: Sequence[ComparisonRow]) -> dict[str, list[Cell]]:
    """Columns that a row has something for."""
    columns: dict[str, list[Cell]] = {
        header: [cell(row.fidelity) if row.fidelity else "-" for row in rows]
        for header, cell in _ACCURACY.items()
    }
    return {header: cells for header, cells in columns.items() if {*cells} != {"-"}}


def _legend(verified: Sequence[Fidelity], is_compiled: bool) -> Iterable[str]:
    """What the numbers are of, and what they mean."""
    for found in verified[:1]:
        reference = f"; FP32: top-1 {found.reference.top1:.1%}" if found.reference.top1 is not None else ""
        basis = fidelity_basis(found.inputs, found.samples, found.weights)
        yield f"SQNR of the output against FP32: emulated on a CPU, {basis}{reference}"
        yield sqnr_scale()
    if is_compiled:
        yield from _LEGEND


def _render_roles(rows: Sequence[ComparisonRow], console: Console) -> None:
    """What each role of each row compiled to, and what was asked if that differs."""
    coverages = [row.compiled.by_role for row in rows if row.compiled]
    total = sum(role.flops for role in coverages[0].values()) or 1
    roles = list(dict.fromkeys(role for coverage in coverages for role in coverage))
    flops = [next(each[role].flops for each in coverages if role in each) for role in roles]
    names = [row_name(row, telling(rows)) for row in rows]
    columns: dict[str, list[Cell]] = {"FLOPs": [f"{each / total:.1%}" for each in flops]}
    for name, coverage in zip(names, coverages, strict=True):
        columns[name] = [_role_cell(coverage.get(role)) for role in roles]
    print_crossed(console, "role", roles, "recipe", columns, text=(*names, *roles))


def _role_cell(role: RoleCoverage | None) -> Text:
    if role is None or not role.compiled:
        return Text("-")
    ran = format_shares(role.compiled)
    if role.asked is None or set(role.compiled) == {role.asked}:
        return Text(ran)
    return Text.assemble((ran, "yellow"), f" (asked {role.asked})")
