"""What works on a machine."""

from typing import Literal

from trtbench.results.base import SCHEMA_VERSION, Finding, Result
from trtbench.results.environments import Environment
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs.base import Spec

Status = Literal["ok", "missing", "broken"]


class Capability(Spec):
    """One thing that trtbench makes use of; ``cost`` is what cannot be done without it."""

    name: str
    status: Status
    version: str | None = None
    problem: str | None = None
    cost: str
    command: str


class Backend(Spec):
    """What one compiler or runtime can do here: the GPU targets it builds for, the devices it runs on."""

    name: str
    builds_for: tuple[str, ...]
    runs_on: tuple[str, ...]
    note: str


class Task(Spec):
    """Something that trtbench does; ``lacks``: the capabilities that it misses here, none where it works."""

    name: str
    lacks: tuple[str, ...]


class Diagnosis(Result):
    """The whole machine."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["diagnosis"] = "diagnosis"
    environment: Environment
    capabilities: tuple[Capability, ...]
    tasks: tuple[Task, ...] = ()
    backends: tuple[Backend, ...]
    findings: tuple[Finding, ...]

    def to_rows(self) -> list[Row]:
        """One a capability."""
        fields = ("name", "status", "version", "problem", "cost", "command")
        return aligned(flat(each, *fields) for each in self.capabilities)
