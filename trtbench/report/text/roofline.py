"""Roofs as text: the kernels of each recipe, length and batch, then what follows from them."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.tables import table_of
from trtbench.results import (
    EqualM,
    L2Stay,
    Roofline,
    RooflineBatch,
    RooflineKernel,
    RooflineSection,
)
from trtbench.units import format_bytes

_CAVEAT = (
    "a roof is a bound, not a time: kernels are slower, and faster only where tensors are still in L2; "
    "nothing was timed"
)
_EQUAL_M = (
    "equal M makes the GEMMs of the blocks equal, but not attention, whose FLOPs and FLOP/byte grow with "
    "tokens, and not the head, whose M is the batch"
)


def render_roofline(roofline: Roofline, console: Console) -> None:
    """Print the kernels of every section and batch, then the answers."""
    gpu, changes = roofline.gpu, ", ".join(roofline.model.changes)
    _print(
        console,
        Text.assemble(
            (roofline.model.name, "bold"),
            f" ({changes})" * bool(changes),
            f": roofs predicted for {gpu.title} ({gpu.target}) at {gpu.clock_mhz:.0f} MHz, "
            f"DRAM {gpu.dram_gb_per_s:.0f} GB/s",
        ),
    )
    _print(console, Text(_CAVEAT, style="yellow"))
    for section in roofline.sections:
        for batch in section.batches:
            _render_batch(section, batch, console)
    _print(console, Text("\nall kernels at their roofs, one after the other", style="bold"))
    console.print(_overview(roofline.sections, console))
    for section in roofline.sections:
        _render_answers(section, console)
    for equal in roofline.equal_m:
        _render_equal_m(equal, console)


def _render_batch(section: RooflineSection, batch: RooflineBatch, console: Console) -> None:
    ridges = {kernel.precision: kernel.ridge for kernel in batch.kernels if kernel.kind != "pointwise"}
    shown = ", ".join(f"{ridge:.0f} ({precision})" for precision, ridge in ridges.items())
    _print(console, Text(f"\n{_named(section)}, batch {batch.batch:.0f}; ridge {shown} FLOP/byte"))
    console.print(_kernels(batch, console))


def _kernels(batch: RooflineBatch, console: Console) -> Table:
    columns = ("count", "M", "N", "K", "GFLOP", "MB", "FLOP\n/byte", "bound", "TFLOPS", "us")
    table = table_of(console, "kernel", *columns, text=("kernel", "bound"))
    for kernel in batch.kernels:
        table.add_row(
            kernel.name,
            str(kernel.count),
            *_shape(kernel),
            _number(kernel.flops / 1e9),
            _number(kernel.bytes / 1e6),
            _number(kernel.intensity),
            kernel.bound,
            _number(kernel.attainable_tflops),
            _number(kernel.roof_us),
        )
    return table


def _overview(sections: Sequence[RooflineSection], console: Console) -> Table:
    """Latency against throughput: one line a recipe, length and batch."""
    unit = "images/s" if sections[0].is_images else "sequences/s"
    compute_bound = "GEMM FLOPs\ncompute-bound"
    table = table_of(console, "recipe", "tokens", "batch", "ms", unit, compute_bound, text=("recipe",))
    for section in sections:
        for batch in section.batches:
            table.add_row(
                str(section.recipe),
                str(section.tokens),
                f"{batch.batch:.0f}",
                _number(batch.roof_ms),
                f"{batch.per_s:.0f}",
                f"{batch.compute_bound_share:.0%}",
            )
    return table


def _render_answers(section: RooflineSection, console: Console) -> None:
    """Say in sentences from which batch on what is compute-bound, and what stays in L2."""
    _print(console, Text(f"\n{_named(section)}", style="bold"))
    for line in (_together(section), *_each(section), *([_l2(section.l2)] if section.l2 else [])):
        _print(console, Text(line))


def _together(section: RooflineSection) -> str:
    batch = section.gemms_compute_bound_from
    if batch is None:
        return "GEMMs together: memory-bound at every batch"
    return (
        f"GEMMs together: compute-bound from batch {batch}; a larger batch adds latency and hardly any of "
        "their throughput"
    )


def _each(section: RooflineSection) -> Iterator[str]:
    """What is compute-bound from which batch, and what never is."""
    names: dict[int | None, dict[str, None]] = {}
    for kernel in section.batches[0].kernels:
        names.setdefault(kernel.compute_bound_from, {})[kernel.name] = None
    never = ", ".join(names.pop(None, {}))
    found = (f"{', '.join(names[batch])} from batch {batch}" for batch in sorted(filter(None, names)))
    if listed := "; ".join(found):
        yield f"compute-bound: {listed}"
    if never:
        yield f"memory-bound at every batch: {never}"


def _l2(stay: L2Stay) -> str:
    largest = f"stay in L2 up to batch {stay.batch}" if stay.batch else "leave L2 at any batch"
    return (
        f"activations of a block {largest}: the residual stream and the results between its two uses take "
        f"{format_bytes(stay.image_bytes)} each, weights {format_bytes(stay.weight_bytes)}, "
        f"of {format_bytes(stay.l2_bytes)}"
    )


def _render_equal_m(equal: EqualM, console: Console) -> None:
    """Show the products and attention of each length side by side, at the same M."""
    named = [
        f"{batch.batch:.4g} x {tokens}" for tokens, batch in zip(equal.tokens, equal.batches, strict=True)
    ]
    _print(
        console,
        Text(f"\n{equal.recipe}, equal M = batch x tokens = {equal.m}: {' and '.join(named)}", style="bold"),
    )
    console.print(_side_by_side(equal.batches, named, console))
    _print(console, Text(_EQUAL_M))


def _side_by_side(batches: Sequence[RooflineBatch], named: Sequence[str], console: Console) -> Table:
    columns = ("M", "N", "K", "GFLOP", "FLOP\n/byte", "bound", "us")
    table = table_of(
        console, "kernel", "batch x tokens", *columns, text=("kernel", "batch x tokens", "bound")
    )
    rows = [(name, batch.kernels) for name, batch in zip(named, batches, strict=True)]
    products = [kernel.name for kernel in batches[0].kernels if kernel.kind != "pointwise"]
    for product in dict.fromkeys(products):
        for name, kernels in rows:
            for kernel in kernels:
                if kernel.name == product:
                    table.add_row(kernel.name, name, *_side_by_side_cells(kernel))
    return table


def _side_by_side_cells(kernel: RooflineKernel) -> tuple[str, ...]:
    numbers = (_number(kernel.flops / 1e9), _number(kernel.intensity))
    return (*_shape(kernel), *numbers, kernel.bound, _number(kernel.roof_us))


def _shape(kernel: RooflineKernel) -> tuple[str, str, str]:
    return f"{kernel.m:.1f}".removesuffix(".0"), str(kernel.n), "-" if kernel.k is None else str(kernel.k)


def _number(value: float) -> str:
    """Three digits without an exponent."""
    if value < 0.001:
        return "<0.001"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _named(section: RooflineSection) -> str:
    size = f", {section.img_size} px" if section.img_size else ""
    return f"{section.recipe}{size}, {section.tokens} tokens"


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
