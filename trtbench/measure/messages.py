"""What a worker and the process that measures with it say to each other: JSON, one message a line.

The worker reads a ``Job``, and then the word ``block`` for each block; it answers each line with a ``Reply``.
"""

from trtbench.results import ArmFacts, Series
from trtbench.specs import ArmSpec, BenchSpec, Spec

Samples = dict[Series, tuple[float, ...]]


class Job(Spec):
    """What a worker times; ``process`` counts the processes of one arm."""

    arm: ArmSpec
    bench: BenchSpec
    process: int


class Reply(Spec):
    """The answer to one request: what was asked for, or the ``error`` that ended the worker."""

    facts: ArmFacts | None = None
    samples: Samples | None = None
    error: str | None = None
