"""The environment of the default image, without the image; minutes, and the packages from an index."""

from pathlib import Path

import pytest
from support.dockerfile import default_extras, make_environment
from support.installed import COMMANDS, Installed


@pytest.mark.installs
@pytest.mark.timeout(1800)
def test_the_three_commands_work_in_the_default_image(tmp_path: Path) -> None:
    installed = Installed(make_environment(tmp_path, default_extras()), tmp_path)
    for name, command in COMMANDS.items():
        ended = installed.trtbench(*command)
        assert ended.code == 0, f"{name}: {ended.err}"
    tasks = installed.tasks()
    assert {name: lacks for name, lacks in tasks.items() if lacks} in (
        {},
        {"bench and compare on a GPU": ("GPU",)},
    )
