"""How a stage reports what it is doing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Stage = Literal["setup", "export", "build", "audit", "verify", "measure", "pack", "trace"]


@dataclass(frozen=True)
class Step:
    """One step of a stage, or how far it is.

    Attributes:
        stage: the current stage.
        text: the step in a few words.
        done: units finished, of ``total``.
        total: units in all; None where they are not counted.
        left_s: time left in seconds, where the stage knows it.
        subject: key of the current cell (a recipe, say); ``""`` where there is only one.
    """

    stage: Stage
    text: str
    done: int = 0
    total: int | None = None
    left_s: float | None = None
    subject: str = ""


OnStep = Callable[[Step], None]
"""Called when a step begins, and while it counts."""


def silent(step: Step) -> None:
    """Ignore the step: for a caller that shows no progress."""


def for_subject(on_step: OnStep, subject: str) -> OnStep:
    """Return a callback that passes every step on to ``on_step`` with this subject."""
    return lambda step: on_step(replace(step, subject=subject))
