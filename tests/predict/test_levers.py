"""Levers: each is the difference of two prices, and appears only where it changes something."""

import pytest
from support.golden_audits import AUDITS
from support.predicted_examples import BATCH_RATE

from trtbench.errors import Code
from trtbench.predict.gpus import find_gpu
from trtbench.predict.levers import batch_gain, gains_of
from trtbench.predict.pricing import price
from trtbench.predict.products import products_ms
from trtbench.predict.rescale import at_batch
from trtbench.predict.waterfall import gemm_places, kernel_step
from trtbench.results import AuditedLayer, LayerTensor

WS = find_gpu("rtx-pro-6000-ws")
TENSOR = LayerTensor(name="x", dimensions=(1576, 768), strides=(768, 1), dtype="Half", format="")


def tensor(name, *dimensions):
    return TENSOR.model_copy(update={"name": name, "dimensions": dimensions})


def product(name, role="qkv", block=0):
    return AuditedLayer(
        name=name,
        role=role,
        op="gemm",
        block=block,
        precision_in="fp16",
        precision_out="fp16",
        m=1576,
        n=768,
        k=768,
        inputs=(TENSOR,),
        constants=(tensor(f"{name}.weight", 768, 768),),
        outputs=(tensor(f"{name}.out", 1576, 768),),
    )


def gains(audit, gpu=WS, layers=None):
    layers = layers or audit.layers
    fp16 = price(AUDITS["fp16"].layers, gpu)
    return {each.name: each for each in gains_of(price(layers, gpu), fp16, audit, audit.recipe)}


def gain(audit, words, **changes):
    return next(each for name, each in gains(audit, **changes).items() if words in name)


def test_three_products_of_one_input_merge_and_those_of_other_blocks_do_not():
    layers = tuple(product(name, block=block) for block in (0, 1) for name in "qkv")
    found = gain(AUDITS["fp16"], "Q, K and V", layers=layers)
    engine = price(layers, WS)
    one = engine.product(0)
    whole = [
        type(one)(**{**vars(one), "n": 3 * one.n, "dram_bytes": sum(engine.dram_bytes[at : at + 3])})
        for at in (0, 3)
    ]
    assert found.saves_ms == pytest.approx(
        engine.total_ms - products_ms(whole, WS, engine.calibration.rates).sum()
    )
    assert found.saves_ms > 0
    single = (product("q"), product("k", block=1), product("v", role="proj"))
    assert not any("Q, K and V" in name for name in gains(AUDITS["fp16"], layers=single))


def test_products_that_fell_back_are_priced_in_the_format_asked_for():
    found = gain(AUDITS["nvfp4@stock"], "format asked for (FP4)")
    assert 0 < found.saves_ms < price(AUDITS["nvfp4@stock"].layers, WS).total_ms
    assert "dequantise" in found.basis
    assert "MXFP8" in gain(AUDITS["mxfp8"], "format asked for").name
    assert not any("asked for" in name for name in gains(AUDITS["fp16"]))


def test_quantisers_are_worth_at_most_their_own_kernels():
    engine = price(AUDITS["nvfp4@stock"].layers, WS)
    apart = [index for index, work in enumerate(engine.works) if kernel_step(work) == "quantize"]
    found = gain(AUDITS["nvfp4@stock"], "quantisers")
    assert found.at_most
    assert found.saves_ms == pytest.approx(engine.ms[apart].sum())
    assert f"scales ({len(apart)}) take no time" in found.basis
    assert not any("quantisers" in name for name in gains(AUDITS["fp16"]))


def test_padding_is_worth_the_kernels_that_the_finding_names():
    audit = AUDITS["nvfp4@stock"]
    finding = next(each for each in audit.findings if each.code is Code.SCALE_PADDING)
    engine = price(audit.layers, WS)
    named = [index for index, work in enumerate(engine.works) if work.layer.name in finding.layers]
    found = gain(audit, "multiple of 128")
    assert found.saves_ms == pytest.approx(engine.ms[named].sum())
    assert not any("multiple of 128" in name for name in gains(AUDITS["fp16"]))


def test_sparse_weights_need_hardware_for_them_and_say_what_is_not_documented():
    assert not any(
        "sparse" in name for name in gains(AUDITS["fp16"], WS.model_copy(update={"sparse_factor": 1}))
    )
    fp16, fp4 = gain(AUDITS["fp16"], "sparse"), gain(AUDITS["nvfp4@stock"], "sparse")
    assert fp16.at_most
    assert "TensorRT-RTX runs 2:4 weights as dense ones" in fp16.basis
    assert "no sparse kernels are documented" not in fp16.basis
    assert "no sparse kernels are documented for FP4" in fp4.basis
    engine = price(AUDITS["fp16"].layers, WS)
    assert 0 < fp16.saves_ms < engine.ms[gemm_places(engine)].sum() / 2


def test_other_tokens_are_counted_for_as_many_tokens():
    found = gain(AUDITS["fp16"], "tokens instead of")
    assert "197" in found.name
    assert "for as many tokens in all" in found.basis


def test_the_best_batch_is_a_lever_unless_it_is_the_one_that_was_compiled():
    rates = [BATCH_RATE, BATCH_RATE.model_copy(update={"batch": 4, "images_per_s": 160000.0})]
    (found,) = batch_gain(rates, 8)
    assert found.name == "batch 4 instead of 8"
    assert found.saves_ms == pytest.approx(8e3 / 80000 - 8e3 / 160000)
    assert list(batch_gain(rates, 4)) == []


@pytest.mark.parametrize("word", AUDITS)
def test_layers_at_their_own_batch_are_unchanged(word):
    batch = next(iter(AUDITS[word].inputs.values()))[0]
    assert at_batch(AUDITS[word].layers, batch, batch) == AUDITS[word].layers


def test_rows_scale_with_the_batch_and_weights_do_not():
    audit = AUDITS["nvfp4@stock"]
    batch = next(iter(audit.inputs.values()))[0]
    scaled = at_batch(audit.layers, batch, 2 * batch)
    for before, after in zip(audit.layers, scaled, strict=True):
        assert after.constants == before.constants
        assert (after.n, after.k) == (before.n, before.k)
        if not before.inputs:
            assert after == before  # weights that are dequantised
        elif before.m:
            assert (after.m, after.flops) == (2 * before.m, 2 * before.flops)
    assert price(scaled, find_gpu("5090")).total_ms > price(audit.layers, find_gpu("5090")).total_ms
