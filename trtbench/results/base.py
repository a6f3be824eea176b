"""What all results share. Every stored result carries a schema version.

Format history of stored JSON:
    1  first version
"""

from typing import Literal

from pydantic import Field

from trtbench.errors import Code
from trtbench.specs import Spec

SCHEMA_VERSION = 1

Severity = Literal["info", "warning", "error"]


class Finding(Spec):
    """Something the user should know, with its numbers and the next step."""

    code: Code
    severity: Severity
    message: str
    hint: str
    numbers: dict[str, float] = Field(default_factory=dict)
    layers: tuple[str, ...] = ()


class FileRecord(Spec):
    """A file beside the manifest; ``name`` is relative to it."""

    name: str
    sha256: str
    size_bytes: int


class TensorRecord(Spec):
    """A graph input or output; ``dtype`` in numpy's words (``float16``)."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class PassDescription(Spec):
    """A change that our export makes to the model or the graph; ``recipes``: those that take it."""

    name: str
    stage: Literal["model", "graph"]
    recipes: str
    what: str
    why: str


class PassList(Spec):
    """All passes, in the order they run."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["passes"] = "passes"
    passes: tuple[PassDescription, ...]
