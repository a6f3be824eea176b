"""Rules on facts made by hand: thresholds, severities, and what a finding says."""

from dataclasses import replace
from pathlib import Path

import pytest

from trtbench.lint.rules import RULES, findings_of
from trtbench.lint.rules.block_formats import tokens_side
from trtbench.lint.subject import Attention, Convolution, LinearLayer, LintSubject, Quantizer, Tokens
from trtbench.lint.wording import blocks_of, numbers_of, places
from trtbench.results import Finding
from trtbench.specs.recipe import parse_recipe

DOCS = (Path(__file__).parents[2] / "docs" / "how_to" / "lint.md").read_text()


def subject(recipe: str | None = "nvfp4", **facts: object) -> LintSubject:
    """A model when there is a recipe, else a graph."""
    base = LintSubject(
        name="m",
        origin="graph" if recipe is None else "model",
        recipe=None if recipe is None else parse_recipe(recipe),
        batch=64,
        targets=("sm120",),
    )
    return replace(base, **facts)  # type: ignore[arg-type]


def layer(precision: str = "fp4", k: int = 768, n: int = 768, **facts: object) -> LinearLayer:
    base = LinearLayer("blocks.0.mlp.fc1", "fc1", (64, 256, k), n, precision)
    return replace(base, **facts)  # type: ignore[arg-type]


def quantizer(*shape: int, precision: str = "fp4", **facts: object) -> Quantizer:
    block = {"fp4": 16, "mxfp8": 32}[precision]
    base = Quantizer("blocks.0.mlp.fc1", "fc1", precision, shape, -1, block, "fp16")
    return replace(base, **facts)  # type: ignore[arg-type]


def attention(precision: str = "fp8", head_dim: int = 64, queries: int = 197, keys: int = 197) -> Attention:
    return Attention("blocks.0.attn", queries, keys, head_dim, (precision,) * 4, "fp16")


def codes(of: LintSubject) -> list[str]:
    return [finding.code for finding in findings_of(of)]


def only(of: LintSubject) -> Finding:
    (finding,) = findings_of(of)
    return finding


def test_nothing_to_say_of_a_conforming_layer() -> None:
    facts = {"linears": (layer(),), "quantizers": (quantizer(64 * 256, 768),), "attentions": (attention(),)}
    assert codes(subject(None, **facts)) == []


def test_values_of_another_width_are_not_fused() -> None:
    wide = replace(attention("fp16", 32), value_dim=64)
    finding = only(subject("fp16", attentions=(wide,)))
    assert finding.code == "HEAD_DIM_NOT_FUSED"
    assert "with heads of 32 and V of 64: they run as separate products" in finding.message


@pytest.mark.parametrize(
    ("target", "precision", "refused"),
    [("sm86", "fp8", True), ("sm89", "fp8", False), ("sm89", "fp4", True), ("sm121", "fp4", False)],
)
def test_targets(target: str, precision: str, refused: bool) -> None:
    of = subject(None, linears=(layer(precision),), targets=("sm120", target))
    assert ("TARGET_LACKS_TYPE" in codes(of)) is refused


def test_only_the_targets_that_lack_the_type_are_named() -> None:
    finding = only(subject(None, linears=(layer("fp4"),), targets=("sm86", "sm89", "sm120")))
    assert finding.message.startswith("sm86, sm89 cannot compute in fp4")
    assert finding.severity == "error"


def test_a_layer_that_the_exporter_leaves_out_has_no_precision_to_lack() -> None:
    assert codes(subject("nvfp4", linears=(layer("fp4", kept=False),), targets=("sm89",))) == []


@pytest.mark.parametrize(
    ("recipe", "severity", "words"),
    [
        ("nvfp4", "warning", "our exporter leaves their layers in 16 bits"),
        ("nvfp4@stock", "error", "the model is refused"),
        (None, "error", "the model is refused"),
    ],
)
def test_our_exporter_guards_against_what_is_refused(recipe: str | None, severity: str, words: str) -> None:
    kept = recipe != "nvfp4"
    facts = {
        "linears": (layer(k=200, kept=kept), layer("fp16", name="head", role="head")),
        "quantizers": (quantizer(128, 200, kept=kept),),
    }
    finding = findings_of(subject(recipe, **facts))[0]
    assert (finding.code, finding.severity) == ("BLOCK_DOES_NOT_DIVIDE", severity)
    assert words in finding.message
    assert "200 elements along the quantised axis, which blocks of 16 do not divide" in finding.message
    assert finding.numbers["linear_flops_share"] == pytest.approx(200 / 968)


@pytest.mark.parametrize("shape", [(768,), (2, 3, 197, 64)])
def test_ranks(shape: tuple[int, ...]) -> None:
    assert codes(subject(None, quantizers=(quantizer(*shape),))) == ["QUANTIZER_RANK"]


