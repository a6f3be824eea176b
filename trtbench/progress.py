"""How a stage tells its caller what it is doing."""

from collections.abc import Callable

OnStep = Callable[[str], None]
"""Called with a few words ("calibrate", "trace to ONNX") when a stage begins a step."""

OnRecipeStep = Callable[[str, str], None]
"""Called with the recipe at work and a few words on the step that begins."""


def silent(step: str) -> None:
    """Ignore the step: for a caller that shows no progress."""
