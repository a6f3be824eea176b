"""Traffic: what a kernel moves through L2, and what part of it has to go to DRAM.

A tensor that is read again after ``d`` other bytes were touched is still in L2 if ``d`` is well below the
size of L2, and gone if it is well above. In between, the share that misses rises linearly.
"""

import numpy as np
from pydantic import Field

from trtbench.predict.arrays import Array, slower_of
from trtbench.specs import GpuSpec, Spec


class MemoryRates(Spec):
    """What the fit found of the memory of one GPU, or of a class of GPUs."""

    floor_us: float = Field(gt=0, description="shortest period of a kernel in a CUDA graph")
    l2_bytes_per_clock_sm: float = Field(gt=0, description="through L2, read and written together")
    dram_share: float = Field(gt=0, le=1, description="of the DRAM bandwidth in the data sheet")
    l2_kept: float = Field(gt=0, description="share of L2 up to which everything stays")
    l2_lost: float = Field(gt=0, description="further share of L2 over which what stays falls to nothing")


def miss_share(distance_bytes: Array, gpu: GpuSpec, rates: MemoryRates) -> Array:
    """Share of a tensor that has left L2 after ``distance_bytes`` of other traffic, 0 to 1."""
    excess = distance_bytes / gpu.l2_bytes - rates.l2_kept
    return np.asarray(np.clip(excess / rates.l2_lost, 0.0, 1.0))


def l2_us(traffic_bytes: Array, gpu: GpuSpec, rates: MemoryRates) -> Array:
    """Time to move bytes between the SMs and L2."""
    return np.asarray(traffic_bytes / (rates.l2_bytes_per_clock_sm * gpu.sms * gpu.clock_mhz))


def dram_us(traffic_bytes: Array, gpu: GpuSpec, rates: MemoryRates) -> Array:
    """Time to move bytes between L2 and DRAM."""
    return np.asarray(traffic_bytes / (rates.dram_share * gpu.dram_gb_per_s * 1e3))


def gelu_us(elements: Array, gpu: GpuSpec, clocks: float) -> Array:
    """Arithmetic of GELUs, at ``clocks`` of one SM an element: all GPUs here have 128 FP32 lanes an SM."""
    return np.asarray(elements * clocks / (gpu.sms * gpu.clock_mhz))


def pointwise_us(
    traffic_bytes: Array,
    dram_bytes: Array,
    gpu: GpuSpec,
    rates: MemoryRates,
    arithmetic_us: Array | float = 0.0,
) -> Array:
    """Time of a kernel without products: normalisation, activation, quantiser, reformat."""
    moving = slower_of(l2_us(traffic_bytes, gpu, rates), dram_us(dram_bytes, gpu, rates))
    return rates.floor_us + slower_of(moving, np.broadcast_to(arithmetic_us, moving.shape))