def test_limits_of_dynamic_quantisation_are_not_those_of_standard_quantisers() -> None:
    facts = {"source": "fp32", "is_dynamic": False}
    assert codes(subject(None, quantizers=(quantizer(2, 3, 197, 64, **facts),))) == []
    assert codes(subject(None, quantizers=(quantizer(197, 64, **facts),))) == ["ROWS_NOT_128"]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((128, 64), []),
        ((128, 32), ["COLUMNS_NOT_64"]),
        ((197, 64), ["ROWS_NOT_128"]),
        ((1, 256, 64), []),
        ((2, 64, 64), ["BATCHED_QUANTIZER"]),
        ((8, 197, 96), ["ROWS_NOT_128", "COLUMNS_NOT_64", "BATCHED_QUANTIZER"]),
    ],
)
def test_tiles_of_scales(shape: tuple[int, ...], expected: list[str]) -> None:
    assert codes(subject(None, quantizers=(quantizer(*shape),))) == expected


def test_mxfp8_has_no_tiles_of_scales() -> None:
    assert codes(subject(None, quantizers=(quantizer(8, 197, 96, precision="mxfp8"),))) == []


def test_blocks_along_the_tokens_count_no_rows() -> None:
    assert codes(subject(None, quantizers=(quantizer(6, 208, 64, axis=-2),))) == []
    assert codes(subject(None, quantizers=(quantizer(6, 197, 64, axis=-2),))) == ["BLOCK_DOES_NOT_DIVIDE"]


def test_advice_on_rows_counts_batch_and_tokens() -> None:
    facts = {"quantizers": (quantizer(64, 197, 768),), "tokens": Tokens(197, 1, 16)}
    finding = findings_of(subject("nvfp4", **facts))[0]
    assert finding.message.startswith(
        "1 NVFP4 quantiser (fc1 in block 0) of 12608 rows, not a multiple of 128"
    )
    assert finding.hint == (
        "use a batch that is a multiple of 128, or an image of 224 pixels without class token and registers "
        "(196 tokens)"
    )


def test_advice_on_rows_of_the_head_alone() -> None:
    finding = only(subject("nvfp4", quantizers=(quantizer(64, 768, name="head", role="head"),)))
    assert finding.hint.startswith("nothing to do")


@pytest.mark.parametrize("batch", [1, 2, 8, 64, 100, 128])
@pytest.mark.parametrize("patches", [49, 196, 256, 577])
def test_the_advised_image_keeps_the_rule(batch: int, patches: int) -> None:
    side = tokens_side(batch, patches)
    assert side * side >= patches
    assert batch * side * side % 128 == 0


@pytest.mark.parametrize(
    ("precision", "head_dim", "expected"),
    [
        *(("fp16", size, ["HEAD_DIM_NOT_FUSED"]) for size in (4, 8, 257, 512)),
        *(("fp16", size, ["HEAD_DIM_PADDED"]) for size in (9, 12, 20, 255)),
        *(("fp16", size, []) for size in (16, 24, 72, 256)),
        *(("fp8", size, ["HEAD_DIM_NOT_FUSED"]) for size in (260, 512)),
        *(("fp8", size, ["HEAD_DIM_PADDED"]) for size in (4, 8, 12, 18, 33)),
        *(("fp8", size, []) for size in (16, 20, 36, 64, 256)),
    ],
)
def test_head_dimensions(precision: str, head_dim: int, expected: list[str]) -> None:
    assert codes(subject(None, attentions=(attention(precision, head_dim),))) == expected


@pytest.mark.parametrize(
    ("queries", "keys", "expected"),
    [
        (31, 31, ["FEW_KEYS"]),
        (32, 32, []),
        (197, 16, ["FEW_KEYS"]),
        (16, 197, []),
        (1, 196, ["SINGLE_QUERY"]),
    ],
)
def test_tokens_of_fp8_attention(queries: int, keys: int, expected: list[str]) -> None:
    assert codes(subject(None, attentions=(attention("fp8", 64, queries, keys),))) == expected
    assert codes(subject(None, attentions=(attention("fp16", 64, queries, keys),))) == []


@pytest.mark.parametrize(
    ("precisions", "expected"),
    [
        (("fp8", "fp8", "fp16", "fp16"), "PARTLY_FP8_ATTENTION"),
        (("fp16", "fp16", "fp16", "fp8"), "PARTLY_FP8_ATTENTION"),
        (("int8",) * 4, "INT8_ATTENTION"),
        (("fp4", "fp4", "fp16", "fp16"), "BLOCK_ATTENTION"),
        (("mxfp8",) * 4, "BLOCK_ATTENTION"),
    ],
)
def test_precisions_of_attention(precisions: tuple[str, str, str, str], expected: str) -> None:
    assert codes(subject(None, attentions=(replace(attention(), precisions=precisions),))) == [expected]


