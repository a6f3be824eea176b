"""What an export of several recipes or a build of several models made."""

from typing import Literal

from trtbench.errors import Code
from trtbench.results.base import SCHEMA_VERSION, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import Spec


class MadeArtifact(Spec):
    """One artifact that was asked for.

    Args:
        subject: the recipe, file or exported model that it was made from.
        path: its directory; null where it could not be made.
        reason, code: why it could not be made.
    """

    subject: str
    status: Literal["made", "present", "failed"]
    path: str | None = None
    reason: str | None = None
    code: Code | None = None


class MadeArtifacts(Result):
    """Artifacts in the order in which they were asked for."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["made_artifacts"] = "made_artifacts"
    stage: Literal["export", "build"]
    rows: tuple[MadeArtifact, ...]

    def to_rows(self) -> list[Row]:
        """One an artifact."""
        fields = ("subject", "status", "path", "reason", "code")
        return aligned({"stage": self.stage, **flat(row, *fields)} for row in self.rows)

    @property
    def has_failed(self) -> bool:
        """Whether one could not be made."""
        return any(row.status == "failed" for row in self.rows)
