"""What a worker and the process that measures with it say to each other: JSON, one message a line.

The worker reads a ``Job`` from its standard input, and then one word a line: a ``Request``. It answers each
line with a ``Reply`` on what was its standard output. What else appears there, such as the greeting of a
container's entry point, has no mark.
"""

from typing import Literal

import trtbench
from trtbench.errors import Code
from trtbench.results import ArmFacts, Series
from trtbench.specs import ArmSpec, BenchSpec, Spec

Samples = dict[Series, tuple[float, ...]]

Request = Literal["block", "fill_constants", "constant_block", "restore_inputs", "trace"]
"""One block; zeros for inputs, a shorter block on them, and the images back; a trace of a few queries."""

REPLY_MARK = "trtbench reply: "
"""What stands in front of every ``Reply``."""


class Job(Spec):
    """What a worker times; ``process`` counts the processes of one arm.

    ``trace_path``: where a trace is written, if one is asked for.
    ``trtbench_version``: of the process that measures; a worker of another one would not understand it.
    """

    arm: ArmSpec
    bench: BenchSpec
    process: int
    trace_path: str | None = None
    trtbench_version: str = trtbench.__version__


class Reply(Spec):
    """The answer to one request: what was asked for, if anything, or the ``error`` that ended the worker.

    ``code``: of the error, unless it is one that a library raised.
    """

    facts: ArmFacts | None = None
    samples: Samples | None = None
    error: str | None = None
    code: Code | None = None
