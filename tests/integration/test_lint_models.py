"""What lint says of a timm model before it is exported is what its exported graph and its engine show."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from support.lint_graphs import attention

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions
from trtbench.cli.parse_model import checked_exports
from trtbench.errors import BuildError, ExportError
from trtbench.export import export
from trtbench.lint import lint
from trtbench.progress import silent
from trtbench.request import Shape
from trtbench.results import Audit, Finding
from trtbench.specs import BuildSpec, ExportSpec
from trtbench.store.artifacts import OnnxArtifact, Store

MODEL = "vit_tiny_patch16_224"
# 256 tokens: what the design rules ask for.
CONFORMING = ("class_token=false", "global_pool=avg")

RECIPES = (
    "fp16",
    "fp32",
    "int8",
    "int8@stock",
    "fp8@stock",
    "fp8+fp8attn",
    "mxfp8",
    "mxfp8@stock",
    "nvfp4",
    "nvfp4@stock",
)

Exported = Callable[..., OnnxArtifact]


def spec_of(recipe: str, *overrides: str, batch: int = 16, img_size: int | None = None) -> ExportSpec:
    options = ModelOptions(model=MODEL, overrides=["depth=1", *overrides])
    return checked_exports([recipe], options, Shape(batch, img_size), Given())[0]


@pytest.fixture(scope="module")
def exported(store: Store) -> Exported:
    @cache
    def export_once(*arguments: str, batch: int = 16, img_size: int | None = None) -> OnnxArtifact:
        return export(spec_of(*arguments, batch=batch, img_size=img_size), store, silent)[0]

    return export_once


@pytest.fixture(scope="module")
def audited(exported: Exported, store: Store) -> Callable[..., Audit]:
    @cache
    def audit_once(*arguments: str, batch: int = 16, img_size: int | None = None) -> Audit:
        engine, _ = build(exported(*arguments, batch=batch, img_size=img_size), BuildSpec(), store)
        return inspect_engine(engine)

    return audit_once


def findings(subject: ExportSpec | Path) -> dict[str, Finding]:
    report = lint(subject if isinstance(subject, Path) else [subject])
    (section,) = report.sections
    return {finding.code: finding for finding in section.findings}


@pytest.mark.parametrize("recipe", RECIPES)
def test_model_and_exported_graph_break_the_same_rules(recipe: str, exported: Exported) -> None:
    of_model = findings(spec_of(recipe)).keys() - {"PATCH_EMBEDDING_IN_16_BITS"}
    assert of_model == findings(exported(recipe).directory).keys()


@pytest.mark.parametrize(
    ("recipe", "overrides", "rule"),
    [
        ("nvfp4", ("embed_dim=200", "num_heads=5"), "BLOCK_DOES_NOT_DIVIDE"),
        ("mxfp8", ("embed_dim=208", "num_heads=2"), "BLOCK_DOES_NOT_DIVIDE"),
        ("nvfp4", ("num_classes=1001",), "ODD_OUTPUTS"),
    ],
)
def test_our_exporter_leaves_out_what_lint_names(
    recipe: str, overrides: tuple[str, ...], rule: str, exported: Exported
) -> None:
    finding = findings(spec_of(recipe, *overrides))[rule]
    notes = exported(recipe, *overrides).manifest.notes
    assert finding.severity != "error"
    assert set(finding.layers) == {note.partition(":")[0] for note in notes if "left in FP16" in note}


@pytest.mark.parametrize(
    ("recipe", "overrides", "rule"),
    [
        ("nvfp4@stock", ("embed_dim=200", "num_heads=5"), "BLOCK_DOES_NOT_DIVIDE"),
        ("nvfp4@stock", ("num_classes=1001",), "ODD_OUTPUTS"),
        ("mxfp8", ("embed_dim=32", "num_heads=2"), "SINGLE_BLOCK"),
    ],
)
def test_what_is_an_error_cannot_be_built(
    recipe: str, overrides: tuple[str, ...], rule: str, exported: Exported, store: Store
) -> None:
    assert findings(spec_of(recipe, *overrides))[rule].severity == "error"
    with pytest.raises((ExportError, BuildError)):
        build(exported(recipe, *overrides), BuildSpec(), store)


def test_rows_of_128_need_no_padding(audited: Callable[..., Audit]) -> None:
    conforming = {"batch": 2, "img_size": 256}
    assert findings(spec_of("nvfp4"))["ROWS_NOT_128"].layers[:-1] != ()
    assert findings(spec_of("nvfp4", *CONFORMING, **conforming))["ROWS_NOT_128"].layers == ("head",)
    assert kernels_that_pad(audited("nvfp4")) == 5
    assert kernels_that_pad(audited("nvfp4", *CONFORMING, **conforming)) == 1


def kernels_that_pad(audit: Audit) -> float:
    return next((f.numbers["kernels"] for f in audit.findings if f.code == "SCALE_PADDING"), 0)


def test_a_class_token_costs_fp8_no_kernel(audited: Callable[..., Audit]) -> None:
    """Refuted: "no class token, or a padded sequence" and "a sequence that the block divides"."""
    without = audited("fp8+fp8attn", *CONFORMING, img_size=256)
    for size in (224, 256):
        with_token = audited("fp8+fp8attn", img_size=size)
        assert with_token.attention_precision == without.attention_precision == "fp8"
        assert with_token.other_kernels <= without.other_kernels
        assert with_token.gemm_kernels == without.gemm_kernels
    assert findings(spec_of("fp8+fp8attn")).keys() == {"PATCH_EMBEDDING_IN_16_BITS"}


def test_sparse_weights_compile_to_the_dense_kernels(audited: Callable[..., Audit]) -> None:
    sparse, dense = audited("fp16+sparse"), audited("fp16")
    assert findings(spec_of("fp16+sparse")).keys() - findings(spec_of("fp16")).keys() == {"SPARSITY_IGNORED"}
    assert [layer.name for layer in sparse.layers] == [layer.name for layer in dense.layers]


def test_fused_qkv_falls_back_in_the_stock_graph_alone(audited: Callable[..., Audit]) -> None:
    qkv = {role: audited(role).by_role[1].compiled for role in ("nvfp4@stock", "nvfp4")}
    assert qkv == {"nvfp4@stock": {"fp16": 1.0}, "nvfp4": {"fp4": 1.0}}
    assert findings(spec_of("nvfp4@stock"))["FUSED_QKV"].layers == ("blocks.0.attn.qkv",)
    assert "FUSED_QKV" not in findings(spec_of("nvfp4"))


def test_the_patch_embedding_is_the_share_that_audits_count(audited: Callable[..., Audit]) -> None:
    audit = audited("fp8+fp8attn")
    share = findings(spec_of("fp8+fp8attn"))["PATCH_EMBEDDING_IN_16_BITS"].numbers["flops_share"]
    assert share == pytest.approx(audit.gemm_flops_share["fp16"], rel=0.01)


def test_a_graph_of_another_exporter_with_a_dynamic_batch(tmp_path: Path) -> None:
    graph = attention("fp8", ("B", 3, 31, 64)).save(tmp_path / "model.onnx")  # type: ignore[arg-type]
    assert findings(graph).keys() == {"DYNAMIC_SHAPE", "FEW_KEYS"}
