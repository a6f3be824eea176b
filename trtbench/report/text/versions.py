"""A comparison of versions as text for people: what was compiled, what was timed, then what changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trtbench.build.dialect import PRODUCTS
from trtbench.report.text.comparison import format_shares
from trtbench.report.text.diff import explanations, headline
from trtbench.report.text.findings import render_findings
from trtbench.report.text.measurement import (
    TIME_COLUMNS,
    evidence,
    render_measured_findings,
    render_raw_files,
    render_verdicts,
    time_cells,
)
from trtbench.results.environments import EnvironmentRecord
from trtbench.results.versions import VersionComparison, VersionDifference, VersionRow
from trtbench.runtimes import runtime_entry
from trtbench.units import format_bytes, format_seconds

_WIDE = 100
_WIDTH_OF_VERSION = 14
_FAILED = ("[red]failed[/red]", *("",) * (len(TIME_COLUMNS) - 1))


def render_versions(comparison: VersionComparison, raw_files: Sequence[Path], console: Console) -> None:
    """Print ``comparison``: environments, what was compiled and timed, and the differences explained.

    ``raw_files``: where every sample is kept.
    """
    console.print(_headline(comparison), soft_wrap=True)
    if comparison.not_timed is not None:
        console.print(Text(f"not timed: {comparison.not_timed}", style="dim"), soft_wrap=True)
    for record in comparison.environments:
        console.print(Text(_environment(record), style="dim" if record.contents else "red"), soft_wrap=True)
    versions = _versions(comparison.rows)
    gap = 1 if console.width < _WIDE else 2
    if _is_compiled(comparison):
        console.print()
        console.print(_table(comparison, versions, gap))
    _render_times(comparison, versions, gap, raw_files, console)
    _render_failures(comparison, console)
    for difference in comparison.differences:
        _render_difference(difference, console)
    measured = [row.measured for row in comparison.rows if row.measured]
    render_measured_findings([(each.arm.label, each) for each in measured], console)
    findings = [(e.environment, finding) for e in comparison.environments for finding in e.findings]
    render_findings(findings, console)


def _headline(comparison: VersionComparison) -> str:
    head = f"[bold]{comparison.model}[/bold], batch {comparison.batch}"
    timed = any(row.measured and row.measured.series for row in comparison.rows)
    nothing = "" if timed else "; nothing here was timed on a GPU"
    if not _is_compiled(comparison):
        return f"{head}, run from one ONNX file a recipe" if timed else f"{head}; nothing was timed"
    if all(row.engine is None for row in comparison.rows):
        return f"{head}; nothing was compiled{nothing}"
    compiled = dict.fromkeys(target for row in comparison.rows for target in row.targets)
    targets = ", ".join(compiled or comparison.build_spec.targets)
    for_targets = f" for {targets}" if targets else ""
    return f"{head}, compiled{for_targets} from one ONNX file a recipe, with the same build options{nothing}"


def _is_compiled(comparison: VersionComparison) -> bool:
    """Whether engines were to be built: in runtimes that load other things none are."""
    loads = {row.runtime and runtime_entry(row.runtime).loads for row in comparison.rows}
    return bool(loads & {None, "engine"})


def _versions(rows: Sequence[VersionRow]) -> dict[str, str]:
    """What tables call each environment: its version, or what tells it from another of that version."""
    several = len({row.engine.backend for row in rows if row.engine}) > 1
    names: dict[str, str] = {}
    for row in rows:
        if row.engine is not None or row.measured is not None or row.environment not in names:
            names[row.environment] = _version(row, several)
    for other in (_end_of_word, str):
        shared = [name for name in names.values() if list(names.values()).count(name) > 1]
        names = {word: other(word) if name in shared else name for word, name in names.items()}
    return names


def _version(row: VersionRow, several_compilers: bool) -> str:
    if row.engine is not None:
        product = f"{PRODUCTS[row.engine.backend]} " * several_compilers
        return f"{product}{row.engine.backend_version}"
    if row.measured is not None and row.measured.facts is not None:
        return row.measured.facts.runtime_version.rpartition(" ")[2]
    return _end_of_word(row.environment)


def _end_of_word(word: str) -> str:
    """What stands for a version in the word for an environment: of an image its tag, or its digest."""
    image = word.removeprefix("docker:")
    if image == word:
        return word.rpartition("==")[2][:_WIDTH_OF_VERSION]
    name, _, digest = image.partition("@sha256:")
    # A colon before the last slash is that of a port.
    name, _, tag = name.rpartition("/")[2].partition(":")
    return (tag or digest or name)[:_WIDTH_OF_VERSION]


def _render_times(
    comparison: VersionComparison,
    versions: Mapping[str, str],
    gap: int,
    raw_files: Sequence[Path],
    console: Console,
) -> None:
    """Print what every row took, each verdict with its reason, and what all rows have in common."""
    measured = [row.measured for row in comparison.rows if row.measured]
    if not measured and _is_compiled(comparison):
        return
    console.print()
    console.print(Text(evidence(measured)), soft_wrap=True)
    console.print(_time_table(comparison, versions, gap))
    render_verdicts(measured, comparison.verdicts, console)
    files = {str(row.recipe): row.onnx_sha256 for row in comparison.rows if row.onnx_sha256}
    for recipe, sha256 in files.items():
        console.print(
            Text(f"ONNX file of {recipe} in every row: sha256 {sha256}", style="dim"), soft_wrap=True
        )
    for sha256 in dict.fromkeys(row.protocol_sha256 for row in comparison.rows if row.protocol_sha256):
        console.print(Text(f"protocol in every row: sha256 {sha256}", style="dim"), soft_wrap=True)
    render_raw_files(raw_files, console)


def _time_table(comparison: VersionComparison, versions: Mapping[str, str], gap: int) -> Table:
    rows = [row for row in comparison.rows if row.measured or row.status == "failed"]
    several = len({row.runtime for row in rows if row.runtime}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for header in ("recipe", "version", *("runtime",) * several):
        table.add_column(header, overflow="fold")
    for header in TIME_COLUMNS:
        table.add_column(header, justify="left" if header == "verdict" else "right", no_wrap=True)
    last = None
    for row in rows:
        recipe = "" if row.recipe == last else str(row.recipe)
        runtime = (row.runtime or "",) * several
        cells = time_cells(row.measured, comparison.verdicts) if row.measured else _FAILED
        table.add_row(recipe, Text(versions[row.environment]), *runtime, *cells)
        last = row.recipe
    return table


def _render_failures(comparison: VersionComparison, console: Console) -> None:
    told = {record.reason for record in comparison.environments if record.reason}
    for row in comparison.rows:
        if row.status == "failed":
            reason = "the environment is not ready" if row.reason in told else row.reason
            text = Text.assemble((f"{row.recipe} in {row.environment} failed", "red"), f": {reason}")
            console.print(text, soft_wrap=True)


def _environment(record: EnvironmentRecord) -> str:
    if record.contents is None:
        return f"{record.environment}: not ready: {record.reason}"
    contents = record.contents
    versions = [f"TensorRT-RTX {contents.tensorrt_rtx}"] * bool(contents.tensorrt_rtx)
    versions += [f"TensorRT {contents.tensorrt}"] * bool(contents.tensorrt)
    versions += [f"onnxruntime {contents.onnxruntime}"] * bool(contents.onnxruntime)
    versions += [f"CUDA {contents.cuda}"] * bool(contents.cuda)
    digest = f", {record.image_digest}" if record.image_digest else ""
    return f"{record.environment}: {', '.join([*versions, f'Python {contents.python}'])}{digest}"


def _table(comparison: VersionComparison, versions: Mapping[str, str], gap: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    table.add_column("recipe", no_wrap=True)
    is_short = all(len(name) <= _WIDTH_OF_VERSION for name in versions.values())
    table.add_column("version", no_wrap=is_short, overflow="fold")
    table.add_column("GEMM FLOPs run in", min_width=len("fp16 25.5%"))
    table.add_column("attn", no_wrap=True)
    for header in ("GEMM\nkernels", "other\nkernels", "bytes of\nothers", "weights", "engine", "build"):
        table.add_column(header, justify="right", no_wrap=True)
    last = None
    for row in comparison.rows:
        recipe = "" if row.recipe == last else str(row.recipe)
        table.add_row(recipe, Text(versions[row.environment]), *_cells(row))
        last = row.recipe
    return table


def _cells(row: VersionRow) -> tuple[str, ...]:
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
        format_bytes(row.engine.size_bytes),
        format_seconds(row.engine.build_s),
    )


def _render_difference(difference: VersionDifference, console: Console) -> None:
    engines = difference.diff.before, difference.diff.after
    names = tuple(engine.backend_version for engine in engines)
    if engines[0].backend != engines[1].backend:
        names = tuple(f"{PRODUCTS[engine.backend]} {engine.backend_version}" for engine in engines)
    if names[0] == names[1]:
        names = (difference.before, difference.after)
    reasons = explanations(difference.diff)
    total = headline(difference.diff) if reasons else "the same kernels in the same precisions"
    head = Text.assemble((str(difference.recipe), "bold"), f", {names[0]} -> {names[1]}: {total}")
    console.print()
    console.print(head)
    for reason in reasons:
        console.print(Padding(Text(reason), (0, 0, 0, 2)))
