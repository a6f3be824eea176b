"""What child processes inherit of the environment."""

import pytest

from trtbench.host.processes import child_environment
from trtbench.host.variables import acting_on_times
from trtbench.host.with_parent import PARENT_PID

KEPT = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "XDG_CONFIG_HOME": "/home/me/.config",
    "LD_LIBRARY_PATH": "/opt/tensorrt/lib",
    "PYTHONPATH": "/src",
    "CUDA_VISIBLE_DEVICES": "1",
    "OMP_NUM_THREADS": "4",
    "DOCKER_HOST": "unix:///run/docker.sock",
    "HF_HOME": "/models",
}
LEFT_OUT = {
    "AWS_SECRET_ACCESS_KEY": "x",
    "GITHUB_TOKEN": "x",
    "MY_PATH": "x",
    "BASH_ENV": "x",
    "EDITOR": "vi",
}


def test_a_child_inherits_what_is_on_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {**KEPT, **LEFT_OUT})
    found = child_environment()
    assert {name: found[name] for name in KEPT} == KEPT
    assert found.keys() - KEPT.keys() == {"CUDA_DEVICE_ORDER", PARENT_PID}


def test_those_that_act_on_times_are_known() -> None:
    ours = {"ORT_DISABLE_TELEMETRY": "1", "TORCHINDUCTOR_CACHE_DIR": "x", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    acting = {"LD_PRELOAD": "libtcmalloc.so", "NVIDIA_TF32_OVERRIDE": "0", "CUDNN_LOGLEVEL_DBG": "3"}
    assert acting_on_times({**KEPT, **LEFT_OUT, **ours, **acting}) == {
        "CUDA_VISIBLE_DEVICES": "1",
        "OMP_NUM_THREADS": "4",
        **acting,
    }
