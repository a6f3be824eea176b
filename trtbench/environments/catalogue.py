"""NVIDIA's images that are known, one file each in ``containers/``, and what is expected in them.

An installed trtbench has these files with it: pyproject.toml copies them into the wheel.
"""

from pathlib import Path
from typing import Any

import yaml
from packaging.specifiers import SpecifierSet
from pydantic import ValidationError

import trtbench
from trtbench.errors import ArtifactError, Code
from trtbench.results import Finding
from trtbench.results.environments import Contents, ExpectedVersion, KnownImage
from trtbench.specs import first_problem


def read_catalogue(folder: Path | None = None) -> tuple[KnownImage, ...]:
    """All known images, oldest first.

    Raises:
        ArtifactError: the folder is not there, or a file of it is wrong, and which field.
    """
    folder = folder or catalogue_folder()
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise ArtifactError(f"{folder}: holds no image descriptions: install trtbench again")
    return tuple(_read(path) for path in paths)


def catalogue_folder() -> Path:
    """Where the files are: in the package where it was installed from a wheel, else in its repository."""
    package = Path(trtbench.__file__).resolve().parent
    installed = package / "environments" / "images"
    return installed if installed.is_dir() else package.parent / "containers"


def expectation_of(image: str, contents: Contents) -> tuple[Finding, ...]:
    """A finding when a known image holds another TensorRT or CUDA than is written of it."""
    known = next((entry for entry in _catalogue_if_there() if entry.image == image), None)
    if known is None:
        return ()
    problem = contents.tensorrt_problem
    missing = "none" if problem is None else f"that does not load ({problem})"
    wrong = [
        f"{what} {found or instead} (expected {expected.version}, known: {expected.known})"
        for what, expected, found, instead in (
            ("TensorRT", known.tensorrt, contents.tensorrt, missing),
            ("CUDA", known.cuda, contents.cuda, "none"),
        )
        if not _holds(expected, found)
    ]
    if not wrong:
        return ()
    return (
        Finding(
            code=Code.ENVIRONMENT_MISMATCH,
            severity="warning",
            message=f"docker:{image} holds {', '.join(wrong)}",
            hint=f"what is in the image counts; correct the file of {image} in containers/",
        ),
    )


def _holds(expected: ExpectedVersion, found: str | None) -> bool:
    return found is not None and SpecifierSet(expected.version).contains(found, prereleases=True)


def _catalogue_if_there() -> tuple[KnownImage, ...]:
    return read_catalogue() if catalogue_folder().is_dir() else ()


def _read(path: Path) -> KnownImage:
    try:
        entry: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return KnownImage.model_validate(entry)
    except (OSError, yaml.YAMLError) as error:
        raise ArtifactError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        raise ArtifactError(f"{path}: {first_problem(error)}") from error
