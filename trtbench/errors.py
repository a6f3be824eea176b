"""Every error that trtbench raises on purpose.

The text of an error says what went wrong, in which file or field, the value seen, and what to do next,
in one line: the command line prints it as it is. A script branches on the code, not on the text.
"""

from collections.abc import Sequence

from trtbench.codes import Code as Code
from trtbench.units import shortened, visible


class TrtbenchError(Exception):
    """Base of all errors below; the command line prints its text and exits 1.

    Args:
        text: what went wrong and what to do; it becomes one line of at most 500 characters, in which what
            a terminal would obey stands as escapes.
        code: what went wrong, if more is known than the type of the error says.
    """

    code: Code

    def __init__(self, text: str, *, code: Code | None = None) -> None:
        super().__init__(shortened(visible(text.replace("\n", " "))))
        if code is not None:
            self.code = code


class SpecError(TrtbenchError):
    """The request itself is wrong (unknown recipe, model, target, batch of 0); exit code 2."""

    code = Code.SPEC_ERROR


class SpecErrors(SpecError):
    """Several faults of one request; the command line prints each on a line."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__("; ".join(texts))
        self.texts = tuple(str(SpecError(text)) for text in texts)


class ArtifactError(TrtbenchError):
    """A stored file is missing, damaged, of another schema, or cannot be written."""

    code = Code.ARTIFACT_DAMAGED


class RuntimeUnavailable(TrtbenchError):
    """An optional package or a device that the request needs is not there."""

    code = Code.RUNTIME_UNAVAILABLE


class ExportError(TrtbenchError):
    """A model could not be quantised or written as ONNX."""

    code = Code.EXPORT_FAILED


class WeightsError(ExportError):
    """Weights cannot be read or downloaded, or do not fit: whatever the recipe."""


class BuildError(TrtbenchError):
    """The compiler refused the model, crashed, ran out of time or out of memory."""

    code = Code.BUILD_FAILED


class MeasureError(TrtbenchError):
    """An arm could not be loaded or timed: out of GPU memory, a lost device, a capture that failed."""

    code = Code.MEASURE_FAILED


class OutputError(TrtbenchError):
    """The result is there, and cannot be written to stdout."""

    code = Code.OUTPUT_FAILED


class IncompatibleResults(TrtbenchError):
    """Stored results that cannot stand in one comparison, or a file of another kind or schema."""

    code = Code.INCOMPATIBLE_RESULTS
