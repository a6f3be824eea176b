"""What the tables of timed tactics mean: builds that may differ, and sparsity that does not pay."""

from collections.abc import Sequence

from trtbench.errors import Code
from trtbench.results import NEAR_TIE, Finding, Tactic, TacticChoice
from trtbench.results.tactics import TacticTables


def tactic_findings(tables: TacticTables) -> tuple[Finding, ...]:
    """All that the tables of one build show."""
    found = (near_ties(tables.choices), sparse_not_chosen(tables.choices), not_read(tables))
    return tuple(finding for finding in found if finding is not None)


def near_ties(choices: Sequence[TacticChoice]) -> Finding | None:
    """Operators whose second tactic takes about as long: noise decides, so another build may take it."""
    tied = [choice for choice in choices if choice.is_near_tie]
    if not tied:
        return None
    return Finding(
        code=Code.NEAR_TIE,
        severity="info",
        message=f"for {len(tied)} of {len(choices)} operators the next tactic takes less than {NEAR_TIE:.0%} "
        "longer than the one that was taken: another build may choose other kernels",
        hint="time several builds of the engine (--rebuilds), or share a timing cache between builds",
        numbers={"near_ties": len(tied), "operators": len(choices)},
        layers=tuple(choice.operator for choice in tied),
    )


def sparse_not_chosen(choices: Sequence[TacticChoice]) -> Finding | None:
    """Operators for which a sparse kernel was timed and a dense one was faster, and by how much."""
    lost = {
        choice.operator: best.cost_ms / choice.selected.cost_ms - 1
        for choice in choices
        if choice.selected is not None and not choice.selected.is_sparse
        if (best := _best_sparse(choice)) is not None
    }
    if not lost:
        return None
    least, most = min(lost.values()), max(lost.values())
    return Finding(
        code=Code.SPARSE_TACTIC_SLOWER,
        severity="info",
        message=f"for {len(lost)} operators sparse kernels were timed and a dense one taken: the best sparse "
        f"one takes {least:.0%} to {most:.0%} longer",
        hint="2:4 sparsity does not pay for these layers at this size on this GPU: try other batches",
        numbers={"operators": len(lost), "least_slower": least, "most_slower": most},
        layers=tuple(lost),
    )


def not_read(tables: TacticTables) -> Finding | None:
    """Operators whose table is in another form than the documented one: nothing is known of their choice."""
    unread, number = tables.unread, len(tables.unread) + len(tables.choices)
    if not unread:
        return None
    return Finding(
        code=Code.TACTICS_NOT_READ,
        severity="info",
        message=f"the build log has tables of tactics in a form that is not known, {len(unread)} of {number}",
        hint="read them in build.log: the engine and its layers are not affected",
        numbers={"unread": len(unread), "tables": number},
        layers=unread,
    )


def _best_sparse(choice: TacticChoice) -> Tactic | None:
    return next((tactic for tactic in choice.tactics if tactic.is_sparse), None)
