"""What the formulas of the cost model share: arrays of kernels, and how two limits meet."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""One value a kernel. Times are microseconds, sizes bytes."""

_SHARPNESS = 4.0


def slower_of(first: Array, second: Array) -> Array:
    """The time of work with two limits: the longer one, rounded up to 19 % where both are as long."""
    longer = np.maximum(first, second)
    shorter = np.minimum(first, second)
    ratio = np.divide(shorter, longer, out=np.zeros_like(longer), where=longer > 0)
    return np.asarray(longer * (1 + ratio**_SHARPNESS) ** (1 / _SHARPNESS))
