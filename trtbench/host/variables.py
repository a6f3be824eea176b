"""Variables of the environment: which a child process inherits, and which of them can act on times."""

import os
from collections.abc import Mapping

_ACTING = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD"),
    *("CUDA_", "CUBLAS", "CUDNN_", "NVIDIA_", "TORCH", "PYTORCH_", "TRITON_", "ORT_", "TRT_", "TENSORRT_"),
)
"""How the names begin of those that libraries read which run models."""
_INHERITED = (
    *_ACTING,
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
    *("PYTHON", "VIRTUAL_ENV", "CONDA_", "XDG_", "SSL_CERT_", "HF_", "TRANSFORMERS_", "TRTBENCH_"),
    *("DOCKER_", "CONTAINER", "DBUS_SESSION_BUS_ADDRESS", "SUDO_UID"),  # of docker and podman
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
_OURS = ("CUDA_DEVICE_ORDER", "ORT_DISABLE_TELEMETRY", "TORCHINDUCTOR_CACHE_DIR")
"""Set by trtbench itself."""


def inherited() -> dict[str, str]:
    """What a child process gets of this one's environment: what it needs, and what is known to act on it."""
    return {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}


def acting_on_times(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of an environment that can act on times, by name; such as ``OMP_NUM_THREADS``."""
    found = {name: value for name, value in environment.items() if name.startswith(_ACTING)}
    return {name: found[name] for name in sorted(found.keys() - set(_OURS))}
