"""Checks of outputs, and how many sets of buffers an L2 mode needs."""

import numpy as np
import pytest

from trtbench.errors import Code, MeasureError
from trtbench.measure.buffers import count_sets
from trtbench.measure.checks import check_outputs, check_query, output_sample
from trtbench.measure.host_device import HostDevice
from trtbench.results import TensorRecord
from trtbench.runtimes import Tensor

ONE = np.linspace(-1, 1, 40, dtype=np.float16).reshape(4, 10)
OTHER = ONE[::-1].copy()


def _records(*arrays):
    return [TensorRecord(name=f"y{i}", dtype=a.dtype.name, shape=a.shape) for i, a in enumerate(arrays)]


def _poisoned(array, count):
    raw = np.ascontiguousarray(array).view(np.uint8).copy().reshape(-1, array.dtype.itemsize)
    raw[:count] = 0xFF
    return raw.reshape(-1).view(array.dtype).reshape(array.shape)


def test_sound_outputs_pass():
    labels = np.array([[-1], [3]], dtype=np.int64)
    check_outputs(_records(ONE, labels), [ONE, labels])


def test_unwritten_values_are_not_mistaken_for_infinite_ones():
    with pytest.raises(MeasureError, match=r"^output y0: the query left 3 of 40 values") as caught:
        check_outputs(_records(ONE), [_poisoned(ONE, 3)])
    assert caught.value.code == Code.OUTPUT_NOT_WRITTEN
    infinite = ONE.copy()
    infinite[0, 0] = np.inf
    with pytest.raises(MeasureError, match=r"^output y0: 1 of 40") as caught:
        check_outputs(_records(ONE), [infinite])
    assert caught.value.code == Code.OUTPUT_NOT_FINITE


def test_only_outputs_that_are_constant_all_together_are_refused():
    same = np.zeros((4, 2), dtype=np.int32)
    check_outputs(_records(ONE, same), [ONE, same])
    with pytest.raises(MeasureError, match=r"^output y0: all values are 0") as caught:
        check_outputs(_records(same, same), [same, same])
    assert caught.value.code == Code.OUTPUT_CONSTANT


def test_outputs_of_one_value_and_of_none():
    scalar, empty = np.array(0.5, dtype=np.float32), np.zeros((0, 4), dtype=np.float32)
    check_outputs(_records(scalar, empty), [scalar, empty])
    assert output_sample([scalar]) == (0.5,)
    assert output_sample([empty]) == ()


def test_integers_count_as_unwritten_only_all_together():
    ids = np.full((2, 3), -1, dtype=np.int64)
    with pytest.raises(MeasureError) as caught:
        check_outputs(_records(ids), [ids])
    assert caught.value.code == Code.OUTPUT_NOT_WRITTEN


def test_replays_may_round_otherwise():
    noisy = ONE + np.float16(0.01)
    check_query(_records(ONE), [noisy], [ONE], [OTHER], "captured")


@pytest.mark.parametrize(
    ("outputs", "code"),
    [(OTHER, Code.GRAPH_STALE), (ONE + OTHER, Code.GRAPH_DIFFERS), (_poisoned(ONE, 40), Code.GRAPH_EMPTY)],
)
def test_replays_that_do_not_follow_the_input_are_refused(outputs, code):
    with pytest.raises(MeasureError) as caught:
        check_query(_records(ONE), [outputs], [ONE], [OTHER], "captured")
    assert caught.value.code == code


def test_the_sample_is_of_the_first_images_and_bounded():
    wide = np.arange(6 * 2000, dtype=np.float32).reshape(6, 2000)
    sample = output_sample([wide])
    assert len(sample) == 4000
    assert sample[:2] == (0.0, 1.0)
    assert sample[1000] == 2000.0


@pytest.mark.parametrize(
    ("mode", "l2_bytes", "set_bytes", "sets"),
    [
        ("warm", None, 10, 1),
        ("warm", 1000, 10, 1),
        ("flushed", 1000, 10, 1),
        ("rotated", 1000, 300, 7),
        ("rotated", 1000, 5000, 2),
        ("rotated", 1000, 1, 32),
    ],
)
def test_sets_exceed_twice_the_cache_within_a_limit(mode, l2_bytes, set_bytes, sets):
    assert count_sets(mode, l2_bytes, set_bytes) == sets


@pytest.mark.parametrize("mode", ["flushed", "rotated"])
def test_a_cpu_has_no_cold_cache(mode):
    with pytest.raises(MeasureError, match=f"l2 {mode}: only a GPU's cache"):
        count_sets(mode, None, 10)


def test_host_memory_round_trip():
    record = TensorRecord(name="x", dtype="float16", shape=(4, 10))
    with HostDevice() as device:
        tensor = Tensor(record, device.allocate(ONE.nbytes), ONE.nbytes)
        assert tensor.pointer % 64 == 0
        device.upload(tensor, ONE)
        assert np.array_equal(device.download(tensor), ONE)
        device.fill(tensor, 0xFF)
        assert np.isnan(device.download(tensor)).all()
