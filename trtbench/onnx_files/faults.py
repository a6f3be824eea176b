"""Errors of onnx and protobuf, which have no base class, as one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf.message import DecodeError

from trtbench.errors import ArtifactError, TrtbenchError
from trtbench.units import one_line


@contextmanager
def onnx_faults(path: Path) -> Iterator[None]:
    """Turn whatever reading or analysing the ONNX file ``path`` raises into one line.

    onnx raises ValidationError, InferenceError, ConvertError and what Python and numpy raise; a graph that
    contradicts itself leads to an IndexError or KeyError wherever its shapes are used.

    Raises:
        ArtifactError: the file cannot be read, is not ONNX, or contradicts itself.
    """
    try:
        yield
    except TrtbenchError:
        raise
    except DecodeError as error:
        raise ArtifactError(
            f"{path}: not an ONNX model, or cut short: export or download it again"
        ) from error
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: no such ONNX file: check the path") from error
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}): give the path of an ONNX file"
        ) from error
    except MemoryError as error:
        raise ArtifactError(f"{path}: needs more memory than there is: check its dimensions") from error
    except RecursionError as error:
        raise ArtifactError(f"{path}: is nested too deeply: simplify the graph (onnxslim)") from error
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        raise ArtifactError(
            f"{path}: the graph contradicts itself ({reason}): check it with onnx.checker, or export it again"
        ) from error
