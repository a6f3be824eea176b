"""A sweep as text and as plots."""

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console
from support.sweeps import Inline, plan

from trtbench.errors import OutputError
from trtbench.report.plots import write_plots
from trtbench.report.text.sweep import render_estimate, render_sweep
from trtbench.results import Sweep
from trtbench.store.artifacts import Store
from trtbench.sweep import estimate, sweep


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    store = Store(tmp_path_factory.mktemp("store"))
    return sweep(plan(depth=(1, 2, 13)), store, lambda: Inline(store))


def text_of(render, result) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    render(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_cells_failures_and_factors_are_shown(found: Sweep):
    text = text_of(render_sweep, found)
    assert "small: 24 cells, 8 failed; evidence: predicted" in text
    assert "vit8x13x64 224px b8 fp16 and 7 more failed: no kernel fits" in text
    assert "predicted_gpu_compute_ms, 16 cells: variance of its logarithm explained by" in text
    assert "median error on left-out cells, 10 folds: rule" in text


def test_an_incomplete_grid_is_named(tmp_path: Path):
    store = Store(tmp_path)
    partial = sweep(plan(skip=("vit8x2x128",)), store, lambda: Inline(store))
    assert "14 of 16 combinations are there" in text_of(render_sweep, partial)


def test_an_estimate_says_where_it_comes_from(tmp_path: Path):
    text = text_of(render_estimate, estimate(plan(skip=("vit8x2x128",)), Store(tmp_path), 2))
    assert "small: 14 cells of 7 models; 0 done, 14 left" in text
    assert "left out: 2 by skip, 0 named twice" in text
    assert "estimated by: a rough guess by depth and weights of each cell" in text


def test_plots_are_written_for_each_response(found: Sweep, tmp_path: Path):
    paths = write_plots(found, tmp_path / "plots")
    assert {path.name for path in paths} == {
        f"{response}_{kind}.svg"
        for response in ("predicted_gpu_compute_ms", "predicted_tflop_per_s")
        for kind in ("heat", "shares", "effects", "sizes")
    }
    for path in paths:
        root = ElementTree.parse(path).getroot()  # noqa: S314 (ours)
        assert len(list(root.iter())) > 20


def test_plots_that_cannot_be_written_are_one_line(found: Sweep, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_plots(found, tmp_path / "file")
