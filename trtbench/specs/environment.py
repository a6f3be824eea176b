"""One word for a place to run: ``local``, ``venv:tensorrt-rtx==1.6.1.120``, ``docker:IMAGE``."""

import re
from collections.abc import Sequence
from typing import Literal, get_args

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from trtbench.errors import SpecError
from trtbench.specs.base import Spec

PackageName = Literal["tensorrt-rtx", "onnxruntime"]
"""What a virtual environment can be made for."""

_USAGE = (
    "use local, venv:tensorrt-rtx==1.6.1.120, venv:onnxruntime==1.31.1 or "
    "docker:nvcr.io/nvidia/tensorrt:25.11-py3"
)
# distribution/reference: perhaps a registry with its port, path components, then a tag, a digest or both.
_IMAGE = re.compile(
    r"[a-zA-Z0-9][\w.-]*(?::\d+(?=/))?(?:/[a-z0-9][a-z0-9._-]*)*"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@sha256:(?P<digest>[0-9a-f]{64}))?"
)


class EnvironmentSpec(Spec):
    """A place to run: ``version`` of ``package`` for a ``venv``, ``image`` for ``docker`` (or podman)."""

    kind: Literal["local", "venv", "docker"]
    version: str | None = None
    image: str | None = None
    package: PackageName = "tensorrt-rtx"

    @property
    def requirement(self) -> str:
        """What pip calls the package of a ``venv`` in this version."""
        return f"{self.package}=={self.version}"

    def __str__(self) -> str:
        if self.kind == "venv":
            return f"venv:{self.requirement}"
        return self.kind if self.image is None else f"{self.kind}:{self.image}"


def parse_environment(word: str) -> EnvironmentSpec:
    """Read one word.

    Raises:
        SpecError: it is not an environment, or does not pin a version or image.
    """
    kind, colon, rest = word.strip().partition(":")
    if kind == "local" and not colon:
        return EnvironmentSpec(kind="local")
    if kind == "venv":
        package, version = _package(word, rest)
        return EnvironmentSpec(kind="venv", package=package, version=version)
    if kind == "docker":
        return EnvironmentSpec(kind="docker", image=_image(word, rest))
    raise SpecError(f"environment {word!r} is unknown: {_USAGE}")


def parse_environments(words: Sequence[str]) -> tuple[EnvironmentSpec, ...]:
    """Read several words, of which the first is the baseline.

    Raises:
        SpecError: a word is wrong, or there are two that say the same.
    """
    specs = [parse_environment(word) for word in words]
    repeated = [spec for index, spec in enumerate(specs) if spec in specs[:index]]
    if repeated:
        raise SpecError(f"environment {repeated[0]} is named more than once: name each once")
    return tuple(specs)


def _image(word: str, text: str) -> str:
    match = _IMAGE.fullmatch(text)
    if match is None:
        raise SpecError(f"environment {word!r}: {text!r} is not the name of a container image: {_USAGE}")
    if match["tag"] is None and match["digest"] is None:
        raise SpecError(
            f"environment {word!r}: {text!r} names no tag and no digest, and may be another image on another "
            f"day: name one, such as {text}:TAG or {text}@sha256:DIGEST"
        )
    return text


def _package(word: str, text: str) -> tuple[PackageName, str]:
    """Read ``tensorrt-rtx==1.6.1.120``: anything looser would be another version on another day."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise SpecError(f"environment {word!r}: {text!r} is not a package requirement: {_USAGE}") from error
    name = canonicalize_name(requirement.name)
    package = next((each for each in get_args(PackageName) if each == name), None)
    if package is None:
        raise SpecError(
            f"environment {word!r}: one for {' or '.join(get_args(PackageName))} can be made, not for "
            f"{requirement.name}: {_USAGE}"
        )
    if requirement.extras or requirement.marker or requirement.url:
        raise SpecError(f"environment {word!r}: only a version is taken, no extras, markers or addresses")
    clauses = list(requirement.specifier)
    try:
        exact = [str(Version(clause.version)) for clause in clauses if clause.operator == "=="]
    except InvalidVersion as error:
        raise SpecError(f"environment {word!r}: the version is to be exact, without a star") from error
    if len(clauses) != 1 or not exact:
        raise SpecError(f"environment {word!r}: name one exact version with ==, such as ==1.6.1.120")
    return package, exact[0]
