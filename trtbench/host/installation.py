"""How trtbench is installed here, and the command that adds what is missing; every such remedy is made here.

There are three ways: a clone that uv syncs, our container image, and any other environment, with or without
pip. trtbench is not on a package index, so what is installed again is the source that it came from.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from shlex import quote
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

import trtbench
from trtbench.errors import RuntimeUnavailable
from trtbench.units import one_line

_IMAGE_RECORD = "image.txt"
"""What the Dockerfile writes beside the environment that it makes."""
TENSORRT_IMAGE = "nvcr.io/nvidia/tensorrt:25.11-py3"
"""An image with TensorRT and trtexec: the one that the Dockerfile builds on."""
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
_SYNCED = frozenset({"export", "gpu", "ort", "report", "rtx", "transformers"})
"""Extras that ``uv sync`` installs without being asked, since the development tools need them."""
_NOT_FROM_UV = frozenset({"tensorrt"})
"""Extras that ``[tool.uv]`` of pyproject.toml excludes, since only NVIDIA's package index has them whole."""
LICENCE = "proprietary licence of NVIDIA's"
"""Of both TensorRTs, to be said where they are installed."""


@contextmanager
def needing(name: str, *extras: str, remedy: Callable[[], str] | None = None) -> Iterator[None]:
    """Turn an import that fails into one line with its remedy.

    Args:
        name: what is imported, as people call it.
        extras: those that hold it.
        remedy: gives what to do in place of the command that installs ``extras``.

    Raises:
        RuntimeUnavailable: it is not installed, or its libraries do not load.
    """
    try:
        yield
    except (ImportError, OSError, RuntimeError) as error:
        what = install_command(*extras) if remedy is None else remedy()
        raise RuntimeUnavailable(f"{name} cannot be used here ({one_line(error)}): {what}") from error


def install_command(*extras: str) -> str:
    """The command that installs trtbench again with these extras, and keeps what is there."""
    if _is_image():
        return "docker build --tag trtbench .  # in the repository, then start the new image"
    if _is_synced_clone() and _NOT_FROM_UV.isdisjoint(extras):
        others = "".join(f" --extra {extra}" for extra in extras if extra not in _SYNCED)
        return f"uv sync{_project_option()}{others}"
    if _is_synced_clone():
        return f"uv pip install --no-config {_words(_requirements_of(extras))}"
    return f"{_pip('install')} {_sources(extras)}"


def rtx_remedy() -> str:
    """How to get TensorRT-RTX."""
    return f"{install_command('rtx')} ({LICENCE})"


def tensorrt_remedy() -> str:
    """How to get standard TensorRT, which no public package index has whole."""
    command = install_command("tensorrt")
    container = f"run in a container that holds it, such as {TENSORRT_IMAGE}"
    return f"{container}, or with NVIDIA's package index: {command} ({LICENCE})"


def gpu_remedy() -> str:
    """What to do where no driver answers."""
    if is_container():
        return "start the container with docker run --gpus all, or podman run --device nvidia.com/gpu=all"
    return "nvidia-smi  # must list a GPU"


def package_command(package: str) -> str:
    """The command that installs a package which trtbench does not need itself."""
    if _is_image():
        return f"start trtbench outside the image, where {package} can be installed"
    return f"{_pip('install')} {quote(package)}"


def swap_command(removed: str, package: str) -> str:
    """The command that puts a package in the place of others, which overwrite its files.

    Args:
        removed: names of packages, separated by spaces.
        package: what is wanted.
    """
    if _is_image():
        return f"replace {removed} by {package} in the Dockerfile and build the image again"
    back = "  # then uv run --no-sync, for uv sync undoes it" if _is_synced_clone() else ""
    return f"{_pip('uninstall')} {removed} && {_pip('install')} {package}{back}"


def is_container() -> bool:
    """Whether this process runs in a container of docker or podman."""
    return any(Path(mark).exists() for mark in _CONTAINER_MARKS)


def source_folder() -> Path | None:
    """The repository that trtbench runs or was installed from, if it is still there."""
    origin = _origin()
    folders = [package_root().parent, *([] if origin is None else [Path(origin)])]
    return next((folder for folder in folders if (folder / "pyproject.toml").is_file()), None)


def _is_image() -> bool:
    return Path(sys.prefix).with_name(_IMAGE_RECORD).is_file()


def _is_synced_clone() -> bool:
    """Whether this is the environment that ``uv sync`` keeps in the repository."""
    named = os.environ.get("UV_PROJECT_ENVIRONMENT", ".venv")
    repository = package_root().parent
    return (repository / "pyproject.toml").is_file() and Path(sys.prefix) == repository / named


def _project_option() -> str:
    repository = package_root().parent
    return "" if Path.cwd() == repository else f" --project {quote(str(repository))}"


def _pip(verb: str) -> str:
    """The command that installs or uninstalls packages of this environment."""
    if _is_synced_clone():
        return f"uv pip {verb}"
    python = quote(sys.executable)
    if not _has_pip():
        return f"uv pip {verb} --python {python}"
    is_on_path = Path(shutil.which("pip") or "").parent == Path(sys.executable).parent
    return f"{'pip' if is_on_path else f'{python} -m pip'} {verb}{' -y' * (verb == 'uninstall')}"


def _has_pip() -> bool:
    # Not find_spec, by which setuptools concludes that pip runs, and then fails to import in this process.
    try:
        metadata.version("pip")
    except metadata.PackageNotFoundError:
        return False
    return True


def _sources(extras: tuple[str, ...]) -> str:
    """Trtbench with these extras from where it came; if that is gone, the packages that the extras need."""
    named = f"[{','.join(extras)}]" if extras else ""
    origin = _origin() or source_folder()
    if origin is None:
        return _words(_requirements_of(extras)) if extras else "trtbench"
    if isinstance(origin, str) and "://" in origin:
        return quote(f"trtbench{named} @ {origin}")
    editable = "-e " if Path(origin) == package_root().parent else ""
    return f"{editable}{quote(f'{origin}{named}')}"


def _origin() -> str | None:
    """The folder or wheel that trtbench was installed from, if it is there, or the address (PEP 610)."""
    try:
        text = metadata.distribution("trtbench").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    if text is None:
        return None
    record = json.loads(text)
    address = urlsplit(record["url"])
    if address.scheme == "file":
        path = unquote(address.path)
        return path if Path(path).exists() else None
    scheme = f"{record['vcs_info']['vcs']}+" if "vcs_info" in record else ""
    return f"{scheme}{record['url']}"


def _requirements_of(extras: tuple[str, ...]) -> list[str]:
    """What trtbench's metadata asks for under these extras."""
    requirements = [Requirement(text) for text in metadata.requires("trtbench") or ()]
    return [
        f"{each.name}{each.specifier}"
        for each in requirements
        if each.marker and any(each.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def _words(requirements: list[str]) -> str:
    return " ".join(map(quote, requirements))


def package_root() -> Path:
    """Where the package ``trtbench`` lies."""
    return Path(trtbench.__file__).resolve().parent
