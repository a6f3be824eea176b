"""The file that an arm names, checked before anything loads it."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from trtbench.errors import ArtifactError, MeasureError
from trtbench.host.untrusted_files import open_untrusted
from trtbench.results import TensorRecord
from trtbench.specs import ArmSpec
from trtbench.store.files import file_record


def read_artifact(arm: ArmSpec) -> tuple[Path, bytes]:
    """Read the artifact, once, and compare it, and the weights beside it, with the hashes of the arm.

    Raises:
        MeasureError: the arm names none, a file cannot be read, or is another than the arm's.
    """
    if arm.artifact is None or arm.artifact_sha256 is None:
        raise MeasureError(f"{arm.label}: {arm.runtime} loads a file, and the arm names none with its sha256")
    path = Path(arm.artifact)
    try:
        with open_untrusted(path) as file:
            content = file.readall()
    except OSError as error:
        raise MeasureError(f"{path}: cannot be read: {error.strerror}") from error
    _check_sha256(path, sha256(content).hexdigest(), arm.artifact_sha256)
    for name, expected in arm.weights:
        _check_sha256(path.parent / name, _sha256_of(path.parent / name), expected)
    return path, content


def _sha256_of(path: Path) -> str:
    try:
        return file_record(path).sha256
    except ArtifactError as error:
        raise MeasureError(str(error), code=error.code) from error


def _check_sha256(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise MeasureError(
            f"{path}: its sha256 is {found[:12]}..., the arm says {expected[:12]}...: it was changed since "
            "the arm was made: make it again"
        )


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
