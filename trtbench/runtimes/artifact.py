"""The file that an arm names, checked before anything loads it."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from trtbench.errors import MeasureError
from trtbench.results import TensorRecord
from trtbench.specs import ArmSpec

_LINE_LENGTH = 500


def read_artifact(arm: ArmSpec) -> tuple[Path, bytes]:
    """Read the artifact, once, and compare it with ``arm.artifact_sha256``.

    Raises:
        MeasureError: the arm names none, it cannot be read, or it is another than the arm's.
    """
    if arm.artifact is None or arm.artifact_sha256 is None:
        raise MeasureError(f"{arm.label}: {arm.runtime} loads a file, and the arm names none with its sha256")
    path = Path(arm.artifact)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MeasureError(f"{path}: cannot be read: {error.strerror}") from error
    found = sha256(content).hexdigest()
    if found != arm.artifact_sha256:
        raise MeasureError(
            f"{path}: its sha256 is {found[:12]}..., the arm says {arm.artifact_sha256[:12]}...: it was "
            "changed since the arm was made: make it again"
        )
    return path, content


def check_batch(arm: ArmSpec, path: Path, inputs: Iterable[TensorRecord]) -> None:
    """Check that the first dimension of every input is the arm's batch, which images per second count in.

    Raises:
        MeasureError: it is another.
    """
    for record in inputs:
        if arm.export is not None and record.shape[:1] != (arm.export.batch,):
            raise MeasureError(
                f"{path.name}: its input {record.name} has the shape {record.shape}, the arm says batch "
                f"{arm.export.batch}: make it for that batch"
            )


def one_line(text: object) -> str:
    """What a library said, in one line and not too long."""
    line = " ".join(str(text).split())
    return line if len(line) <= _LINE_LENGTH else f"{line[: _LINE_LENGTH - 3]}..."
