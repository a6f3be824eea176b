"""Matrix products one by one, so that each can be priced again with another size, format or peak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trtbench.predict.arrays import Array
from trtbench.predict.fitted import GpuRates
from trtbench.predict.gemm import GemmWork, gemm_time
from trtbench.predict.work import KernelWork
from trtbench.specs import GpuSpec


@dataclass(frozen=True)
class Product:
    """``(m, k) x (k, n)`` with the rates of ``precision`` at ``peak`` FLOP per clock and SM.

    ``operand_bytes`` is of one element of an operand, ``output_bytes`` of what the epilogue moves for one
    element of the result, ``dram_bytes`` of the whole product.
    """

    precision: str
    peak: float
    m: float
    n: float
    k: float
    operand_bytes: float
    output_bytes: float
    dram_bytes: float

    @property
    def flops(self) -> float:
        """A multiplication and an addition counted as 2."""
        return 2 * self.m * self.n * self.k


def product_of(work: KernelWork, dram_bytes: float, gpu: GpuSpec) -> Product:
    """The product of a layer.

    Raises:
        SpecError: the GPU has no tensor cores for it.
    """
    m, n, k = work.sizes
    return Product(
        work.fitted_precision, work.peak(gpu), m, n, k, work.operand_bytes, work.epilogue_bytes, dram_bytes
    )


def stacked(products: Sequence[Product]) -> GemmWork:
    """Products as arrays, one value each."""

    def values(name: str) -> Array:
        return np.array([getattr(product, name) for product in products], dtype=float)

    return GemmWork(
        values("m"),
        values("n"),
        values("k"),
        values("operand_bytes"),
        values("output_bytes"),
        values("dram_bytes"),
    )


def products_ms(products: Sequence[Product], gpu: GpuSpec, rates: GpuRates) -> Array:
    """Time of each product in ms."""
    times = np.zeros(len(products))
    groups: dict[tuple[str, float], list[int]] = {}
    for index, product in enumerate(products):
        groups.setdefault((product.precision, product.peak), []).append(index)
    for (precision, peak), members in groups.items():
        work = stacked([products[index] for index in members])
        found = gemm_time(work, peak, gpu, rates.gemm[precision], rates.memory)
        times[members] = found.total_us / 1e3
    return times
