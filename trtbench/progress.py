"""How a stage tells its caller what it is doing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

OnStep = Callable[[str], None]
"""Called with a few words ("calibrate", "trace to ONNX") when a stage begins a step."""

OnRecipeStep = Callable[[str, str], None]
"""Called with the recipe at work and a few words on the step that begins."""


def silent(step: str) -> None:
    """Ignore the step: for a caller that shows no progress."""


@dataclass(frozen=True)
class RunProgress:
    """What a user sees while it measures; ``medians_ms``: of the blocks that there are so far, by arm."""

    step: str
    blocks: int
    medians_ms: Mapping[str, float]
    left_s: float | None


OnProgress = Callable[[RunProgress], None]
"""Called when a process begins to load, and after each turn of blocks."""