def test_what_breaks_an_operator_attention_is_an_error() -> None:
    wrong = replace(attention("fp16", 264), is_operator=True)
    finding = only(subject(None, attentions=(wrong,)))
    assert (finding.code, finding.severity) == ("HEAD_DIM_NOT_FUSED", "error")


@pytest.mark.parametrize(
    ("recipe", "precision", "n", "severity"),
    [
        ("nvfp4", "fp4", 1001, "info"),
        ("nvfp4@stock", "fp4", 1001, "error"),
        (None, "fp4", 1001, "info"),
        (None, "mxfp8", 1001, "info"),
        (None, "mxfp8", 1, "error"),
        ("mxfp8", "mxfp8", 1, "info"),
    ],
)
def test_odd_outputs(recipe: str | None, precision: str, n: int, severity: str) -> None:
    odd = layer(precision, n=n, kept=recipe is None or "stock" in recipe)
    finding = next(f for f in findings_of(subject(recipe, linears=(odd,))) if f.code == "ODD_OUTPUTS")
    assert finding.severity == severity


@pytest.mark.parametrize(("precision", "k", "severity"), [("fp4", 16, "warning"), ("mxfp8", 32, "error")])
def test_single_blocks(precision: str, k: int, severity: str) -> None:
    found = findings_of(subject(None, linears=(layer(precision, k=k),)))
    assert [f.severity for f in found if f.code == "SINGLE_BLOCK"] == [severity]
    assert "SINGLE_BLOCK" not in codes(subject(None, linears=(layer(precision, k=64),)))


@pytest.mark.parametrize(
    ("image", "strides", "expected"),
    [((224, 224), (16, 16), []), ((230, 224), (16, 16), ["PIXELS_DROPPED"]), ((230, 230), (8, 8), [])],
)
def test_pixels(image: tuple[int, int], strides: tuple[int, int], expected: list[str]) -> None:
    conv = Convolution("patch_embed.proj", "patch_embed", "fp16", "fp16", image, (16, 16), strides, 1)
    assert codes(subject(None, convolutions=(conv,))) == expected


def test_a_rule_and_its_findings_bear_one_name() -> None:
    broken = subject(
        "nvfp4+sparse",
        targets=("sm75",),
        linears=(layer(k=16, n=3), layer("mxfp8", k=32), layer("fp8"), layer(cut_in_three=True)),
        quantizers=(
            quantizer(5),
            quantizer(5, 5, block=8),
            quantizer(16, 5, 5, axis=0),
            quantizer(2, 5, 96, source="fp32"),
        ),
        attentions=(
            attention("fp8", 999, 1, 2),
            attention("fp8", 5, 2, 2),
            attention("int8"),
            attention("fp4"),
            replace(attention("fp16"), scores="fp32"),
            replace(attention(), precisions=("fp8", "fp16", "fp16", "fp16")),
        ),
        convolutions=(
            Convolution("a", "patch_embed", "fp8", "fp8", (9, 9), (2, 17), (2, 17), 1),
            Convolution("b", "patch_embed", "fp16", "fp16", (9, 9), (3, 3), (3, 3), 1),
        ),
        dynamic_inputs=(("x", "(N)"),),
        foreign_tensors=(("w", "int16"),),
        asymmetric_quantizers=("q",),
        unsigned_quantizers=("u",),
        integer_operators=("i",),
        int32_dequantizers=("d",),
        unjudged={"p": "of unknown shape"},
    )
    for rule in RULES:
        found = {finding.code for finding in rule(broken)}
        assert found == {rule.__name__.upper()}


def test_every_rule_names_its_source() -> None:
    for rule in RULES:
        assert "Source: " in (rule.__doc__ or ""), rule.__name__


def test_the_docs_list_every_rule_and_no_other() -> None:
    table = [line.split("`")[1] for line in DOCS.splitlines() if line.startswith("| `")]
    assert table == [rule.__name__.upper() for rule in RULES]


def test_places_and_numbers() -> None:
    layers = [layer(name=f"blocks.{i}.mlp.fc1") for i in (0, 1, 2, 5)]
    layers += [layer(name=f"blocks.{i}.mlp.fc2", role="fc2") for i in (0, 1, 2, 5)]
    assert places([*layers, layer(name="head", role="head")]) == "fc1 and fc2 in blocks 0-2, 5, head"
    assert blocks_of(layers) == " in blocks 0-2, 5"
    assert blocks_of([layer(name="head")]) == ""
    assert numbers_of([64, 12608, 64]) == "12608 and 64"
