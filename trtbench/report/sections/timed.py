"""Figures of what was timed, with the raw samples as far as they are there; and the section of one arm."""

from collections.abc import Iterable, Mapping

from trtbench.report.figures.drift import drift
from trtbench.report.figures.figure import Figure, short
from trtbench.report.figures.latency import latency
from trtbench.report.samples import blocks_of
from trtbench.report.sections.machine import command_of, environment_facts, recorded_facts
from trtbench.report.sections.section import Cell, Section, Source, Table, remedies_of, table_of, three
from trtbench.results import Measurement

_MOST_READ = 12


def timed_figures(arms: Mapping[str, Measurement], source: Source) -> Iterable[Figure]:
    """Distributions, and drift where raw samples lie beside the result."""
    read = list(arms.items())[:_MOST_READ]
    blocks = {name: found for name, each in read if (found := blocks_of(each, source.folder))}
    for figure in (latency(arms, blocks), drift(arms, blocks)):
        if figure is not None:
            yield figure


def measurement_section(measurement: Measurement, source: Source) -> Section:
    """One arm: its series, distributions, drift and findings."""
    arm = measurement.arm
    main = measurement.main
    failed = f"Failed: {measurement.reason or 'an unknown reason'}"
    where = measurement.gpu or "a CPU"
    verdict = f"Median {main.median:.4g} ms on {where}." if main and not measurement.has_failed else failed
    rate = measurement.images_per_s
    facts = [
        ("runtime", arm.runtime),
        ("batch", str(measurement.batch or "unknown")),
        ("images a second", f"{rate:,.0f}" if rate else "unknown"),
        ("blocks", f"{measurement.blocks} in {measurement.processes} processes"),
    ]
    found = measurement.environment
    return Section(
        kind="measurement",
        title=short(arm.label, 120),
        source=source.name,
        evidence=measurement.evidence,
        facts=(*recorded_facts(found), *((name, short(value)) for name, value in facts)),
        verdict=short(verdict, 500),
        tables=(_series(measurement),) if measurement.series else (),
        figures=tuple(timed_figures({arm.label: measurement}, source)),
        remedies=remedies_of(("", finding) for finding in measurement.findings),
        environment=tuple(environment_facts(found)) if found else (),
        command=command_of(found),
    )


def _series(measurement: Measurement) -> Table:
    lines = list(measurement.series.items())
    columns = {
        "series": [Cell(name.removesuffix("_ms").replace("_", " ")) for name, _ in lines],
        "median ms": [Cell(three(each.median), each.median) for _, each in lines],
        "95 %": [Cell(f"{three(each.ci95[0])} to {three(each.ci95[1])}") for _, each in lines],
        "p90 ms": [Cell(three(each.p90), each.p90) for _, each in lines],
        "p99 ms": [Cell(three(each.p99), each.p99) for _, each in lines],
        "longest ms": [Cell(three(each.maximum), each.maximum) for _, each in lines],
        "samples": [Cell(str(each.samples), each.samples) for _, each in lines],
    }
    return table_of("series", "Times by series", columns, set(columns) - {"series"})
