"""An audit as text for people: roles, totals, layers, findings."""

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.audit.precision import QUANTIZED
from trtbench.report.text.compiled_table import format_shares
from trtbench.report.text.findings import render_findings
from trtbench.report.text.tables import table_of
from trtbench.report.text.tactics import render_tactics
from trtbench.results import Audit, AuditedLayer, RoleCoverage
from trtbench.units import format_bytes, format_flops

_WIDTH_OF_NUMBERS = 75
"""Of a list of layers without their names."""
_MIN_WIDTH_OF_NAMES = 20


def render_audit(audit: Audit, console: Console, verbose: bool) -> None:
    """Print ``audit``; ``verbose`` lists every layer, else those that do the same work are one line."""
    console.print(_headline(audit), soft_wrap=True)
    console.print(_role_table(audit, console))
    console.print(_totals(audit), end="\n\n")
    console.print(
        _layer_table(audit, console, verbose), end="\n\n" if audit.tactics or audit.findings else "\n"
    )
    render_tactics(audit.tactics, console, verbose)
    render_findings([("", finding) for finding in audit.findings], console)


def _headline(audit: Audit) -> Text:
    recipe = (str(audit.recipe or "no recipe known"), "bold")
    if audit.backend is None:
        return Text.assemble(recipe, ": the ONNX graph alone; it has not been compiled")
    timed = (
        "only the builder timed anything, its tactics" if audit.tactics else "nothing here was timed on a GPU"
    )
    return Text.assemble(recipe, f" compiled by {audit.backend}; {timed}")


def _role_table(audit: Audit, console: Console) -> Table:
    text = ("role", "asked", "in the ONNX", "compiled")
    table = table_of(console, "role", "FLOPs", *text[1:], text=text, wraps=text, gap=2)
    for role in audit.by_role:
        share = role.flops / audit.onnx_flops if audit.onnx_flops else 0.0
        table.add_row(
            role.role, f"{share:.1%}", role.asked or "-", format_shares(role.onnx), _compiled_cell(role)
        )
    return table


def _compiled_cell(role: RoleCoverage) -> Text:
    """What compiled, in colour where it is not what was asked, or without a recipe what the graph holds.

    More than was asked for is fine, such as attention in FP8 where a recipe asks for 16 bits.
    """
    if not role.compiled:
        return Text("-")
    ran = format_shares(role.compiled)
    expected = {role.asked} if role.asked else set(role.onnx)
    exceeded = role.compiled.keys() <= QUANTIZED and not expected & QUANTIZED
    return Text(ran, "" if exceeded or role.compiled.keys() == expected else "yellow")


def _totals(audit: Audit) -> str:
    counts = {"torch model": audit.analytic_flops, "graph": audit.onnx_flops, "engine": audit.compiled_flops}
    flops = ", ".join(
        f"{format_flops(count)} ({place})" for place, count in counts.items() if count is not None
    )
    precisions = (
        f"GEMM FLOPs in {format_shares(audit.gemm_flops_share) or 'nothing'}, "
        f"attention in {audit.attention_precision or 'nothing'}"
    )
    lines = [f"one inference of the batch: {flops}", precisions]
    if audit.backend is not None:
        lines.append(
            f"{audit.gemm_kernels} GEMM kernels, {audit.attention_kernels} of attention, "
            f"{audit.other_kernels} others ({audit.quantize_kernels} of them only quantize, dequantize or "
            f"arrange scales), which move {format_bytes(audit.other_bytes)}"
        )
    return "\n".join(lines)


def _layer_table(audit: Audit, console: Console, verbose: bool) -> Table:
    width_of_names = console.width - _WIDTH_OF_NUMBERS if verbose else 0
    text, numbers = ("role", "op", "in", "out"), ("M", "N", "K", "GFLOP", "MB")
    table = table_of(console, "block" if verbose else "", *text, *numbers, text=text, gap=1)
    if width_of_names >= _MIN_WIDTH_OF_NAMES:
        table.add_column("layer", no_wrap=True, overflow="ellipsis", max_width=width_of_names)
    for first, layer in _rows(audit, verbose):
        table.add_row(
            first,
            *_layer_cells(layer),
            *([layer.name] if width_of_names >= _MIN_WIDTH_OF_NAMES else []),
        )
    return table


def _rows(audit: Audit, verbose: bool) -> list[tuple[str, AuditedLayer]]:
    """First cell and layer: every layer with its block, or one of each kind with their number (``x12``)."""
    if verbose:
        return [("" if layer.block is None else str(layer.block), layer) for layer in audit.layers]
    kinds = Counter(_layer_cells(layer) for layer in audit.layers)
    one_of_each = {_layer_cells(layer): layer for layer in reversed(audit.layers)}
    return [(f"x{number}", one_of_each[kind]) for kind, number in kinds.items()]


def _layer_cells(layer: AuditedLayer) -> tuple[str, ...]:
    size = ("" if value is None else str(value) for value in (layer.m, layer.n, layer.k))
    gflop = f"{layer.flops / 1e9:.3g}" if layer.flops else ""
    return (
        layer.role,
        layer.op,
        layer.precision_in,
        layer.precision_out,
        *size,
        gflop,
        f"{layer.bytes / 1e6:.3g}",
    )
