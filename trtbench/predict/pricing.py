"""An engine as the cost model sees it on one GPU, so that its kernels can be priced again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trtbench.predict.arrays import Array
from trtbench.predict.engine import dram_bytes, predict_layers
from trtbench.predict.fitted import Calibration, calibration_of
from trtbench.predict.products import Product, product_of
from trtbench.predict.work import KernelWork, work_of
from trtbench.results import AuditedLayer
from trtbench.specs import GpuSpec


@dataclass(frozen=True)
class PricedEngine:
    """``dram_bytes`` and ``ms`` hold one value a kernel, in execution order."""

    gpu: GpuSpec
    calibration: Calibration
    works: tuple[KernelWork, ...]
    dram_bytes: tuple[float, ...]
    ms: Array

    @property
    def total_ms(self) -> float:
        """Predicted time of one inference."""
        return float(self.ms.sum())

    def product(self, index: int) -> Product:
        """The matrix product of a kernel."""
        return product_of(self.works[index], self.dram_bytes[index], self.gpu)


def price(layers: tuple[AuditedLayer, ...], gpu: GpuSpec) -> PricedEngine:
    """Price the compiled layers of an engine.

    Raises:
        SpecError: no rates fit the GPU, or it has no tensor cores for a layer.
    """
    calibration = calibration_of(gpu)
    works = tuple(map(work_of, layers))
    dram = tuple(dram_bytes(layers, gpu, calibration))
    return PricedEngine(gpu, calibration, works, dram, kernels_ms(works, dram, gpu, calibration))


def kernels_ms(
    works: Sequence[KernelWork], dram: Sequence[float], gpu: GpuSpec, calibration: Calibration
) -> Array:
    """Predicted time of each kernel in ms."""
    return np.array([layer.predicted_ms for layer in predict_layers(works, np.array(dram), gpu, calibration)])
