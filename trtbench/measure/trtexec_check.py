"""The same engine, timed by trtexec and by our loop."""

from trtbench.errors import Code
from trtbench.results import Finding

DISAGREEMENT = 0.02
"""Relative difference of the medians from which the two methods do not measure the same thing."""


def trtexec_disagrees(ours_ms: float, trtexec_ms: float) -> Finding | None:
    """Compare medians of ``gpu_compute_ms`` of one engine, measured in the same state of the machine."""
    difference = ours_ms / trtexec_ms - 1
    if abs(difference) <= DISAGREEMENT:
        return None
    return Finding(
        code=Code.TRTEXEC_DISAGREES,
        severity="warning",
        message=f"our median of {ours_ms:.4g} ms on the GPU is {abs(difference):.1%} "
        f"{'above' if difference > 0 else 'below'} the {trtexec_ms:.4g} ms that trtexec measures on the same "
        "engine",
        hint="measure both again; if it stays, compare the clocks, the inputs (those of trtexec are random) "
        "and the CUDA graph of the two",
        numbers={"ours_ms": ours_ms, "trtexec_ms": trtexec_ms, "difference": difference},
    )
