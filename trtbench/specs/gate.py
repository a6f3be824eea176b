"""What fails a comparison: findings, errors and times that a pull request is not to bring."""

from typing import Literal

from trtbench.errors import Code
from trtbench.specs.base import Spec


class Condition(Spec):
    """One thing that fails a comparison.

    Args:
        word: as it was asked for, such as ``sqnr<20``.
        kind: a finding with ``code``, any warning or error, an arm that is SLOWER, an SQNR below ``limit`` in
            dB, or a top-1 accuracy more than ``limit`` percentage points below FP32's; against a baseline, a
            smaller share of the FLOPs in the precision that was asked for, or more kernels.
    """

    word: str
    kind: Literal["code", "warning", "slower", "sqnr", "top1_drop", "less_coverage", "more_kernels"]
    code: Code | None = None
    limit: float | None = None

    @property
    def needs_baseline(self) -> bool:
        """Whether it is judged against a stored comparison alone."""
        return self.kind in ("less_coverage", "more_kernels")
