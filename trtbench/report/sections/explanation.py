"""The section of an explanation: the waterfall, the ceiling, the levers and other batches."""

from trtbench.report.figures.batches import explained_batches
from trtbench.report.figures.figure import short
from trtbench.report.figures.waterfall import waterfall
from trtbench.report.sections.section import Cell, Section, Source, Table, table_of, three
from trtbench.report.text.explanation import EVIDENCE
from trtbench.results import Explanation


def explanation_section(found: Explanation, source: Source) -> Section:
    """Why the recipe is no faster, and what would make it so."""
    own, low_high = found.waterfall, found.speedup_interval
    falls = {str(found.fp16.recipe): found.fp16, str(own.recipe): own}
    figures = (waterfall(falls), explained_batches(found))
    best = found.levers[0] if found.levers else None
    over = f", {found.speedup:.2f}x fp16 ({low_high[0]:.2f} to {low_high[1]:.2f})" if own.predicted_ms else ""
    lever = f" The best lever is {best.name}, which saves {best.saves_ms:.3f} ms." if best else ""
    return Section(
        kind="explanation",
        title=short(f"Why not faster: {found.model} {own.recipe}", 120),
        source=source.name,
        evidence=found.evidence,
        facts=(
            ("batch", str(found.batch)),
            ("predicted for", f"{found.gpu.title} at {found.gpu.clock_mhz:.0f} MHz"),
            (
                "ceiling",
                f"{found.ceiling.own_others:.2f}x fp16, with GEMMs at the peak of {found.ceiling.math}",
            ),
        ),
        verdict=short(f"{own.recipe} is predicted to take {own.predicted_ms:.3g} ms{over}.{lever}", 900),
        tables=(_levers(found),) if found.levers else (),
        figures=tuple(figure for figure in figures if figure),
        environment=(
            *(("compiled", short(note, 400)) for note in found.notes),
            *(
                ("not compared with", short(f"{name}: {why}", 400))
                for name, why in found.not_compiled.items()
            ),
            *(("predictions assume", short(line, 400)) for line in found.assumptions),
        ),
    )


def _levers(found: Explanation) -> Table:
    levers = found.levers
    columns = {
        "lever": [Cell(short(each.name, 120)) for each in levers],
        "saves ms": [Cell("up to " * each.at_most + three(each.saves_ms), each.saves_ms) for each in levers],
        "speed-up over fp16": [Cell(f"{each.speedup:.2f}x", each.speedup) for each in levers],
        "evidence": [Cell(EVIDENCE[each.evidence]) for each in levers],
        "basis": [Cell(short(each.basis, 300)) for each in levers],
    }
    return table_of(
        "levers", "Levers: each alone, since gains overlap", columns, {"saves ms", "speed-up over fp16"}
    )
