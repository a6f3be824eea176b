"""Exports with a range of batches: one engine, audited, compared and verified at each of them."""

from pathlib import Path

import onnx
import pytest

from trtbench.audit.inspect import inspect
from trtbench.build import build
from trtbench.compare import compare
from trtbench.diff import diff
from trtbench.export import export
from trtbench.lint import lint
from trtbench.progress import silent
from trtbench.request import export_specs, parse_recipes, shapes_of
from trtbench.results import Audit
from trtbench.specs import BatchRange, BuildSpec, ExportSpec, Grid, InputsSpec, ModelSpec
from trtbench.store.artifacts import EngineArtifact, Store
from trtbench.verify import verify

MODEL = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 1),), img_size=64)
STATIC = ExportSpec(model=MODEL, recipe="nvfp4", batch=4)
DYNAMIC = STATIC.model_copy(update={"batch_range": BatchRange(minimum=1, optimum=4, maximum=16)})


@pytest.fixture(scope="module")
def engines(store: Store) -> tuple[EngineArtifact, EngineArtifact]:
    """The engine of a static batch, and that of a range."""
    first, second = (build(export(spec, store)[0], BuildSpec(), store)[0] for spec in (STATIC, DYNAMIC))
    return first, second


def products(audit: Audit) -> list[tuple[object, ...]]:
    return [
        (each.role, each.op, each.block, each.precision_in, each.precision_out, each.m, each.n, each.k)
        for each in audit.layers
        if each.flops
    ]


def test_at_the_optimum_its_products_are_those_of_a_static_batch(
    engines: tuple[EngineArtifact, EngineArtifact],
) -> None:
    static, dynamic = (inspect(engine.directory) for engine in engines)
    assert sorted(map(str, products(dynamic))) == sorted(map(str, products(static)))
    assert dynamic.analytic_flops == dynamic.compiled_flops == static.compiled_flops
    assert [finding.code for finding in dynamic.findings if finding.code != "OPEN_DIMENSIONS"] == [
        finding.code for finding in static.findings
    ]
    assert diff(*(engine.directory for engine in engines)).after.inputs == {"images": (4, 3, 64, 64)}


def test_the_engine_is_built_with_the_range_as_its_profile(
    engines: tuple[EngineArtifact, EngineArtifact],
) -> None:
    ((entry,),) = engines[1].manifest.spec.options.profiles
    assert (entry.input, entry.min_shape, entry.opt_shape, entry.max_shape) == (
        "images",
        (1, 3, 64, 64),
        (4, 3, 64, 64),
        (16, 3, 64, 64),
    )


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_it_is_audited_at_each_batch(engines: tuple[EngineArtifact, EngineArtifact], batch: int) -> None:
    model = Path(engines[1].manifest.onnx_path)
    for path in (engines[1].directory, model):
        audit = inspect(path, {"images": (batch, 3, 64, 64)})
        assert audit.inputs == {"images": (batch, 3, 64, 64)}
        assert audit.analytic_flops == audit.onnx_flops
        assert "FLOPS_MISMATCH" not in [finding.code for finding in audit.findings]


def test_lint_takes_its_batch_as_known(store: Store) -> None:
    report = lint(export(DYNAMIC, store)[0].directory)
    assert report.batch == 4
    assert [finding.code for section in report.sections for finding in section.findings] == [
        finding.code
        for section in lint(export(STATIC, store)[0].directory).sections
        for finding in section.findings
    ]


def test_errors_do_not_depend_on_the_range(store: Store) -> None:
    inputs = InputsSpec(samples=4)
    (static,), (dynamic,) = (verify([spec], store, inputs, silent).rows for spec in (STATIC, DYNAMIC))
    assert static.fidelity is not None
    assert dynamic.fidelity is not None
    assert dynamic.fidelity.sqnr_db == static.fidelity.sqnr_db


def test_a_comparison_has_a_row_for_each_batch_of_one_engine(store: Store) -> None:
    arguments = {"overrides": dict(MODEL.overrides)}
    exports = export_specs(
        parse_recipes(["fp16"]), MODEL.name, shapes_of(["1:4:16"], ["64"]), arguments  # type: ignore[arg-type]
    )  # fmt: skip
    rows = compare(Grid(exports=exports, inputs=InputsSpec(samples=2)), store, silent).rows
    assert [(row.status, row.batch) for row in rows] == [("ok", 1), ("ok", 4), ("ok", 16)]
    assert len({row.engine.sha256 for row in rows if row.engine}) == 1
    flops = [role.flops for row in rows if row.compiled for role in [row.compiled.by_role["fc1"]]]
    assert flops == [flops[0], 4 * flops[0], 16 * flops[0]]


def test_models_of_other_sources_take_a_range(tmp_path: Path, store: Store) -> None:
    source = export(STATIC.model_copy(update={"recipe": parse_recipes(["fp32"])[0], "batch": 1}), store)[0]
    model = onnx.load(source.payload)
    del model.graph.metadata_props[:]
    onnx.save(model, tmp_path / "own.onnx")
    (spec, *_) = export_specs(
        parse_recipes(["fp16"]), tmp_path / "own.onnx", shapes_of(["1:4:16"], [None]), {}
    )
    artifact = export(spec, store)[0]
    assert onnx.load(artifact.payload).graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert artifact.manifest.inputs[0].shape == (4, 3, 64, 64)
