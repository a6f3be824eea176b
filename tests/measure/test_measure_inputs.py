"""Images that arms are timed on."""

import numpy as np
import pytest

from trtbench.errors import MeasureError
from trtbench.measure.inputs import make_image, make_inputs
from trtbench.results import TensorRecord


def _input(dtype="float32", shape=(2, 3, 32, 48), seed=0, batch_index=0):
    (values,) = make_inputs([TensorRecord(name="image", dtype=dtype, shape=shape)], seed, batch_index)
    return values


def test_every_type_holds_the_same_values():
    single = _input("float32")
    for dtype in ("float16", "bfloat16"):
        other = _input(dtype)
        assert other.dtype.name == dtype
        assert np.array_equal(other.astype(np.float32), single)


def test_images_are_normalised():
    image = make_image((3, 224, 224), (0,))
    assert image.dtype == np.float32
    assert abs(image.mean()) < 0.01
    assert abs(image.std() - 1) < 0.01
    assert np.count_nonzero(image) > 0.97 * image.size


def test_images_are_smooth_with_noise():
    image = make_image((3, 224, 224), (0,))
    neighbours = np.corrcoef(image[:, :, :-1].ravel(), image[:, :, 1:].ravel())[0, 1]
    far = np.corrcoef(image[:, :, :-100].ravel(), image[:, :, 100:].ravel())[0, 1]
    assert 0.7 < neighbours < 0.9
    assert abs(far) < 0.2


def test_batches_hold_other_images_and_larger_ones_the_same_first():
    assert np.array_equal(_input(), _input())
    assert not np.array_equal(_input(), _input(seed=1))
    assert not np.array_equal(_input(), _input(batch_index=1))
    assert not np.array_equal(_input()[0], _input()[1])
    assert np.array_equal(_input(shape=(1, 3, 32, 48))[0], _input()[0])
    assert np.array_equal(_input(shape=(1, 3, 32, 48), batch_index=1)[0], _input()[1])


@pytest.mark.parametrize("shape", [(1, 8), (1, 3, 7, 5), (4, 1, 1)])
def test_odd_shapes(shape):
    assert _input(shape=shape).shape == shape


@pytest.mark.parametrize(("dtype", "shape"), [("int64", (1, 8)), ("float32", ())])
def test_inputs_that_are_no_images_are_refused(dtype, shape):
    with pytest.raises(
        MeasureError, match=r"input image is .*: expected images in float32, float16, bfloat16"
    ):
        _input(dtype, shape)
