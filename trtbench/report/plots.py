"""Plots of a sweep as files: the figures of its report as SVG."""

from pathlib import Path

from trtbench.errors import OutputError
from trtbench.report.charts import LIGHT, svg_of
from trtbench.report.sections.sweep import sweep_figures
from trtbench.results import Sweep


def write_plots(sweep: Sweep, folder: Path) -> list[Path]:
    """Write the figures of each analysed response.

    Raises:
        RuntimeUnavailable: vl-convert is not installed.
        OutputError: a file cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for figure in sweep_figures(sweep):
            kind, _, response = figure.name.partition("-")
            path = folder / f"{response}_{kind}.svg"
            path.write_text(svg_of(figure, LIGHT), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    return written
