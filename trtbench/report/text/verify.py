"""A verification as text for people: one table of recipes and files, one of outputs, one of blocks."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.fidelity import fidelity_basis, format_share, format_sqnr, sqnr_scale
from trtbench.report.text.findings import render_findings
from trtbench.report.text.measurement import render_reasons
from trtbench.report.text.tables import table_of
from trtbench.results import Fidelity, Verification, VerificationRow


def render_verification(verification: Verification, console: Console) -> None:
    """Print ``verification``; its evidence: ONNX files, computed on a CPU in the number formats they name."""
    console.print(_headline(verification), soft_wrap=True)
    for line in _basis(verification):
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print(_recipe_table(verification, console))
    if verification.token_reduction is not None:
        console.print("\nagainst FP32 with the same token reduction: what number formats alone cost")
        console.print(_reduced_table(verification, console))
    several = [row for row in verification.rows if row.fidelity and row.fidelity.per_output]
    if several:
        console.print("\nSQNR (dB) of each output; above: of all side by side")
        console.print(_output_table(several, console))
    compared = [row for row in verification.rows if row.fidelity and row.fidelity.per_block]
    if compared:
        console.print(
            "\nSQNR (dB) of the residual stream behind each block; yellow: where most of the noise enters"
        )
        console.print(_block_table(compared, console))
    render_reasons([(row.subject, row.reason) for row in verification.rows], console)
    for note in dict.fromkeys(
        note for row in verification.rows if row.fidelity for note in row.fidelity.notes
    ):
        console.print(f"note: {note}", soft_wrap=True)
    render_findings([(row.subject, found) for row in verification.rows for found in row.findings], console)


def _headline(verification: Verification) -> Text:
    runtimes = sorted({row.fidelity.runtime for row in verification.rows if row.fidelity})
    against, reduction = verification.against, verification.token_reduction
    reference = f" with {reduction} against FP32 with all tokens" if reduction else " against FP32"
    return Text.assemble(
        "ONNX models against " if against else "",
        (against or verification.model, "bold"),
        "" if against else f": exported models{reference}",
        (f", computed on a CPU by {', '.join(runtimes)}" if runtimes else "") + "; no GPU kernel ran",
    )


def _basis(verification: Verification) -> Iterator[str]:
    """On which weights and images, and what SQNR means, once something was computed."""
    for fidelity in [row.fidelity for row in verification.rows if row.fidelity][:1]:
        yield fidelity_basis(verification.inputs, fidelity.samples, fidelity.weights)
        yield sqnr_scale()


def _recipe_table(verification: Verification, console: Console) -> Table:
    fidelities = [row.fidelity for row in verification.rows if row.fidelity]
    is_labelled = any(fidelity.top1 is not None for fidelity in fidelities)
    headers = ["cosine", "SQNR dB", "max error", "same top-1", "KL (nats)"]
    accuracies = ["top-1", "top-5"] * is_labelled
    wraps = ("recipe", *headers)
    table = table_of(console, "recipe", *headers, *accuracies, text=("recipe",), wraps=wraps, gap=2)
    for row in verification.rows:
        cells = _cells(row.fidelity, is_labelled) if row.fidelity else (Text("failed", "red"),)
        table.add_row(row.subject, *cells)
    if is_labelled:
        reference = fidelities[0].reference
        blank = [""] * len(headers)
        table.add_row(
            verification.against or "FP32 reference",
            *blank,
            format_share(reference.top1),
            format_share(reference.top5),
        )
    return table


def _reduced_table(verification: Verification, console: Console) -> Table:
    headers = ["cosine", "SQNR dB", "max error", "same top-1", "KL (nats)"]
    table = table_of(console, "recipe", *headers, text=("recipe",), wraps=("recipe", *headers), gap=2)
    for row in verification.rows:
        if row.of_reduced:
            table.add_row(str(row.recipe), *_cells(row.of_reduced, False))
    return table


def _cells(fidelity: Fidelity, is_labelled: bool) -> tuple[str | Text, ...]:
    cells = (
        f"{fidelity.cosine:.5f}",
        format_sqnr(fidelity.sqnr_db),
        f"{fidelity.max_abs_error:.3g}",
        format_share(fidelity.top1_agreement),
        "-" if fidelity.kl_divergence is None else f"{fidelity.kl_divergence:.2g}",
    )
    return (*cells, format_share(fidelity.top1), format_share(fidelity.top5)) if is_labelled else cells


def _output_table(rows: list[VerificationRow], console: Console) -> Table:
    recipes = [row.subject for row in rows]
    table = table_of(console, "output", *recipes, text=("output",), wraps=recipes, gap=2)
    columns = [
        {each.name: format_sqnr(each.sqnr_db) for each in row.fidelity.per_output}
        for row in rows
        if row.fidelity
    ]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(column.get(name, "-") for column in columns))
    return table


def _block_table(rows: list[VerificationRow], console: Console) -> Table:
    recipes = [row.subject for row in rows]
    table = table_of(console, "block", *recipes, text=("block",), wraps=recipes, gap=2)
    columns = [_block_column(row.fidelity) for row in rows if row.fidelity]
    for block in sorted({block for column in columns for block in column}):
        table.add_row(str(block), *(column.get(block, "-") for column in columns))
    return table


def _block_column(fidelity: Fidelity) -> dict[int, Text]:
    """SQNR by block; marked is the block behind which noise has risen most against the signal."""
    cells = {each.block: Text(format_sqnr(each.sqnr_db)) for each in fidelity.per_block}
    noise = [0.0 if each.sqnr_db is None else 10 ** (-each.sqnr_db / 10) for each in fidelity.per_block]
    rises = [after - before for before, after in zip([0.0, *noise], noise, strict=False)]
    if max(rises) > 0:
        worst = fidelity.per_block[rises.index(max(rises))].block
        cells[worst].stylize("yellow")
    return cells
