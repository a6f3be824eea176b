"""A comparison of versions as text for people: one table of recipes and versions, then what changed."""

import re

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trtbench.report.comparison import format_shares
from trtbench.report.diff import explanations, headline
from trtbench.report.findings import render_findings
from trtbench.results.environments import EnvironmentRecord
from trtbench.results.versions import VersionComparison, VersionDifference, VersionRow
from trtbench.units import format_bytes, format_seconds

_WIDE = 100
_WIDTH_OF_VERSION = 14


def render_versions(comparison: VersionComparison, console: Console) -> None:
    """Print ``comparison``: environments, the table, and the differences explained."""
    targets = ", ".join(comparison.build_spec.targets)
    console.print(
        f"[bold]{comparison.model}[/bold], batch {comparison.batch}, compiled for {targets} from one ONNX "
        "file a recipe, with the same build options; nothing here was timed on a GPU",
        soft_wrap=True,
    )
    for record in comparison.environments:
        console.print(Text(_environment(record), style="dim" if record.contents else "red"), soft_wrap=True)
    console.print()
    console.print(_table(comparison, gap=1 if console.width < _WIDE else 2))
    told = {record.reason for record in comparison.environments}
    for row in comparison.rows:
        if row.status == "failed" and row.reason not in told:
            text = Text.assemble((f"{row.recipe} in {row.environment} failed", "red"), f": {row.reason}")
            console.print(text, soft_wrap=True)
    for difference in comparison.differences:
        _render_difference(difference, console)
    findings = [(e.environment, finding) for e in comparison.environments for finding in e.findings]
    render_findings(findings, console)


def _environment(record: EnvironmentRecord) -> str:
    if record.contents is None:
        return f"{record.environment}: not ready: {record.reason}"
    contents = record.contents
    versions = [f"TensorRT-RTX {contents.tensorrt_rtx}"] * bool(contents.tensorrt_rtx)
    versions += [f"TensorRT {contents.tensorrt}"] * bool(contents.tensorrt)
    versions += [f"CUDA {contents.cuda}"] * bool(contents.cuda)
    digest = f", {record.image_digest}" if record.image_digest else ""
    return f"{record.environment}: {', '.join([*versions, f'Python {contents.python}'])}{digest}"


def _table(comparison: VersionComparison, gap: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    table.add_column("recipe", no_wrap=True)
    table.add_column("version", no_wrap=True)
    table.add_column("GEMM FLOPs run in", min_width=len("fp16 25.5%"))
    table.add_column("attn", no_wrap=True)
    for header in ("GEMM\nkernels", "other\nkernels", "bytes of\nothers", "weights", "engine", "build"):
        table.add_column(header, justify="right", no_wrap=True)
    last = None
    for row in comparison.rows:
        table.add_row("" if row.recipe == last else str(row.recipe), *_cells(row))
        last = row.recipe
    return table


def _cells(row: VersionRow) -> tuple[str, ...]:
    if row.compiled is None or row.engine is None:
        # What stands for a version in the word: of an image its tag.
        return (re.split(r"==|:", row.environment)[-1][:_WIDTH_OF_VERSION], "[red]failed[/red]", *7 * ("",))
    compiled = row.compiled
    return (
        row.engine.backend_version,
        format_shares(compiled.gemm_flops_share),
        compiled.attention_precision or "none",
        str(compiled.gemm_kernels),
        str(compiled.other_kernels),
        format_bytes(compiled.other_bytes),
        format_bytes(compiled.weight_bytes),
        format_bytes(row.engine.size_bytes),
        format_seconds(row.engine.build_s),
    )


def _render_difference(difference: VersionDifference, console: Console) -> None:
    before, after = difference.diff.before.backend_version, difference.diff.after.backend_version
    names = (before, after) if before != after else (difference.before, difference.after)
    reasons = explanations(difference.diff)
    total = headline(difference.diff) if reasons else "the same kernels in the same precisions"
    head = Text.assemble((str(difference.recipe), "bold"), f", {names[0]} -> {names[1]}: {total}")
    console.print()
    console.print(head)
    for reason in reasons:
        console.print(Padding(Text(reason), (0, 0, 0, 2)))
