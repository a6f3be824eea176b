"""Environments that trtbench is installed in anew, and the commands of a newcomer in them."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TINY = ("--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "2")
COMMANDS = {
    "export": ("export", "--precision", "nvfp4", *TINY),
    "build": ("build",),
    "compare": ("compare", "fp16", "mxfp8", "nvfp4", *TINY),
}
"""The three commands of the README, with a small model."""
_REMEDY = re.compile(r": ((?:uv|pip|\S+/python -m pip) .*?)(?: \(proprietary licence of NVIDIA's\))?$")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def remedy(self) -> str:
        """The command that the last line of the error ends with."""
        found = _REMEDY.search(self.err.strip().splitlines()[-1])
        assert found is not None, self.err
        return found[1]


@dataclass(frozen=True)
class Installed:
    """An environment at ``prefix``; commands run in ``folder``, which is their store, too."""

    prefix: Path
    folder: Path

    def trtbench(self, *words: str) -> Ended:
        """Run trtbench there."""
        return run([str(self.prefix / "bin" / "trtbench"), *words], self.folder, self.prefix)

    def tasks(self) -> dict[str, tuple[str, ...]]:
        """What doctor says each task lacks."""
        diagnosis: dict[str, Any] = json.loads(self.trtbench("doctor", "--json").out)
        return {task["name"]: tuple(task["lacks"]) for task in diagnosis["tasks"]}


def run(command: list[str], folder: Path, prefix: Path | None = None) -> Ended:
    """Run a command in a folder, in an environment as if it were activated."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TRTBENCH_STORE")}
    kept = {**kept, "UV_COMPILE_BYTECODE": "0"}  # a minute each, of which the tests use little
    kept.pop("VIRTUAL_ENV", None)
    if prefix is not None:
        kept |= {"VIRTUAL_ENV": str(prefix), "PATH": f"{prefix / 'bin'}:{kept['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def shell(command: str, folder: Path, prefix: Path | None = None) -> None:
    """Run a line of shell that must succeed."""
    done = run(["bash", "-c", command], folder, prefix)
    assert done.code == 0, f"{command}: {done.err}"


def uv_environment(folder: Path, extras: tuple[str, ...]) -> Installed:
    """An environment without pip, with trtbench and these extras."""
    prefix = folder / "env"
    named = f"[{','.join(extras)}]" if extras else ""
    shell(f"uv venv --quiet --python {sys.executable} {prefix}", ROOT)
    shell(f"uv pip install --quiet --python {prefix}/bin/python -e '{ROOT}{named}'", ROOT)
    return _with_folder(prefix, folder)


def pip_environment(folder: Path) -> Installed:
    """An environment with pip, with trtbench and no extras."""
    prefix = folder / "env"
    shell(f"{sys.executable} -m venv {prefix}", ROOT)
    shell(f"{prefix}/bin/pip install --quiet {ROOT}", ROOT)
    return _with_folder(prefix, folder)


def synced_clone(folder: Path) -> Installed:
    """A clone that uv synced without the development tools, and so without any extra."""
    clone = folder / "clone"
    shell(f"git clone --quiet {ROOT} {clone}", ROOT)
    shell("uv sync --quiet --no-dev", clone)
    return _with_folder(clone / ".venv", folder)


def _with_folder(prefix: Path, folder: Path) -> Installed:
    work = folder / "work"
    work.mkdir()
    return Installed(prefix, work)
