"""NVIDIA's images that are known, one file each in ``containers/``, and what is expected in them.

An installed trtbench has these files with it: pyproject.toml copies them into the wheel.
"""

from pathlib import Path
from typing import Any

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import ValidationError, field_validator

import trtbench
from trtbench.errors import ArtifactError
from trtbench.results import Finding
from trtbench.results.environments import Contents
from trtbench.specs import Spec

_PARTS = 4  # of __version__ of TensorRT (10.14.1.48) and of CUDA_VERSION in NVIDIA's images (13.0.2.006)


class ExpectedVersion(Spec):
    """A version that an image should hold, as ``packaging`` writes ranges, and how that is known."""

    version: str
    known: str

    @field_validator("version")
    @classmethod
    def _is_a_range(cls, text: str) -> str:
        try:
            clauses = SpecifierSet(text)
        except InvalidSpecifier as error:
            raise ValueError(f"{text!r} is no range of versions such as ==10.14.1.*") from error
        # 13.0.2.006 is not ==13.0.2: a version that is written out has all the parts that images tell.
        exact = [c.version for c in clauses if c.operator == "==" and not c.version.endswith(".*")]
        if any(len(version.split(".")) < _PARTS for version in exact):
            raise ValueError(f"{text!r} names fewer than four parts: write ==13.0.2.* for all that begin so")
        return text

    @property
    def oldest(self) -> str:
        """The oldest version that is in the range, as far as it names one: ``10.14.1``."""
        named = [clause.version for clause in SpecifierSet(self.version) if clause.operator in ("==", ">=")]
        return named[0].removesuffix(".*")


class KnownImage(Spec):
    """One image, and the drivers for it where they are known.

    ``driver``: the one that comes with the CUDA in the image, for all that this CUDA has, on any GPU.
    ``driver_oldest``: an older one for a Blackwell GPU, with which features of this CUDA are missing: the
    later of the first one of the same major CUDA (minor version compatibility) and of 570, the first for
    Blackwell. ``source``: of the versions.
    """

    image: str
    tensorrt: ExpectedVersion
    cuda: ExpectedVersion
    driver: str | None
    driver_source: str | None
    driver_oldest: str | None
    driver_oldest_source: str | None
    source: str


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
            code="ENVIRONMENT_MISMATCH",
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
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(f"{path}: field {field}: {first['msg']}") from error
