"""The same engine, timed by trtexec and by our loop."""

import statistics
from collections.abc import Sequence

from trtbench.results import Finding

DISAGREEMENT = 0.02
"""Relative difference of the medians from which the two methods do not measure the same thing."""


def trtexec_disagrees(ours_ms: Sequence[float], trtexec_ms: Sequence[float]) -> Finding | None:
    """Compare ``gpu_compute_ms`` samples of one engine, measured in the same state of the machine."""
    ours, theirs = statistics.median(ours_ms), statistics.median(trtexec_ms)
    difference = ours / theirs - 1
    if abs(difference) <= DISAGREEMENT:
        return None
    return Finding(
        code="TRTEXEC_DISAGREES",
        severity="warning",
        message=f"our median of {ours:.4g} ms on the GPU is {abs(difference):.1%} "
        f"{'above' if difference > 0 else 'below'} the {theirs:.4g} ms that trtexec measures on the same "
        "engine",
        hint="measure both again, one after the other; if it stays, compare the clocks, the inputs (those of "
        "trtexec are random) and the CUDA graph of the two",
        numbers={"ours_ms": ours, "trtexec_ms": theirs, "difference": difference},
    )
