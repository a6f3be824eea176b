"""What each combination of extras can do, in a fresh environment, is what ``doctor`` says; minutes.

Run with ``pytest -n 0 -m installs tests/installation``.
"""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from support.installed import COMMANDS, Installed, pip_environment, shell, synced_clone, uv_environment

pytestmark = [pytest.mark.installs, pytest.mark.timeout(1800)]  # pip unpacks 6 GB

EXTRAS = ("export", "gpu", "ort", "rtx")
ALL = [chosen for count in range(len(EXTRAS) + 1) for chosen in combinations(EXTRAS, count)]
MOST_REMEDIES = 4


@pytest.mark.parametrize("extras", ALL, ids=lambda extras: ",".join(extras) or "none")
def test_the_commands_do_what_doctor_says(tmp_path: Path, extras: tuple[str, ...]) -> None:
    installed = uv_environment(tmp_path, extras)
    tasks = installed.tasks()
    exports = {"export", "ort"} <= set(extras)
    assert (tasks["export int8, fp8, mxfp8, nvfp4"] == ()) == exports
    assert (tasks["export fp32, fp16, bf16"] == ()) == ("export" in extras)
    assert (tasks["build, inspect, diff"] == ()) == ("rtx" in extras)
    has_bindings = not {"gpu", "export"}.isdisjoint(extras)  # torch brings them, too
    assert ("cuda-bindings" not in tasks["bench and compare on a GPU"]) == has_bindings
    works = {"export": exports, "build": exports and "rtx" in extras, "compare": exports and "rtx" in extras}
    for name, command in COMMANDS.items():
        ended = installed.trtbench(*command)
        assert (ended.code == 0) == works[name], f"{name}: {ended.err}"
        assert "Traceback" not in ended.err
    assert (tasks["compare, predict, explain, tune"] == ()) == works["compare"]


@pytest.mark.parametrize("make", [lambda folder: uv_environment(folder, ()), pip_environment, synced_clone])
def test_following_the_remedies_makes_the_commands_work(
    tmp_path: Path, make: Callable[[Path], Installed]
) -> None:
    installed = make(tmp_path)
    followed = []
    for command in COMMANDS.values():
        ended = installed.trtbench(*command)
        while ended.code != 0:
            assert len(followed) < MOST_REMEDIES, ended.err
            followed.append(ended.remedy)
            shell(ended.remedy, installed.folder, installed.prefix)
            ended = installed.trtbench(*command)
    assert followed
    assert installed.tasks()["compare, predict, explain, tune"] == ()
