"""The ends of FP16."""

import numpy as np
from numpy.typing import NDArray

FP16_MAX = 65504.0
_SMALLEST_NORMAL = 2.0**-14
_STEP = 2.0**-24  # between numbers below the smallest normal one


def fp16_scales(scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scales of a quantizer as FP16 can hold them: never 0, and never so much less that a value would be cut.

    The step is FP16's own resolution there, so that a value is rounded no more than in FP16.
    """
    steps = np.maximum(np.ceil(scales / _STEP), 1)
    return np.where(scales < _SMALLEST_NORMAL, steps * _STEP, scales)
