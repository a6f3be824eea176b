"""A ``docker`` (or ``podman``) for PATH that behaves like the real one, troubles included."""

import os
import sys
from pathlib import Path

import pytest

IMAGE = "nvcr.io/nvidia/tensorrt:25.11-py3"
DIGEST = "nvcr.io/nvidia/tensorrt@sha256:" + 64 * "0"

# Subcommand that fails, and what docker 28 prints then; where others print something else, they are named.
TROUBLES = {
    "no daemon": (
        "version",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    ),
    "no daemon, docker 29": (
        "version",
        "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct "
        "and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
    ),
    "no right": (
        "version",
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
    ),
    "no right, docker 29": (
        "version",
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
    ),
    "no image": ("image", f"Error response from daemon: No such image: {IMAGE}"),
    "no toolkit": (
        "run",
        'Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
    ),
    "no toolkit, docker 29": (
        "run",
        "Error response from daemon: failed to discover GPU vendor from CDI: no known GPU vendor found",
    ),
    "no CDI, podman": ("run", "setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all"),
    "no CDI, podman 3": ("run", "stat nvidia.com/gpu=all: no such file or directory"),
    "old driver": (
        "run",
        "Error response from daemon: failed to create task for container: nvidia-container-cli: "
        "requirement error: unsatisfied condition: cuda>=13.0, please update your driver to a newer version",
    ),
    "no driver": (
        "run",
        "Error response from daemon: failed to create task for container: failed to create shim task: "
        "OCI runtime create failed: stderr: Auto-detected mode as 'legacy'\n"
        "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.",
    ),
    "busy GPU": ("run", "RuntimeError: all CUDA-capable devices are busy or unavailable"),
    "no image to run": ("run", f"Error response from daemon: No such image: {IMAGE}"),
    "no process": ("inspect", "Error: No such object: trtbench-0"),
    "unheard of": ("run", "Error response from daemon: first line\nthe moon is in the wrong phase"),
}
# From the program in the container; the others are from what starts it, when it refuses to run something.
_IN_CONTAINER = ("busy GPU",)
_REFUSALS = {
    "docker": "docker: {words}\n\nRun 'docker run --help' for more information",
    "podman": "Error: {words}",
}

# A container is no child of the command that starts it, and goes on when that is killed: "kill" ends it.
_DOCKER = """#!{python}
import os, signal, sys
from pathlib import Path

arguments = sys.argv[1:]
with Path({journal!r}).open("a") as journal:
    print(*arguments, file=journal)
command, words, returncode = {trouble!r}
if arguments[0] == command:
    print(words, file=sys.stderr)
    sys.exit(returncode)


def pid_file(name):
    return Path({journal!r}).with_name(name + ".pid")


def run(program, name):
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.environ.pop("TRTBENCH_PARENT_PID", None)  # a container has its own environment
        child = os.spawnv(os.P_NOWAIT, program[0], program)
        pid_file(name).write_text(str(child))
        os.write(tell, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
        os._exit(0)
    os.close(tell)
    return abs(int(os.read(told, 16) or b"137"))


if arguments[0] == "version":
    print("28.2.2")
elif arguments[0] == "image":
    print({digest!r})
elif arguments[0] == "inspect":
    print(pid_file(arguments[-1]).read_text())
elif arguments[0] == "kill":
    os.kill(int(pid_file(arguments[-1]).read_text()), signal.SIGKILL)
elif arguments[0] == "run" and "pip" not in arguments:
    inside = arguments[arguments.index("python3") + 1 :]
    print("== a banner, as NVIDIA's images have it ==", flush=True)
    sys.exit(run([{python!r}, *inside], arguments[arguments.index("--name") + 1]))
"""
_UV = """#!{python}
import sys
from pathlib import Path

folder = Path(sys.argv[sys.argv.index("--out-dir") + 1])
(folder / "trtbench-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
"""


def put_on_path(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str | None = None,
    name: str = "docker",
    command: str | None = None,
) -> Path:
    """Make ``folder`` the whole PATH, with a docker and a uv in it; return the journal of docker's calls.

    ``command``: the subcommand that has the trouble, where it is another than usual.
    """
    folder.mkdir(exist_ok=True)
    journal = folder / "journal.txt"
    script = _DOCKER.format(
        python=sys.executable,
        journal=str(journal),
        digest=DIGEST,
        trouble=_failure(name, trouble, command) if trouble else ("", "", 0),
    )
    write_script(folder / name, script)
    write_script(folder / "uv", _UV.format(python=sys.executable))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return journal


def _failure(name: str, trouble: str, command: str | None) -> tuple[str, str, int]:
    """The subcommand that fails, all that it prints, and its exit code."""
    usual, words = TROUBLES[trouble]
    command = command or usual
    if command == "run" and trouble not in _IN_CONTAINER:
        return command, _REFUSALS[name].format(words=words), 125
    return command, words, 1


def write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def user() -> str:
    return f"{os.getuid()}:{os.getgid()}"
