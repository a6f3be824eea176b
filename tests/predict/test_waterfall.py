"""Waterfalls of engines that the real compiler made: exact sums, and no step that takes time away."""

import numpy as np
import pytest
from support.golden_audits import AUDITS

from trtbench.errors import SpecError
from trtbench.predict.engine import predict_engine
from trtbench.predict.explain import ceiling_of
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.predict.pricing import price
from trtbench.predict.waterfall import gemm_places, waterfall_of
from trtbench.specs.recipe import parse_recipe

GPUS = [gpu for gpu in known_gpus() if gpu.calibrated_on]
WS = find_gpu("rtx-pro-6000-ws")


def fall(word, gpu=WS):
    audit = AUDITS[word]
    return waterfall_of(price(audit.layers, gpu), audit.recipe, predict_engine(audit, gpu, 8))


def steps(word, gpu=WS):
    return {each.step: each.ms for each in fall(word, gpu).steps}


def can_run(word, gpu):
    return {p.math for p in parse_recipe(word).precisions} <= set(gpu.flop_per_clock_sm)


@pytest.mark.parametrize("word", AUDITS)
def test_the_ideal_and_the_steps_add_up_to_the_predicted_time(word):
    for gpu in (gpu for gpu in GPUS if can_run(word, gpu)):
        found = fall(word, gpu)
        predicted = predict_engine(AUDITS[word], gpu, 8).gpu_compute_ms
        assert found.ideal_ms + sum(each.ms for each in found.steps) == pytest.approx(predicted, rel=1e-12)
        assert found.predicted_ms == pytest.approx(predicted, rel=1e-12)
        assert found.gemm_ms + found.other_ms == pytest.approx(predicted, rel=1e-12)


@pytest.mark.parametrize("word", AUDITS)
def test_no_step_takes_time_away(word):
    for gpu in (gpu for gpu in GPUS if can_run(word, gpu)):
        assert all(each.ms >= -1e-12 for each in fall(word, gpu).steps), gpu.name


@pytest.mark.parametrize("word", AUDITS)
def test_the_ideal_is_the_flops_at_the_peak_of_what_was_asked(word):
    engine = price(AUDITS[word].layers, WS)
    flops = sum(engine.works[index].layer.flops for index in gemm_places(engine))
    peak = WS.peak_flop_per_s(parse_recipe(word).precision.math)
    assert fall(word).ideal_ms == pytest.approx(1e3 * flops / peak)


def test_products_that_fell_back_are_charged_at_their_own_peak():
    assert steps("fp16")["fell_back"] == steps("fp8@stock")["fell_back"] == 0
    assert steps("mxfp8")["fell_back"] == pytest.approx(fall("mxfp8").ideal_ms)  # all of them run in FP16
    assert 0 < steps("nvfp4@stock")["fell_back"] < 3 * fall("nvfp4@stock").ideal_ms


def test_whole_kernels_are_charged_to_what_they_do():
    fp16, nvfp4 = steps("fp16"), steps("nvfp4@stock")
    assert (fp16["quantize"], fp16["gelu"]) == (0, 0)
    assert min(nvfp4["quantize"], nvfp4["gelu"], nvfp4["norm"], nvfp4["attention"], nvfp4["reformat"]) > 0
    assert fp16["patch_embed"] == pytest.approx(nvfp4["patch_embed"])


def test_floors_count_once_a_kernel():
    floors = next(each for each in fall("fp16").steps if each.step == "floor")
    rates = price(AUDITS["fp16"].layers, WS).calibration.rates
    assert floors.kernels == len(AUDITS["fp16"].layers)
    works = price(AUDITS["fp16"].layers, WS).works
    by_kind = {
        "gemm": rates.gemm["fp16"].floor_us,
        "attention": rates.attention.floor_us,
        "pointwise": rates.memory.floor_us,
    }
    assert floors.ms == pytest.approx(sum(by_kind[work.kind] for work in works) / 1e3)


def test_misses_are_what_a_larger_l2_would_save():
    large = WS.model_copy(update={"l2_bytes": 1e15})
    saved = (
        price(AUDITS["nvfp4@stock"].layers, WS).total_ms - price(AUDITS["nvfp4@stock"].layers, large).total_ms
    )
    assert steps("nvfp4@stock")["misses"] == pytest.approx(saved)
    assert steps("nvfp4@stock", large)["misses"] == 0


def test_a_format_without_tensor_cores_is_refused():
    with pytest.raises(SpecError, match="L40S has no tensor cores for mxfp8"):
        fall("mxfp8", find_gpu("l40s"))


def test_the_ceiling_is_amdahls_law():
    own, fp16 = fall("nvfp4@stock"), fall("fp16")
    ceiling = ceiling_of(own, fp16, WS)
    total, gemms = fp16.predicted_ms, fp16.gemm_ms
    assert (ceiling.math, ceiling.peak_ratio) == ("fp4", pytest.approx(4))
    assert ceiling.fp16_others == pytest.approx(1 / (1 - gemms / total + gemms / total / 4))
    assert ceiling.own_others == pytest.approx(total / (own.other_ms + gemms / 4))
    assert ceiling.no_gemms == pytest.approx(total / own.other_ms)


def test_a_recipe_that_quantises_nothing_is_held_against_the_fastest_format():
    fp16 = fall("fp16")
    assert ceiling_of(fp16, fp16, WS).math == "fp4"
    l40s = find_gpu("l40s")
    ada = ceiling_of(fall("fp16", l40s), fall("fp16", l40s), l40s)
    assert ada.peak_ratio == 2


def test_a_geforce_that_halves_fp16_gains_more():
    geforce = find_gpu("5090")
    assert ceiling_of(
        fall("nvfp4@stock", geforce), fall("fp16", geforce), geforce
    ).peak_ratio == pytest.approx(8)


def test_kernels_are_priced_as_the_engine_is():
    engine = price(AUDITS["fp16"].layers, WS)
    layers = predict_engine(AUDITS["fp16"], WS, 8).layers
    assert np.allclose(engine.ms, [each.predicted_ms for each in layers])
