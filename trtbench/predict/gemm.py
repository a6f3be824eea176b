"""Time of a matrix product, as waves of output tiles.

The compiler's choice of tile may be hidden, so the best of the usual tiles and splits of K counts. Each is
monotone in M, N and K, and so is the best of them.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from trtbench.predict.arrays import Array, slower_of
from trtbench.predict.memory import MemoryRates, dram_us
from trtbench.specs import GpuSpec, Spec

TILES = ((256, 128), (128, 256), (128, 192), (128, 128), (128, 64), (64, 128), (64, 64), (64, 32), (32, 64))
K_SPLITS = (1, 2, 4, 8)
_PARTIAL_SUM_BYTES = 4


class GemmRates(Spec):
    """What the fit found of the products in one precision on one GPU, or on a class of GPUs."""

    efficiency: float = Field(gt=0, le=1, description="of the peak of the tensor cores, in the loop over K")
    load_bytes_per_clock_sm: float = Field(gt=0, description="operands from L2 to one SM")
    store_bytes_per_clock_sm: float = Field(gt=0, description="epilogue: results from one SM")
    fill_clocks: float = Field(gt=0, description="start of a tile until its pipeline is full")
    wave_rounding: float = Field(ge=0, le=1, description="1: a last wave of one tile costs a whole wave")
    floor_us: float = Field(gt=0, description="shortest period of the kernel in a CUDA graph")


@dataclass(frozen=True)
class GemmWork:
    """``(m, k) x (k, n)`` with operands of ``operand_bytes`` an element; one value a kernel."""

    m: Array
    n: Array
    k: Array
    operand_bytes: Array
    output_bytes: Array
    dram_bytes: Array


@dataclass(frozen=True)
class GemmTime:
    """Parts of the time: ``tiles_us`` and ``dram_us`` overlap, the floor comes on top."""

    tiles_us: Array
    dram_us: Array
    total_us: Array


def gemm_time(
    work: GemmWork, flop_per_clock_sm: float, gpu: GpuSpec, rates: GemmRates, memory: MemoryRates
) -> GemmTime:
    """Time of each product on ``gpu``; ``flop_per_clock_sm`` is the peak for precision and accumulator."""
    candidates = [
        _clocks(work, tile, splits, flop_per_clock_sm, gpu, rates) for tile in TILES for splits in K_SPLITS
    ]
    tiles = np.minimum.reduce(candidates) / gpu.clock_mhz
    dram = dram_us(work.dram_bytes, gpu, memory)
    return GemmTime(tiles, dram, rates.floor_us + slower_of(tiles, dram))


def _clocks(
    work: GemmWork,
    tile: tuple[int, int],
    splits: int,
    flop_per_clock_sm: float,
    gpu: GpuSpec,
    rates: GemmRates,
) -> Array:
    """Clocks of the busiest SM with this tile and this number of parts of K."""
    rows, columns = tile
    tiles = np.ceil(work.m / rows) * np.ceil(work.n / columns) * splits
    waves = np.maximum(tiles / gpu.sms, 1.0)
    waves = waves + rates.wave_rounding * (np.ceil(waves) - waves)
    depth = work.k / splits
    multiply = 2.0 * rows * columns * depth / (flop_per_clock_sm * rates.efficiency)
    load = (rows + columns) * depth * work.operand_bytes / rates.load_bytes_per_clock_sm
    stored = work.output_bytes if splits == 1 else np.full_like(depth, 2.0 * _PARTIAL_SUM_BYTES)
    store = rows * columns * stored / rates.store_bytes_per_clock_sm
    reduction = rates.fill_clocks if splits > 1 else 0.0
    return np.asarray(waves * (slower_of(multiply, load) + store + rates.fill_clocks) + reduction)
