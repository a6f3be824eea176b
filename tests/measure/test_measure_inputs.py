"""Images that arms are timed on."""

import numpy as np
import pytest

from trtbench.errors import MeasureError
from trtbench.measure.inputs import make_constants, make_image, make_inputs
from trtbench.request import parse_input
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


def test_one_value_per_image_differs_between_images_and_batches():
    values = [_input(shape=(4, 1), batch_index=index) for index in range(2)]
    assert len(np.unique(values)) > 4
    assert _input(shape=()).shape == ()
    assert _input(shape=()) != _input(shape=(), batch_index=1)


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool"])
def test_integers_without_values_are_refused_with_the_option(dtype):
    with pytest.raises(
        MeasureError,
        match=r"input image is .* \(1, 8\), which holds no images: give its values with --input image=LOW",
    ):
        _input(dtype, (1, 8))


def _given(word, dtype="int64", shape=(2, 500), batch_index=0):
    record = TensorRecord(name="ids", dtype=dtype, shape=shape)
    (values,) = make_inputs([record], 0, batch_index, [parse_input(word)])
    return values


def test_values_are_drawn_from_a_range_with_both_ends():
    ids = _given("ids=-1:3")
    assert ids.dtype == np.int64
    assert set(ids.ravel()) == {-1, 0, 1, 2, 3}
    assert not np.array_equal(ids, _given("ids=-1:3", batch_index=1))
    assert np.array_equal(ids, _given("ids=-1:3"))
    half = _given("ids=0.25:0.75", "float16")
    assert half.dtype == np.float16
    assert 0.25 <= half.min() < half.max() <= 0.75
    assert _given("ids=7:7", shape=()) == 7


def test_values_of_a_file_come_in_another_order_in_other_batches(tmp_path):
    path = tmp_path / "ids.npy"
    np.save(path, np.arange(1000, dtype=np.int32).reshape(2, 500))
    assert np.array_equal(_given(f"ids={path}").ravel(), np.arange(1000))
    other = _given(f"ids={path}", batch_index=1)
    assert not np.array_equal(other.ravel(), np.arange(1000))
    assert sorted(other.ravel()) == list(range(1000))


def test_constants_are_values_that_an_input_takes(tmp_path):
    records = [TensorRecord(name=name, dtype="int32", shape=(2,)) for name in ("a", "b", "c")]
    np.save(tmp_path / "b.npy", np.array([5, -3]))
    given = [parse_input("a=2:9"), parse_input(f"b={tmp_path / 'b.npy'}")]
    assert [int(values[0]) for values in make_constants(records, given)] == [2, -3, 0]


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("other=0:1", "--input other: the model has no such input, only ids"),
        ("ids=0:0.5", "--input ids=0:0.5: the input takes int64"),
        ("ids={path}", r"holds int64 \(3,\), and input ids takes int64 \(2, 500\)"),
    ],
)
def test_values_that_do_not_fit_are_refused(word, words, tmp_path):
    np.save(tmp_path / "short.npy", np.arange(3))
    with pytest.raises(MeasureError, match=words):
        _given(word.format(path=tmp_path / "short.npy"))
