"""What the design rules found in a model before it is built."""

from typing import Literal

from trtbench.results.base import SCHEMA_VERSION, Finding, Positive, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import RecipeField, Spec


class LintSection(Spec):
    """Findings about one recipe of a model, or about a graph; a graph that is not ours has no recipe."""

    recipe: RecipeField | None
    findings: tuple[Finding, ...]


class LintReport(Result):
    """Findings of the design rules, and the facts that most of them rest on.

    ``tokens``: queries of the longest attention; ``batch`` is None where a graph does not state it.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["lint"] = "lint"
    subject: str
    origin: Literal["model", "graph"]
    batch: Positive | None
    targets: tuple[str, ...]
    linear_layers: int
    attentions: int
    tokens: int | None
    head_dims: tuple[int, ...]
    sections: tuple[LintSection, ...]

    def to_rows(self) -> list[Row]:
        """One a finding."""
        return aligned(
            {**flat(part, "recipe"), **flat(finding, "code", "severity", "message", "hint")}
            for part in self.sections
            for finding in part.findings
        )

    @property
    def has_errors(self) -> bool:
        """Whether anything cannot be built as it is."""
        return any(finding.severity == "error" for part in self.sections for finding in part.findings)
