"""The lines that log a result to MLflow log what they say; a stand-in records the calls."""

import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how_to" / "mlflow.md").read_text(encoding="utf-8")
NAMES = re.compile(r"[\w\-. /]+")
"""What MLflow takes as names of metrics and parameters."""


@pytest.fixture
def logged(monkeypatch):
    """Calls by the name of the run."""
    runs: dict[str, dict[str, object]] = {}
    open_runs: list[str] = []

    @contextmanager
    def start_run(run_name, nested=False):
        assert nested == bool(open_runs)
        open_runs.append(run_name)
        runs[run_name] = {}
        yield
        open_runs.pop()

    def record(values):
        assert all(NAMES.fullmatch(name) for name in values)
        runs[open_runs[-1]].update(values)

    mlflow = ModuleType("mlflow")
    mlflow.start_run = start_run
    mlflow.log_metrics = mlflow.log_params = record
    mlflow.set_tag = lambda name, value: record({name: value})
    mlflow.log_artifact = lambda path: record({"artifact": Path(path).stat().st_size})
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    return runs


@pytest.mark.parametrize("file", ["predict/predictions.json", "compare/comparison.json"])
def test_each_row_is_a_run_with_its_numbers(logged, monkeypatch, tmp_path, file):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests" / "golden" / file, "result.json")
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(lines, names)  # noqa: S102
    model, *rows = logged.values()
    assert set(model) == {"artifact", "evidence"}
    assert [row["key"] for row in rows] == [row.key for row in names["result"].rows]
    assert rows[0]["compiled_gemm_kernels"] == names["result"].rows[0].compiled.gemm_kernels
    assert all(isinstance(value, str | int | float) for row in rows for value in row.values())
