"""The Python API on a tiny ViT with the real exporter and the real compiler, beside the command line."""

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import trtbench as tb
from trtbench.results import Comparison
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact, Store

TINY: dict[str, Any] = {"model": "vit_tiny_patch16_224", "overrides": {"depth": 1}, "batch": 2}
WORDS = ["--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "2"]
NOTEBOOK = Path(__file__).parents[2] / "docs" / "how_to" / "notebook.ipynb"
PAGE = (NOTEBOOK.parent / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CPU: dict[str, Any] = {"runtime": "onnxruntime-cpu", "processes": 1, "duration_s": 0.2, "warmup_ms": 20}


@pytest.fixture(scope="module")
def onnx(store: Store) -> OnnxArtifact:
    return tb.export("fp16", **TINY, store=store.root)


@pytest.fixture(scope="module")
def engine(onnx: OnnxArtifact, store: Store) -> EngineArtifact:
    return tb.build(onnx, store=store.root)


@pytest.fixture(scope="module")
def compared(store: Store) -> tuple[Comparison, list[tb.Step]]:
    steps: list[tb.Step] = []
    return tb.compare(["fp16", "nvfp4"], **TINY, store=store.root, on_step=steps.append), steps


def test_a_comparison_has_rows_and_reports_its_steps(compared: tuple[Comparison, list[tb.Step]]) -> None:
    comparison, steps = compared
    fp16, nvfp4 = comparison.to_rows()
    assert comparison.evidence == ("compiled", "predicted", "emulated")
    assert (fp16["compiled_gemm_flops_share_fp16"], nvfp4["baseline"]) == (1.0, "fp16")
    assert float(str(nvfp4["emulated_sqnr_db"])) < float(str(fp16["emulated_sqnr_db"]))
    assert {step.subject for step in steps} == {"fp16", "nvfp4"}
    assert {"export", "build", "audit", "verify"} <= {step.stage for step in steps}


def test_the_command_line_finds_the_same_artifacts(
    compared: tuple[Comparison, list[tb.Step]], store: Store, trtbench: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = trtbench("compare", "fp16", "nvfp4", *WORDS, "--store", store.root, "--json")
    found = Comparison.model_validate(json.loads(out))
    assert code == 0
    assert found.rows == compared[0].rows


def test_stages_take_artifacts_and_folders(engine: EngineArtifact, onnx: OnnxArtifact, store: Store) -> None:
    assert tb.inspect(engine) == tb.inspect(engine.directory)
    assert tb.build(onnx.directory, store=store.root) == engine
    assert tb.inspect(engine).evidence == ("compiled",)
    assert tb.inspect(onnx).evidence == ()
    assert engine.to_rows()[0]["engine_size_bytes"] == engine.payload.stat().st_size
    assert "onnx_size_bytes" in onnx._repr_html_()
    assert {part.recipe for part in tb.lint(onnx).sections} == {onnx.manifest.spec.recipe}
    with pytest.raises(tb.TrtbenchError, match="an engine; build takes an exported model"):
        tb.build(engine.directory)


def test_an_engine_is_compared_with_itself_and_predicted(engine: EngineArtifact, store: Store) -> None:
    assert {change.kind for change in tb.diff(engine, engine).changes} == {"same"}
    predicted = tb.predict(engine.directory, store=store.root, gpu="5090").to_rows()[0]
    assert predicted["predicted_gpu"] == "rtx-5090"


def test_data_is_what_errors_are_measured_on(store: Store, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for name in ("0", "1"):
        (tmp_path / name).mkdir()
        image.new("RGB", (224, 224), color=(int(name) * 90, 30, 60)).save(tmp_path / name / "a.png")
    asked = {**TINY, "data": tmp_path, "data_samples": 2, "store": store.root}
    compared = tb.compare("fp16", **asked).to_rows()[0]
    verified = tb.verify("fp16", **asked).to_rows()[0]
    assert compared["emulated_images"] == tmp_path.name
    emulated = {name: value for name, value in verified.items() if name.startswith("emulated_")}
    assert emulated.items() <= compared.items()


def test_what_was_timed_is_saved_read_back_and_compared(store: Store, tmp_path: Path) -> None:
    timed = tb.compare(["fp32", "fp16"], **TINY, **CPU, store=store.root)
    measured = tb.bench("fp32", **TINY, **CPU, store=store.root)
    paths = [timed.save(tmp_path / "timed.json"), measured.save(tmp_path / "measured.json")]
    assert [tb.load(path) for path in paths] == [timed, measured]
    again = tb.compare_stored(paths)
    assert [row.measured is not None for row in again.rows] == [True, True, True]
    assert again.verdicts[0].ratio == timed.verdicts[0].ratio


def test_the_examples_of_the_documentation_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.root)
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        exec(example, names)  # noqa: S102
    assert isinstance(names["comparison"], Comparison)
    assert tb.load("comparison.json") == names["comparison"]


def test_every_cell_of_the_notebook_runs_and_shows_a_table(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(store.root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    names: dict[str, Any] = {}
    shown = []
    for cell in (each for each in cells if each["cell_type"] == "code"):
        *statements, last = ast.parse("".join(cell["source"])).body
        assert isinstance(last, ast.Expr)
        exec(compile(ast.Module(statements, []), "cell", "exec"), names)  # noqa: S102
        shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))  # noqa: S307
    tables = [value for value in shown if hasattr(value, "_repr_html_")]
    assert len(tables) == 3
    assert all("<table" in table._repr_html_() for table in tables)
