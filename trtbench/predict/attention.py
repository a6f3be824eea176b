"""Time of fused attention: tiles of queries, each of which passes over all keys."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from trtbench.predict.arrays import Array, slower_of
from trtbench.predict.memory import MemoryRates, dram_us, l2_us
from trtbench.specs import GpuSpec, Spec

QUERY_TILES = (128, 64)
_KEY_TILE = 16
_EXPONENTIALS_PER_CLOCK_SM = 16.0
_HEAD_WIDTH_STEP = 32


class AttentionRates(Spec):
    """What the fit found of fused attention on one GPU, or on a class of GPUs."""

    efficiency: float = Field(gt=0, le=1, description="of the peak of the tensor cores")
    softmax_clocks: float = Field(gt=0, description="a softmax element, in units of one exponential")
    fill_clocks: float = Field(gt=0, description="start of a tile of queries until its pipeline is full")
    wave_rounding: float = Field(ge=0, le=1, description="1: a last wave of one tile costs a whole wave")
    floor_us: float = Field(gt=0, description="shortest period of the kernel in a CUDA graph")


@dataclass(frozen=True)
class AttentionWork:
    """``heads`` counts batch times heads; traffic is Q, K, V and the result. One value a kernel."""

    heads: Array
    queries: Array
    keys: Array
    head_width: Array
    traffic_bytes: Array
    dram_bytes: Array


@dataclass(frozen=True)
class AttentionTime:
    """Parts of the time: tiles, traffic through L2 and DRAM overlap, the floor comes on top."""

    tiles_us: Array
    memory_us: Array
    total_us: Array


def attention_time(
    work: AttentionWork, flop_per_clock_sm: float, gpu: GpuSpec, rates: AttentionRates, memory: MemoryRates
) -> AttentionTime:
    """Time of each fused attention kernel on ``gpu``."""
    tiles = np.minimum.reduce([_clocks(work, rows, flop_per_clock_sm, gpu, rates) for rows in QUERY_TILES])
    tiles = tiles / gpu.clock_mhz
    traffic = np.maximum(l2_us(work.traffic_bytes, gpu, memory), dram_us(work.dram_bytes, gpu, memory))
    return AttentionTime(tiles, traffic, rates.floor_us + slower_of(tiles, traffic))


def _clocks(
    work: AttentionWork, rows: int, flop_per_clock_sm: float, gpu: GpuSpec, rates: AttentionRates
) -> Array:
    """Clocks of the busiest SM with tiles of ``rows`` queries."""
    waves = np.maximum(work.heads * np.ceil(work.queries / rows) / gpu.sms, 1.0)
    waves = waves + rates.wave_rounding * (np.ceil(waves) - waves)
    keys = np.ceil(work.keys / _KEY_TILE) * _KEY_TILE
    width = np.ceil(work.head_width / _HEAD_WIDTH_STEP) * _HEAD_WIDTH_STEP
    multiply = 4.0 * rows * keys * width / (flop_per_clock_sm * rates.efficiency)
    softmax = rows * keys * rates.softmax_clocks / _EXPONENTIALS_PER_CLOCK_SM
    return np.asarray(waves * (slower_of(multiply, softmax) + rates.fill_clocks))
