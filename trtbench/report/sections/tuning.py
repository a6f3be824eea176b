"""The section of a search: the winner, the confirmed recipes and the front."""

from trtbench.report.figures.errors import block_errors
from trtbench.report.figures.figure import short
from trtbench.report.figures.pareto import tuned_pareto
from trtbench.report.sections.section import Cell, Section, Source, Table, table_of, three
from trtbench.report.text.fidelity import fidelity_basis, format_sqnr, sqnr_scale
from trtbench.report.text.tuning import tuning_verdict
from trtbench.results import TunedRow, Tuning
from trtbench.units import format_bytes


def tuning_section(tuning: Tuning, source: Source) -> Section:
    """All that the search found."""
    gpu, verdict = tuning.gpu, tuning_verdict(tuning)
    basis = fidelity_basis(tuning.inputs, tuning.inputs.samples, tuning.weights)
    figures = (
        tuned_pareto(tuning),
        block_errors({str(row.recipe): row.fidelity for row in tuning.rows if row.fidelity}),
    )
    estimates = (
        f"{tuning.candidates} recipes estimated from {tuning.engines_built} engines of a few blocks; "
        f"off by at most {tuning.time_error_pct:.1f} % and {tuning.sqnr_error_db:.1f} dB where confirmed"
    )
    return Section(
        kind="tuning",
        title=short(f"Search: {tuning.model}", 120),
        source=source.name,
        evidence=tuning.evidence,
        facts=(
            ("batch", str(tuning.batch)),
            ("predicted for", f"{gpu.title} at {gpu.clock_mhz:.0f} MHz"),
            ("searched", estimates),
            ("accuracy", short(f"emulated on a CPU, {basis}; {sqnr_scale()}", 400)),
        ),
        verdict=short(f"{verdict[:1].upper()}{verdict[1:]}.", 900),
        uncertain=tuple(f"not timed: {short(each, 300)}" for each in [tuning.not_timed] if each),
        tables=(_rows(tuning),),
        appendix=(*_variants(tuning), *_shapes(tuning)),
        figures=tuple(figure for figure in figures if figure),
        environment=(
            *(("not searched", short(reason, 400)) for reason in tuning.not_searched),
            *(("left out", short(reason, 400)) for reason in tuning.failures),
        ),
    )


def _rows(tuning: Tuning) -> Table:
    rows = tuning.rows
    bound = {True: "yes", False: "no", None: ""}
    columns = {
        "recipe": [_name(row, tuning) for row in rows],
        "predicted ms": [_predicted(row) for row in rows],
        "measured ms": [
            Cell(three(row.measured_ms), row.measured_ms) if row.measured_ms else Cell("") for row in rows
        ],
        "SQNR dB": [
            Cell(format_sqnr(row.fidelity.sqnr_db), row.sqnr_db) if row.fidelity else Cell("") for row in rows
        ],
        "engine": [_bytes(row.engine_bytes) for row in rows],
        "activations": [_bytes(row.activation_bytes) for row in rows],
        "keeps the bound": [Cell(bound[row.meets]) for row in rows],
        "on the front": [Cell("yes" if row.on_front else "no") for row in rows],
        "failed with": [Cell(short(row.reason, 300) if row.reason else "") for row in rows],
    }
    words = {"recipe", "keeps the bound", "on the front", "failed with"}
    return table_of("recipes", "Confirmed recipes", columns, set(columns) - words)


def _name(row: TunedRow, tuning: Tuning) -> Cell:
    return Cell(short(str(row.recipe)) + " (winner)" * (row.recipe == tuning.winner))


def _predicted(row: TunedRow) -> Cell:
    if row.prediction is None:
        return Cell("")
    low, high = row.prediction.interval_ms
    return Cell(f"{three(row.predicted_ms)} ({three(low)} to {three(high)})", row.predicted_ms)


def _bytes(size: int | None) -> Cell:
    return Cell("") if size is None else Cell(format_bytes(size), size)


def _variants(tuning: Tuning) -> tuple[Table, ...]:
    rows = tuning.variants
    if not rows:
        return ()
    times = [each.prediction.gpu_compute_ms if each.prediction else None for each in rows]
    columns = {
        "changed": [Cell(f"without {each.without}" if each.without else str(each.recipe)) for each in rows],
        "predicted ms": [Cell(three(ms), ms) if ms else Cell("") for ms in times],
        "SQNR dB": [Cell(format_sqnr(each.fidelity.sqnr_db)) if each.fidelity else Cell("") for each in rows],
        "note": [Cell(short(each.reason or each.note or "", 300)) for each in rows],
    }
    return (table_of("variants", "The winner with one thing changed", columns, {"predicted ms", "SQNR dB"}),)


def _shapes(tuning: Tuning) -> tuple[Table, ...]:
    rows = tuning.shapes
    if not rows:
        return ()
    found = [each.prediction for each in rows]
    columns = {
        "recipe": [Cell(short(str(each.recipe))) for each in rows],
        "batch": [Cell(str(each.batch), each.batch) for each in rows],
        "image": [Cell(str(each.img_size or "")) for each in rows],
        "predicted ms": [
            Cell(three(each.gpu_compute_ms), each.gpu_compute_ms) if each else Cell("") for each in found
        ],
        "images a second": [
            Cell(f"{each.images_per_s:,.0f}", each.images_per_s) if each else Cell("") for each in found
        ],
        "activations": [_bytes(each.activation_bytes) for each in rows],
        "failed with": [Cell(short(each.reason or "", 300)) for each in rows],
    }
    numeric = {"batch", "predicted ms", "images a second", "activations"}
    return (table_of("shapes", "The front at other shapes", columns, numeric),)
