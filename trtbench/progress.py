"""How a stage tells its caller what it is doing."""

from collections.abc import Callable

OnStep = Callable[[str], None]
"""Called with a few words ("calibrate", "trace to ONNX") when a stage begins a step."""


def silent(step: str) -> None:
    """Ignore the step: for a caller that shows no progress."""
