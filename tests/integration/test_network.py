"""No command touches the network unless it is asked to: connections are watched by strace."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

MODEL = ("--model", "vit_tiny_patch16_224", "--set", "depth=1", "--batch", "1")
FAST = ("--processes", "1", "--duration-s", "0.2", "--block-ms", "40", "--warmup-ms", "20")
COMMANDS = (
    ("compare", "fp16", *MODEL),
    ("bench", "fp16", *MODEL, "--runtime", "onnxruntime-cpu", *FAST),
    ("predict", "fp16", *MODEL, "--gpu", "rtx-5090"),
    ("doctor",),
    ("ls",),
    ("gpus",),
)
_ADDRESS = re.compile(r"(?:connect|sendto|sendmsg)\(.*AF_INET6?\b.*")


def attempts(command: Sequence[str], folder: Path) -> tuple[int, list[str]]:
    """Run a command; return its exit code, and calls by which it, or what it starts, would reach a host."""
    log, home = folder / "strace.log", folder / "home"
    home.mkdir(exist_ok=True)
    strace = ("strace", "-f", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg", "-o", str(log))
    unset = ("XDG_CACHE_HOME", "HF_HOME", "HF_HUB_OFFLINE", "TRTBENCH_STORE")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [*strace, *command],
        cwd=folder,
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = log.read_text(errors="replace") if log.exists() else f"connect(AF_INET: {done.stderr}"
    return done.returncode, _ADDRESS.findall(said)


@pytest.fixture(autouse=True)
def _strace_works(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace: apt-get install strace")
    code, found = attempts(["true"], tmp_path)
    if code or found:
        pytest.skip(f"strace cannot watch processes here: {found}")


def test_a_connection_is_seen(tmp_path: Path) -> None:
    code = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    _, found = attempts([sys.executable, "-c", code], tmp_path)
    assert len(found) == 1
    assert "192.0.2.1" in found[0]


def test_no_command_reaches_for_the_network(tmp_path: Path) -> None:
    for command in COMMANDS:
        code, found = attempts(
            [sys.executable, "-c", "from trtbench.cli.app import main; main()", *command], tmp_path
        )
        assert not found, command
        assert code == 0, command
