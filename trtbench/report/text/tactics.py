"""Timed tactics as text for people: what was taken, by how much, and what else was offered."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from trtbench.results import Tactic, TacticChoice
from trtbench.units import format_count


def render_tactics(choices: Sequence[TacticChoice], console: Console, verbose: bool) -> None:
    """Print how many operators were offered which kernels; ``verbose`` adds each with its runner-up."""
    if not choices:
        return
    console.print(Text(_summary(choices)))
    for choice in choices if verbose else ():
        for line in _lines(choice):
            console.print(Text(line), soft_wrap=True)
    console.print()


def _summary(choices: Sequence[TacticChoice]) -> str:
    sparse = [choice for choice in choices if choice.sparse_offered]
    fp4 = [choice for choice in choices if choice.fp4_offered]
    sparse_taken = sum(choice.selected is not None and choice.selected.is_sparse for choice in sparse)
    fp4_taken = sum(choice.selected is not None and choice.selected.is_fp4 for choice in fp4)
    ties = sum(choice.is_near_tie for choice in choices)
    return (
        f"tactics that the builder timed for {format_count(len(choices), 'operator')}: a sparse kernel was "
        f"offered for {len(sparse)} and taken for {sparse_taken}, one in FP4 for {len(fp4)} and taken for "
        f"{fp4_taken}; {format_count(ties, 'near tie')}"
    )


def _lines(choice: TacticChoice) -> list[str]:
    offered = [
        word
        for word, is_there in (("sparse", choice.sparse_offered), ("FP4", choice.fp4_offered))
        if is_there
    ]
    head = f"{choice.operator}: {format_count(len(choice.tactics), 'tactic')}"
    lines = [f"{head}, {' and '.join(offered)} among them" if offered else head]
    if choice.selected is None:
        lines.append(f"  taken      {choice.selected_hash}, which the table does not hold")
    else:
        lines.append(f"  taken      {_kernel(choice.selected)}")
    if choice.runner_up is not None:
        margin = "" if choice.margin is None else f", {choice.margin:+.1%}"
        lines.append(f"  runner-up  {_kernel(choice.runner_up)}{margin}")
    return lines


def _kernel(tactic: Tactic) -> str:
    return f"{tactic.cost_ms:.4f} ms  {tactic.kernel}"
