"""FP4 codes against those of ModelOpt's own function."""

import numpy as np
import pytest

pytest.importorskip("modelopt")

from modelopt.onnx.export import nvfp4_exporter

from trtbench.export.quantized_weights import fp4_pairs

_BORDERS = (0.0, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 6.0, 7.0, 1e-30, 1e9, np.inf)


def test_fp4_codes_are_those_of_modelopt_on_every_border_and_beside_it() -> None:
    borders = np.array([*_BORDERS, *(-border for border in _BORDERS)], np.float32)
    beside = [np.nextafter(borders, np.float32(limit)) for limit in (-np.inf, np.inf)]
    values = np.concatenate([borders, *beside])
    assert np.array_equal(fp4_pairs(values), nvfp4_exporter._cast_fp4(values.copy()))


def test_fp4_codes_of_a_matrix_are_those_of_modelopt() -> None:
    weights = np.random.default_rng(0).normal(0, 3, (64, 48)).astype(np.float32)
    packed = fp4_pairs(weights)
    assert packed.shape == (32, 48)
    assert np.array_equal(packed, nvfp4_exporter._cast_fp4(weights.copy()))
