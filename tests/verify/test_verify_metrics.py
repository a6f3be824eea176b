import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trtbench.verify.metrics import (
    ErrorSums,
    cosine,
    error_sums,
    in_top,
    kl_divergence,
    sqnr_db,
    top1_matches,
)

SHAPE = (4, 6)
logits = arrays(np.float32, SHAPE, elements=st.floats(-100, 100, width=32))


@given(logits, logits)
def test_sums_of_batches_are_sums_of_all(reference: np.ndarray, output: np.ndarray) -> None:
    whole = error_sums(reference, output)
    parts = sum((error_sums(reference[i : i + 1], output[i : i + 1]) for i in range(4)), ErrorSums())
    assert cosine(parts) == pytest.approx(cosine(whole), abs=1e-12)
    assert parts.max_abs_error == whole.max_abs_error == np.abs(reference - output.astype(float)).max()
    assert (sqnr_db(parts) is None) == (sqnr_db(whole) is None)


@given(logits, logits, st.integers(-20, 20))
def test_cosine_ignores_scale_and_is_symmetric(a: np.ndarray, b: np.ndarray, exponent: int) -> None:
    assume(np.linalg.norm(a) > 1e-10)
    assume(np.linalg.norm(b) > 1e-10)
    value = cosine(error_sums(a, b))
    assert -1 <= value <= 1
    assert value == pytest.approx(cosine(error_sums(b, a)), abs=1e-12)
    assert value == pytest.approx(cosine(error_sums(a, np.ldexp(b.astype(float), exponent))), abs=1e-9)
    assert cosine(error_sums(a, -a)) == pytest.approx(-1)


def test_cosine_of_zero_vectors() -> None:
    zero, one = np.zeros(SHAPE), np.ones(SHAPE)
    assert cosine(error_sums(zero, zero)) == 1
    assert cosine(error_sums(zero, one)) == cosine(error_sums(one, zero)) == 0


@given(logits)
def test_no_error_is_no_number(x: np.ndarray) -> None:
    sums = error_sums(x, x)
    assert sqnr_db(sums) is None
    assert cosine(sums) == 1


def test_sqnr_by_hand() -> None:
    reference = np.full((1, 100), 10.0)
    assert sqnr_db(error_sums(reference, reference + 1)) == pytest.approx(20)
    assert sqnr_db(error_sums(reference, reference + 0.1)) == pytest.approx(40)
    assert sqnr_db(error_sums(np.zeros((1, 3)), np.ones((1, 3)))) == -300


@given(logits, logits, st.integers(-10, 10))
def test_sqnr_ignores_a_common_scale(a: np.ndarray, b: np.ndarray, exponent: int) -> None:
    value = sqnr_db(error_sums(a, b))
    scaled = sqnr_db(error_sums(np.ldexp(a.astype(float), exponent), np.ldexp(b.astype(float), exponent)))
    assert value == scaled or value == pytest.approx(scaled)
    assert value is None or math.isfinite(value)


@given(logits, logits)
def test_kl_divergence_is_not_negative_and_zero_for_equals(a: np.ndarray, b: np.ndarray) -> None:
    divergence = kl_divergence(a, b)
    assert divergence.shape == (4,)
    assert np.all(divergence >= 0)
    assert np.all(np.isfinite(divergence))
    np.testing.assert_allclose(kl_divergence(a, a + 5), 0, atol=1e-6)


def test_kl_divergence_by_hand_and_its_direction() -> None:
    even, uneven = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    expected = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert kl_divergence(even, uneven)[0] == pytest.approx(expected)
    assert kl_divergence(uneven, even)[0] == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2))


def test_top_classes() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [3, 2, 1], [0, 0, 1]], np.float32)
    labels = np.array([2, 0, 0])
    np.testing.assert_array_equal(in_top(scores, labels, 1), [False, True, False])
    np.testing.assert_array_equal(in_top(scores, labels, 2), [True, True, True])
    np.testing.assert_array_equal(in_top(scores, labels, 5), [True, True, True])
    np.testing.assert_array_equal(top1_matches(scores, scores[::-1]), [False, True, False])
