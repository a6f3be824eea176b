"""Factors of NVFP4 scales as numbers of FP16."""

import math

import numpy as np
import pytest

from trtbench.export.passes.nvfp4_quantizer import _in_range


@pytest.mark.parametrize("factor", [448 / 65_520, 1.0, 2.0**-14, 2.0**14, 3e-9, 5e8, 1e-38, 1e38, 5e-324])
def test_the_product_of_normal_numbers_is_the_factor(factor: float) -> None:
    factors = [float(each) for each in _in_range(factor, np.dtype(np.float16))]
    assert all(2.0**-14 <= each < 2.0**15 for each in factors)
    assert math.isclose(math.prod(sorted(factors, reverse=factor > 1)), factor, rel_tol=1e-3)


@pytest.mark.parametrize("factor", [0.0, math.inf])
def test_a_factor_without_such_a_product_ends(factor: float) -> None:
    assert [float(each) for each in _in_range(factor, np.dtype(np.float16))] == [factor]
