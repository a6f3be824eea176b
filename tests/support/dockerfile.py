"""The Dockerfile: its instructions, and its pip lines carried out without a container."""

import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = [
    line
    for line in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
    if line
]


def instruction(name: str) -> list[str]:
    """The arguments of each instruction of this name."""
    return [line.removeprefix(f"{name} ") for line in INSTRUCTIONS if line.startswith(f"{name} ")]


def steps() -> list[str]:
    """The commands of the one RUN instruction."""
    (run,) = instruction("RUN")
    return [step.strip() for step in run.split("&&")]


def default_extras() -> str:
    """The extras that the image has unless others are named."""
    (extras,) = [word.partition("=")[2] for word in instruction("ARG") if word.startswith("EXTRAS=")]
    return extras


def make_environment(folder: Path, extras: str) -> Path:
    """Carry out the pip lines, with an empty environment as the image's Python; what they make."""
    venv.create(folder / "image", with_pip=True)
    source = folder / "opt" / "source"
    source.mkdir(parents=True)
    for copy in instruction("COPY"):
        for name in copy.split()[:-1]:
            is_folder = (ROOT / name).is_dir()
            (shutil.copytree if is_folder else shutil.copy)(ROOT / name, source / name)
    carried_out = [step for step in steps() if not step.startswith(("useradd", "install --directory"))]
    assert len(carried_out) == len(steps()) - 2
    variables = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    command = " && ".join(carried_out).replace("/opt/trtbench", str(folder / "opt"))
    made = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**variables, "PATH": f"{folder}/image/bin:/usr/bin:/bin", "EXTRAS": extras},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return folder / "opt" / "env"
