"""Every error that trtbench raises on purpose.

The text of an error says what went wrong, in which file or field, the value seen, and what to do next,
in one line: the command line prints it as it is.
"""


class TrtbenchError(Exception):
    """Base of all errors below; the command line prints its text and exits 1."""


class SpecError(TrtbenchError):
    """The request itself is wrong (unknown recipe, model, target, batch of 0); exit code 2."""


class ArtifactError(TrtbenchError):
    """A stored file is missing, damaged, of another schema, or cannot be written."""


class RuntimeUnavailable(TrtbenchError):
    """An optional package or a device that the request needs is not there."""


class ExportError(TrtbenchError):
    """A model could not be quantised or written as ONNX."""


class BuildError(TrtbenchError):
    """The compiler refused the model, crashed, ran out of time or out of memory."""


class MeasureError(TrtbenchError):
    """An arm could not be loaded or timed: out of GPU memory, a lost device, a capture that failed."""


class OutputError(TrtbenchError):
    """The result is there, and cannot be written to stdout."""


class IncompatibleResults(TrtbenchError):
    """Stored results that cannot stand in one comparison, or a file of another kind or schema."""
