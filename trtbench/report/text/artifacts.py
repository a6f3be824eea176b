"""Exported models and engines as text for people."""

from rich.console import Console

from trtbench.report.text.findings import render_findings
from trtbench.results import MadeArtifacts, TensorRecord
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact
from trtbench.units import format_bytes


def render_onnx(onnx: OnnxArtifact, console: Console) -> None:
    """Print where an exported model lies and what is worth knowing of it."""
    manifest = onnx.manifest
    console.print(f"{onnx.payload}", soft_wrap=True)
    record = manifest.files[0]
    console.print(f"  {format_bytes(record.size_bytes)}, {manifest.nodes} nodes, opset {manifest.opset}")
    console.print(f"  inputs {_tensors(manifest.inputs)}; outputs {_tensors(manifest.outputs)}")
    if manifest.calibration is not None:
        source = manifest.calibration.directory or "synthetic images"
        console.print(
            f"  calibrated with {manifest.calibration.samples} samples of {source}",
            soft_wrap=True,
        )
    if manifest.sparsity is not None:
        s = manifest.sparsity
        console.print(
            f"  2:4 by {s.method} in {s.layers} layers: {s.zeros / s.weights:.2%} zeros, "
            f"{s.compliant_groups} of {s.groups} groups of 4 comply"
        )
    for note in manifest.notes:
        console.print(f"  note: {note}", soft_wrap=True)
    render_findings([("", finding) for finding in manifest.findings], console)


def render_engine(engine: EngineArtifact, console: Console) -> None:
    """Print where an engine is, what built it, and what it needs."""
    manifest = engine.manifest
    console.print(f"{engine.payload}", soft_wrap=True)
    console.print(
        f"  {format_bytes(manifest.files[0].size_bytes)} for {', '.join(manifest.spec.targets)}, built by "
        f"{manifest.backend} {manifest.backend_version} in {manifest.build_s:.1f} s"
    )
    console.print(
        f"  weights {format_bytes(manifest.weight_bytes)}, "
        f"activations {format_bytes(manifest.activation_bytes)}, "
        f"scratch {format_bytes(manifest.scratch_bytes)}; "
        f"the build took {format_bytes(manifest.peak_rss_bytes)} of memory"
    )


def render_made(made: MadeArtifacts, console: Console) -> None:
    """Print a line for each artifact, and how many there are of each kind."""
    words = {"made": {"export": "exported", "build": "built"}[made.stage], "present": "skipped"}
    lines: dict[tuple[str, str | None], list[str]] = {}
    for row in made.rows:
        what = {"made": row.path, "present": f"already there: {row.path}", "failed": row.reason}[row.status]
        lines.setdefault((words.get(row.status, row.status), what), []).append(row.subject)
    for (word, what), subjects in lines.items():  # a reason may be that of several
        console.print(f"{word:<8}  {', '.join(subjects)}: {what}", soft_wrap=True)
    counts = [
        (word, sum(row.status == status for row in made.rows))
        for status, word in (*words.items(), ("failed", "failed"))
    ]
    console.print(", ".join(f"{count} {word}" for word, count in counts if count))


def _tensors(records: tuple[TensorRecord, ...]) -> str:
    return ", ".join(f"{r.name} {r.dtype} {list(r.shape)}" for r in records)
