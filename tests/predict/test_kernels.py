"""The formulas: monotone, below the peaks, and scaling with clocks as the hardware does."""

import numpy as np
import pytest

from trtbench.predict.arrays import slower_of
from trtbench.predict.attention import AttentionWork, attention_time
from trtbench.predict.fitted import calibration_of
from trtbench.predict.gemm import GemmWork, gemm_time
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.predict.memory import gelu_us, miss_share, pointwise_us

OPERAND_BYTES = {"fp16": 2.0, "fp8": 1.0, "fp4": 0.5625}
PREDICTED = [gpu.name for gpu in known_gpus() if gpu.calibrated_on]


def gemm_us(gpu, precision="fp16", m=4096.0, n=768.0, k=768.0, dram=0.0):
    m, n, k, dram = np.broadcast_arrays(*(np.asarray(value, float) for value in (m, n, k, dram)))
    rates = calibration_of(gpu).rates
    work = GemmWork(m, n, k, np.full(m.shape, OPERAND_BYTES[precision]), np.full(m.shape, 2.0), dram)
    return gemm_time(work, gpu.rate(precision), gpu, rates.gemm[precision], rates.memory).total_us


def attention_us(gpu, heads=768.0, queries=256.0, keys=256.0, width=64.0):
    heads, queries, keys, width = np.broadcast_arrays(
        *(np.asarray(value, float) for value in (heads, queries, keys, width))
    )
    rates = calibration_of(gpu).rates
    traffic = 4 * heads * width * (queries + keys)
    work = AttentionWork(heads, queries, keys, width, traffic, np.zeros_like(traffic))
    return attention_time(work, gpu.rate("fp16"), gpu, rates.attention, rates.memory).total_us


def moved_us(gpu, moved, dram=0.0):
    memory = calibration_of(gpu).rates.memory
    moved = np.asarray(moved, float)
    return pointwise_us(moved, np.broadcast_to(np.asarray(dram, float), moved.shape), gpu, memory)


def assert_rises(times):
    assert (np.diff(times) >= -1e-9).all()
    assert times[-1] > times[0]


@pytest.mark.parametrize("name", PREDICTED)
@pytest.mark.parametrize("size", ["m", "n", "k"])
def test_a_larger_product_takes_no_less_time(name, size):
    gpu = find_gpu(name)
    for precision in set(OPERAND_BYTES) & set(gpu.flop_per_clock_sm):
        assert_rises(gemm_us(gpu, precision, **{size: np.arange(16, 20000, 37)}))


@pytest.mark.parametrize("size", ["heads", "queries", "keys", "width"])
def test_more_attention_takes_no_less_time(size):
    for name in PREDICTED:
        assert_rises(attention_us(find_gpu(name), **{size: np.arange(8, 3000, 13)}))


def test_more_bytes_take_no_less_time():
    gpu = find_gpu("rtx-pro-6000-se")
    assert_rises(moved_us(gpu, np.geomspace(1e3, 1e9, 200)))
    assert_rises(moved_us(gpu, np.full(200, 1e8), np.linspace(0, 1e8, 200)))
    assert_rises(gemm_us(gpu, dram=np.geomspace(1e3, 1e9, 200)))


@pytest.mark.parametrize("name", PREDICTED)
def test_no_product_beats_the_peak(name):
    gpu = find_gpu(name)
    sizes = np.array([64.0, 512.0, 4096.0, 32768.0])
    m, n, k = (axis.ravel() for axis in np.meshgrid(sizes, sizes, sizes))
    for precision in set(OPERAND_BYTES) & set(gpu.flop_per_clock_sm):
        rates = 2 * m * n * k / gemm_us(gpu, precision, m, n, k) * 1e6
        assert rates.max() < gpu.peak_flop_per_s(precision)
        assert rates.max() > 0.4 * gpu.peak_flop_per_s(precision)


@pytest.mark.parametrize("name", PREDICTED)
def test_no_kernel_beats_the_dram(name):
    gpu = find_gpu(name)
    moved = np.array([1e9])
    assert moved[0] / moved_us(gpu, moved, moved)[0] <= 1e3 * gpu.dram_gb_per_s


def test_half_the_clock_doubles_compute_and_leaves_dram_alone():
    gpu = find_gpu("h200")
    slow = gpu.at_clock(gpu.clock_mhz / 2)
    floor = calibration_of(gpu).rates.gemm["fp16"].floor_us
    large = {"m": 8192.0, "n": 4096.0, "k": 4096.0}
    assert gemm_us(slow, **large) - floor == pytest.approx(2 * (gemm_us(gpu, **large) - floor))
    gpu, in_dram = find_gpu("rtx-pro-6000-se"), np.array([1e9])
    slow = gpu.at_clock(gpu.clock_mhz / 2)
    assert moved_us(slow, in_dram, in_dram) == pytest.approx(moved_us(gpu, in_dram, in_dram), rel=0.05)


def test_an_empty_kernel_takes_the_floor():
    for name in PREDICTED:
        gpu = find_gpu(name)
        assert moved_us(gpu, [0.0])[0] == calibration_of(gpu).rates.memory.floor_us


def test_a_gelu_takes_its_arithmetic_where_that_is_longer_than_its_bytes():
    gpu = find_gpu("rtx-pro-6000-se")
    calibration = calibration_of(gpu)
    moved, elements = np.array([4e6]), np.array([1e6])
    arithmetic = gelu_us(elements, gpu, calibration.gelu_clocks)
    assert arithmetic[0] == pytest.approx(1e6 * calibration.gelu_clocks / (gpu.sms * gpu.clock_mhz))
    plain = moved_us(gpu, moved)
    taken = pointwise_us(moved, np.zeros(1), gpu, calibration.rates.memory, arithmetic)
    assert taken > max(plain, arithmetic)
    assert gelu_us(elements, gpu.at_clock(gpu.clock_mhz / 2), calibration.gelu_clocks) == 2 * arithmetic


def test_a_narrower_precision_is_faster_where_there_is_work():
    gpu = find_gpu("rtx-pro-6000-se")
    fp16, fp8, fp4 = (gemm_us(gpu, each, 12608.0, 3072.0, 768.0) for each in ("fp16", "fp8", "fp4"))
    assert fp16 > fp8 > fp4


def test_tensors_leave_l2_as_the_traffic_between_grows():
    gpu = find_gpu("rtx-pro-6000-se")
    memory = calibration_of(gpu).rates.memory
    shares = miss_share(np.linspace(0, 3 * gpu.l2_bytes, 100), gpu, memory)
    assert_rises(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_two_limits_are_at_least_the_longer_one():
    first, second = np.array([1.0, 4.0, 0.0]), np.array([3.0, 4.0, 0.0])
    both = slower_of(first, second)
    assert (both >= np.maximum(first, second)).all()
    assert both[1] == pytest.approx(4 * 2**0.25)
    assert both[2] == 0
