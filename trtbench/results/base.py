"""What all results share. Every stored result carries a schema version.

Format history of stored JSON:
    1  first version
"""

from abc import abstractmethod
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trtbench.errors import ArtifactError, Code
from trtbench.results.rows import Row, aligned, csv_text, flat, html_table, markdown_table
from trtbench.specs import Spec
from trtbench.units import visible

SCHEMA_VERSION = 1

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]

Severity = Literal["info", "warning", "error"]


class Result(Spec):
    """What a stage gives: rows for data frames, a table for notebooks, a file for later."""

    EVIDENCE: ClassVar[tuple[str, ...]] = ()
    SHOWN: ClassVar[tuple[str, ...]] = ()
    """Patterns of the names of columns that a notebook shows; none: all."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """Kinds of evidence in it: compiled, measured, predicted, emulated; none of what is no model's."""
        return self.EVIDENCE

    @abstractmethod
    def to_rows(self) -> list[Row]:
        """Flat rows, all with the same columns, such as ``pandas.DataFrame`` takes.

        Names of columns end in units (``predicted_gpu_compute_ms``); what a row lacks is None.
        """

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the result as JSON, at once and in place of an older file; ``trtbench.load`` reads it.

        Raises:
            ArtifactError: the file cannot be written.
        """
        return write_text(Path(path), self.model_dump_json(indent=2) + "\n")

    def to_markdown(self) -> str:
        """A caption with the evidence, the columns that a notebook shows, and the remarks."""
        remarks = "".join(f"\n{visible(remark)}\n" for remark in self.remarks)
        return f"{self._caption}\n\n{markdown_table(self.to_rows(), self.SHOWN)}{remarks}"

    def to_csv(self) -> str:
        """All rows and columns."""
        return csv_text(self.to_rows())

    @property
    def remarks(self) -> tuple[str, ...]:
        """What there is to say below a table of it."""
        return ()

    @property
    def _caption(self) -> str:
        kind = str(type(self).model_fields["kind"].default).replace("_", " ")
        return kind + (f"; evidence: {', '.join(self.evidence)}" if self.evidence else "")

    def _repr_html_(self) -> str:
        return html_table(self._caption, self.to_rows(), self.SHOWN)


def work_file(path: Path) -> Path:
    """Where ``write_text`` writes before the file takes its place."""
    return path.with_name(f".{path.name}.part")


def write_text(path: Path, text: str) -> Path:
    """Write a file at once, in place of an older one.

    Raises:
        ArtifactError: the file cannot be written.
    """
    work = work_file(path)
    try:
        work.write_text(text, encoding="utf-8")
        work.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # it is in place already, or could not be written
            work.unlink()
    return path


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
    size_bytes: Count


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


class PassList(Result):
    """All passes, in the order they run."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["passes"] = "passes"
    passes: tuple[PassDescription, ...]

    def to_rows(self) -> list[Row]:
        """One a pass."""
        return aligned(flat(each, "name", "stage", "recipes", "what", "why") for each in self.passes)
