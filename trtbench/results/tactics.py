"""Tactics that a compiler timed for an operator, and the one that it took."""

import re

from trtbench.specs import Spec

NEAR_TIE = 0.02
"""Relative distance to the next tactic within which another build may well choose otherwise."""

# Kernel names: 2:4 sparse ones of cuSPARSELt (sm80_xmma_sparse_gemm_..._sptensor16x8x32), block-scaled FP4
# ones of CUTLASS (cutlass3x_sm120_bstensorop_s16864gemm_block_scaled_ue4m3xe2m1, on sm100 ..._ue4m3xf4).
_SPARSE = re.compile(r"_sparse_|sptensor")
_FP4 = re.compile(r"block_scaled_ue4m3x(?:e2m1|f4)")


class Tactic(Spec):
    """One kernel that was timed; ``cost_ms`` as the builder measured it."""

    tactic_hash: str
    kernel: str
    cost_ms: float

    @property
    def is_sparse(self) -> bool:
        """Whether its name is one of a kernel for 2:4 sparse weights."""
        return bool(_SPARSE.search(self.kernel))

    @property
    def is_fp4(self) -> bool:
        """Whether its name is one of a block-scaled FP4 product."""
        return bool(_FP4.search(self.kernel))


class TacticChoice(Spec):
    """An operator, all tactics that were timed for it, fastest first, and the one that was taken."""

    operator: str
    key: str
    onnx_nodes: tuple[str, ...]
    selected_hash: str
    tactics: tuple[Tactic, ...]

    @property
    def selected(self) -> Tactic | None:
        """The one that was taken, unless the table does not hold it."""
        return next((tactic for tactic in self.tactics if tactic.tactic_hash == self.selected_hash), None)

    @property
    def runner_up(self) -> Tactic | None:
        """The fastest of the others."""
        return next((tactic for tactic in self.tactics if tactic.tactic_hash != self.selected_hash), None)

    @property
    def margin(self) -> float | None:
        """How much longer the runner-up takes, relative to the one that was taken."""
        if self.selected is None or self.runner_up is None:
            return None
        return self.runner_up.cost_ms / self.selected.cost_ms - 1

    @property
    def is_near_tie(self) -> bool:
        """Whether another build may choose otherwise."""
        return self.margin is not None and self.margin < NEAR_TIE

    @property
    def sparse_offered(self) -> bool:
        """Whether a sparse kernel was timed, taken or not."""
        return any(tactic.is_sparse for tactic in self.tactics)

    @property
    def fp4_offered(self) -> bool:
        """Whether a kernel in FP4 was timed, taken or not."""
        return any(tactic.is_fp4 for tactic in self.tactics)


class SparsityUse(Spec):
    """Layers with 2:4 weights, and those that got a sparse kernel; ``None`` where the log says nothing."""

    eligible: tuple[str, ...] | None
    picked: tuple[str, ...] | None


class TacticTables(Spec):
    """All choices in a log, in its order, and the operators whose table has an unknown form."""

    choices: tuple[TacticChoice, ...]
    unread: tuple[str, ...]
