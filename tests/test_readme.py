"""What the README says about options and files is true."""

import re
from pathlib import Path

import pytest

from trtbench.cli.app import load_command
from trtbench.export.passes import GRAPH_PASSES, MODEL_PASSES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def options_of(verb):
    return {option for parameter in load_command(verb).params for option in parameter.opts}


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 82


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[\w-]+)", README))))
def test_options_in_the_text_exist(option):
    assert any(option in options_of(verb) for verb in ("compare", "export", "build", "verify", "lint"))


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_linked_files_exist(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("path", re.findall(r"`(trtbench/[\w/.]+)`", README))
def test_named_files_exist(path):
    assert (ROOT / path).exists()


def test_every_pass_gives_its_reason():
    modules = {candidate.run.__module__ for candidate in (*MODEL_PASSES, *GRAPH_PASSES)}
    for module in modules:
        assert len(__import__(module, fromlist=["run"]).__doc__.split("\n\n")) > 1, module
