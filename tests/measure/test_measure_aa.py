"""What is kept of the blocks of an arm against itself: enough for the verdicts, and no more than fits."""

from statistics import median

import pytest
from support.scripted import blocks, telemetry

from trtbench.measure.aa import KEPT_SAMPLES, kept_block
from trtbench.results import AaBlocks

DEFAULT_BLOCKS = 200 * 2 * 5 * 8
"""200 comparisons of two sides of five processes with 2 s of blocks of 250 ms each."""


def block_of(*times_ms):
    (block,) = blocks(1.0, process=3, label="A", h2d_ms=(0.5,))
    samples = {**block.samples, "gpu_compute_ms": times_ms}
    return block.model_copy(update={"samples": samples, "telemetry": telemetry()})


def test_a_short_block_is_kept_whole():
    kept = kept_block(block_of(1.5, 1.25, 1.75), "B", 7, "gpu_compute_ms")
    assert (kept.side, kept.process, kept.pair, kept.block) == ("B", 7, 3, 0)
    assert kept.sample_ms == (1.5, 1.25, 1.75)
    assert (kept.samples, kept.median_ms) == (3, 1.5)
    assert kept.telemetry == telemetry()


@pytest.mark.parametrize("count", [KEPT_SAMPLES, KEPT_SAMPLES + 1, 333, 5000])
def test_a_long_block_is_thinned_evenly_and_its_median_stays(count):
    times_ms = [0.640256123456 + 0.001 * index for index in range(count)]
    kept = kept_block(block_of(*times_ms), "A", 0, "gpu_compute_ms")
    assert (kept.samples, kept.median_ms) == (count, median(times_ms))
    assert len(kept.sample_ms) == KEPT_SAMPLES
    gaps = [later - earlier for earlier, later in zip(kept.sample_ms, kept.sample_ms[1:], strict=False)]
    assert max(gaps) - min(gaps) < 0.0011
    assert kept.sample_ms[0] == 0.640256


def test_the_blocks_of_two_hundred_comparisons_fit_into_fifty_megabytes():
    readings = 15  # in a block of 250 ms
    watched = telemetry(
        sm_clock_mhz=(1980,) * readings,
        power_w=(695.123,) * readings,
        temperature_c=(47,) * readings,
        energy_j=173.123,
        throttle_us=dict.fromkeys(telemetry().throttle_us, 123456),
        foreign_pids=(12345, 12346),
        duration_s=0.2512345678901,
    )
    block = block_of(*[0.6402559876441956 + 1e-6 * index for index in range(330)])
    kept = kept_block(block.model_copy(update={"telemetry": watched}), "A", 8, "gpu_compute_ms")
    line = AaBlocks(comparison=199, blocks=(kept,)).model_dump_json()
    assert len(line) * DEFAULT_BLOCKS < 50e6
