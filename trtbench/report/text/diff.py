"""The difference of two engines as text for people: totals by role, then how kernels changed."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trtbench.report.text.tables import table_of
from trtbench.results.diff import DiffedEngine, DiffedLayer, EngineDiff, LayerChange
from trtbench.units import format_bytes


def render_diff(diff: EngineDiff, console: Console) -> None:
    """Print ``diff``: the engines, kernels and bytes by role, and every change, the largest first."""
    for name, engine in (("before", diff.before), ("after ", diff.after)):
        console.print(Text.assemble((name, "bold"), f" {_engine(engine)}"), soft_wrap=True)
    console.print("compiled layers; nothing here was timed", end="\n\n")
    console.print(_role_table(diff, console), end="\n\n")
    _render_changes(diff, console)


def render_difference(subject: str, names: tuple[str, str], diff: EngineDiff, console: Console) -> None:
    """Print what changes between two engines of ``subject``, which are called by ``names``."""
    reasons = explanations(diff)
    total = headline(diff) if reasons else "the same kernels in the same precisions"
    console.print()
    console.print(Text.assemble((subject, "bold"), f", {' -> '.join(names)}: {total}"))
    for reason in reasons:
        console.print(Padding(Text(reason), (0, 0, 0, 2)))


def headline(diff: EngineDiff) -> str:
    """The whole difference in a few words: ``-48 kernels, -1.06 GB``."""
    return signed(diff.after.kernels - diff.before.kernels, diff.after.bytes - diff.before.bytes)


def explanations(diff: EngineDiff) -> list[str]:
    """One sentence a change, the largest first; together they are the whole difference."""
    return [
        f"{where(change)}: {describe(change)} ({signed(change.kernels, change.bytes)})"
        for change in real_changes(diff)
    ]


def real_changes(diff: EngineDiff) -> list[LayerChange]:
    """Without the kernels that are the same, the most bytes first."""
    changes = [change for change in diff.changes if change.kind != "same"]
    return sorted(changes, key=lambda change: (-abs(change.bytes), -abs(change.kernels)))


def where(change: LayerChange) -> str:
    """Place and blocks: ``qkv in blocks 0-11``."""
    return f"{change.place} in {_blocks(change.blocks)}" if change.blocks else change.place


def describe(change: LayerChange) -> str:
    """What became of the kernels: ``3 gemm fp4, 2 reformat fp16 -> gemm fp4``."""
    text = f"{_layers(change.before, change)} -> {_layers(change.after, change)}"
    if change.gained:
        text += f"; now also {', '.join(change.gained)}"
    if change.lost:
        text += f"; no longer {', '.join(change.lost)}"
    return text


def signed(kernels: int, moved_bytes: int) -> str:
    """A difference: ``+12 kernels, -1.06 GB``."""
    unit = "kernel" if abs(kernels) == 1 else "kernels"
    count = f"{kernels:+d} {unit}" if kernels else "as many kernels"
    return f"{count}, {_signed_bytes(moved_bytes)}"


def _engine(engine: DiffedEngine) -> str:
    recipe = f"{engine.recipe}, " if engine.recipe else ""
    network = f"{engine.network}, " if engine.network else ""
    return (
        f"{recipe}{network}{engine.backend} {engine.backend_version} for {', '.join(engine.targets)}: "
        f"{engine.kernels} kernels move {format_bytes(engine.bytes)}, the engine has "
        f"{format_bytes(engine.size_bytes)}  {engine.path}"
    )


def _role_table(diff: EngineDiff, console: Console) -> Table:
    headers = ("role", "kernels", "", "", "bytes", "", "")
    table = table_of(console, *headers, text=("role",), wraps=("role",), gap=2)
    for role in diff.by_role:
        table.add_row(
            role.role, *_total(role.kernels_before, role.kernels_after, role.bytes_before, role.bytes_after)
        )
    before, after = diff.before, diff.after
    table.add_row("all", *_total(before.kernels, after.kernels, before.bytes, after.bytes), style="bold")
    return table


def _total(kernels_before: int, kernels_after: int, bytes_before: int, bytes_after: int) -> tuple[str, ...]:
    kernels = kernels_after - kernels_before
    return (
        str(kernels_before),
        f"-> {kernels_after}",
        f"{kernels:+d}" if kernels else "",
        format_bytes(bytes_before),
        f"-> {format_bytes(bytes_after)}",
        _signed_bytes(bytes_after - bytes_before) if bytes_after != bytes_before else "",
    )


def _render_changes(diff: EngineDiff, console: Console) -> None:
    changes = real_changes(diff)
    same = sum(change.count * len(change.after) for change in diff.changes if change.kind == "same")
    console.print(f"{same} kernels are the same in both")
    if not changes:
        return
    headers, wraps = ("change", "where", "kernels", "bytes", "before -> after"), ("where", "before -> after")
    table = table_of(console, *headers, text=("change", *wraps), wraps=wraps, gap=2)
    for change in changes:
        table.add_row(
            change.kind,
            where(change),
            f"{change.kernels:+d}" if change.kernels else "",
            _signed_bytes(change.bytes),
            Text(describe(change)),
        )
    console.print(table)
    console.print(f"these add up to the whole difference: {headline(diff)}")


def _layers(layers: Sequence[DiffedLayer], change: LayerChange) -> str:
    """Kernels with their numbers; those that are alike share a line."""
    names = Counter(_layer(layer, change) for layer in layers)
    return ", ".join(f"{count} {name}" if count > 1 else name for name, count in names.items()) or "none"


def _layer(layer: DiffedLayer, change: LayerChange) -> str:
    """Operation, place unless it is that of the change, precisions, and size of a product if it changes."""
    op = "scales" if layer.op == "reformat" and layer.role == "quantize" else layer.op
    place = f" of {layer.place}" if layer.place != change.place else ""
    same = layer.precision_in == layer.precision_out or layer.op in ("gemm", "conv", "attention")
    precision = layer.precision_in if same else f"{layer.precision_in} to {layer.precision_out}"
    sizes = {(other.m, other.n, other.k) for other in (*change.before, *change.after) if other.op == "gemm"}
    size = f" {layer.m} x {layer.n} x {layer.k}" if layer.op == "gemm" and len(sizes) > 1 else ""
    moved = f" {format_bytes(layer.bytes)}" if change.kind == "bytes" else ""
    return f"{op}{place} {precision}{size}{moved}"


def _blocks(blocks: Iterable[int]) -> str:
    """Numbers with runs folded: ``block 11``, ``blocks 0-10``."""
    numbers = list(blocks)
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"block{'s' * (len(numbers) > 1)} {text}"


def _signed_bytes(moved_bytes: int) -> str:
    return "as many bytes" if moved_bytes == 0 else f"{'+' * (moved_bytes > 0)}{format_bytes(moved_bytes)}"
