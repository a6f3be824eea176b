"""The Dockerfile: what can be carried out of it without a container."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.dockerfile import (
    DOCKERFILE,
    INSTRUCTIONS,
    ROOT,
    default_extras,
    instruction,
    make_environment,
    steps,
)
from support.installed import run

PACKAGES_OF_AN_IMAGE = """\
numpy==1.26.4
onnx==1.18.0
tensorrt==10.14.1.48
tensorrt_cu13==10.14.1.48
torch==2.10.0a0+b558c986e8.nv25.11
torch_tensorrt==2.10.0a0
torchvision==0.25.0a0+b1ff88c
pytorch-triton==3.5.0
"""


def test_it_is_made_from_any_image_and_runs_as_an_ordinary_user() -> None:
    assert INSTRUCTIONS[:2] == ["ARG BASE_IMAGE=nvcr.io/nvidia/tensorrt:25.11-py3", "FROM ${BASE_IMAGE}"]
    (user,) = instruction("USER")
    assert int(user) > 1000
    assert f"useradd --uid {user} --create-home trtbench" in steps()
    assert instruction("ENTRYPOINT") == ['["trtbench"]']


def variables() -> dict[str, str]:
    return dict(word.split("=", 1) for line in instruction("ENV") for word in line.split())


def test_any_user_may_write_where_they_work_and_at_home(tmp_path: Path) -> None:
    (example,) = re.findall(r"^#   (docker run .*)$", DOCKERFILE, re.MULTILINE)
    assert '--user "$(id -u):$(id -g)" --volume "$PWD:/workspace"' in example
    (workspace,) = instruction("WORKDIR")
    home = variables()["HOME"]
    (tmp_path / home.lstrip("/")).mkdir(parents=True)  # useradd made it
    (install,) = [step for step in steps() if step.startswith("install --directory")]
    command = re.sub(r" /", f" {tmp_path}/", install)
    subprocess.run(["bash", "-c", command], check=True)
    for folder in (workspace, home):
        assert stat.S_IMODE((tmp_path / folder.lstrip("/")).stat().st_mode) == 0o1777


def test_any_user_has_a_name() -> None:
    # Older versions of torch ask for it, and an id that is not in /etc/passwd has none.
    assert variables()["USER"] == "trtbench"


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_all_that_is_copied_is_there_and_reaches_the_build() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sources = [source for copy in instruction("COPY") for source in copy.split()[:-1]]
    assert ignore[0] == "*"
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignore


def test_packages_of_the_image_are_pinned_as_they_are() -> None:
    (pattern,) = re.findall(r"grep -iE '([^']+)'", DOCKERFILE)
    pinned = [line for line in PACKAGES_OF_AN_IMAGE.splitlines() if re.search(pattern, line, re.IGNORECASE)]
    assert [line.partition("==")[0] for line in pinned] == [
        "tensorrt",
        "tensorrt_cu13",
        "torch",
        "torch_tensorrt",
        "torchvision",
    ]


@pytest.mark.timeout(300)
def test_its_pip_lines_make_an_environment_in_which_trtbench_runs(tmp_path: Path) -> None:
    assert set(default_extras().split(",")) == {"export", "gpu", "ort", "report", "rtx"}
    environment = make_environment(tmp_path, "gpu")
    done = run([str(environment / "bin" / "trtbench"), "doctor", "--json"], tmp_path)
    commands = [each["command"] for each in json.loads(done.out)["capabilities"] if each["name"] == "export"]
    assert commands[0].startswith("docker build --tag trtbench .")
