"""What docker and podman say when they cannot start a container, and what to do about it."""

import re
from pathlib import Path

from trtbench.environments.prepared import Container
from trtbench.host.commands import Outcome

# Patterns of their own words, in the order in which they are tried: an image that is missing or a driver that
# does not fit is reported through the daemon, so that its troubles come first.
_EXPLANATIONS: dict[str, str] = {
    r"permission denied.*(docker|podman).*sock|sock.*permission denied": (
        '{engine} may not be used by this user: sudo usermod -aG docker "$USER", then log in again'
    ),
    r"Is the docker daemon running|failed to connect to the docker API": (
        "the daemon of {engine} does not answer: sudo systemctl start docker"
    ),
    r"No such image|image not known|Unable to find image|no such object": (
        "the image is not on this machine: {engine} pull {image}"
    ),
    r"could not select device driver|no known GPU vendor found|unknown or invalid runtime name: nvidia": (
        "{engine} cannot hand out GPUs: install nvidia-container-toolkit and restart {engine}"
    ),
    r"unresolvable CDI devices": (
        "{engine} does not know the GPUs of this machine: install nvidia-container-toolkit, then "
        "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    ),
    r"stat nvidia\.com/gpu": "this {engine} hands out no GPUs by CDI: install 4.1 or later",
    r"unsatisfied condition: (?P<condition>[^,;\"']+)": (
        "the driver of this machine is too old for the image, which needs {condition}: update the driver, or "
        "use an older tag (trtbench containers)"
    ),
    r"driver not loaded|nvml error|libnvidia-ml\.so": (
        "no NVIDIA driver works on this machine: nvidia-smi must list a GPU"
    ),
    r"CUDA-capable device\(?s?\)? (is/)?are busy|GPU is busy": (
        "the GPU is busy: another process has exclusive use of it; nvidia-smi shows which"
    ),
    r"no space left on device": "no room on the disk: make some, for instance by {engine} system prune",
}


def explain(engine: str, image: str | None, outcome: Outcome) -> str:
    """One line on why a command of ``engine`` failed and what to do; unknown troubles in its own words."""
    return _known_trouble(engine, image, outcome.said) or f"{engine} says: {outcome.last_line}"


def trouble_in_log(container: Container, log_path: Path) -> str | None:
    """One line on why ``container`` failed and what to do, if its log holds words that are known."""
    said = log_path.read_text(encoding="utf-8", errors="replace")
    trouble = _known_trouble(container.engine, container.image, said)
    return None if trouble is None else f"docker:{container.image}: {trouble}"


def _known_trouble(engine: str, image: str | None, said: str) -> str | None:
    for pattern, text in _EXPLANATIONS.items():
        match = re.search(pattern, said, re.IGNORECASE)
        if match:
            return text.format(engine=engine, image=image, **match.groupdict())
    return None
