"""What the README and the page on the command line say about commands and files is true."""

import re
from pathlib import Path

import pytest

from trtbench.cli.app import COMMANDS, load_command
from trtbench.export.passes import GRAPH_PASSES, MODEL_PASSES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("trtbench/cli/*.py")]
EXAMPLES = [
    line.strip().removeprefix("$ ").partition("  #")[0]
    for path in DOCUMENTS
    for line in path.read_text().replace("\\\n", " ").splitlines()
    if re.match(rf"\s*(?:\$ )?(?:uv run )?trtbench (?:{'|'.join(COMMANDS)})\b", line)
]
README = (ROOT / "README.md").read_text()
COMMAND_LINE = README + (ROOT / "docs" / "reference" / "command_line.md").read_text()
SHOWN = re.findall(
    r"^(?:\$ |.*uv run )?trtbench (\w[\w-]*)([^#\n]*)",
    "\n".join(re.findall(r"```\n(.*?)```", COMMAND_LINE, re.S)),
    re.M,
)


def options_of(verb):
    return {option for parameter in load_command(verb).params for option in parameter.opts}


def test_every_command_is_shown():
    assert {verb for verb, _ in SHOWN} == set(COMMANDS)


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 82


@pytest.mark.parametrize(("verb", "arguments"), SHOWN, ids=lambda value: value.strip())
def test_options_in_examples_exist(verb, arguments):
    assert set(re.findall(r"--[\w-]+", arguments)) <= options_of(verb)


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[\w-]+)", README))))
def test_options_in_the_text_exist(option):
    assert any(option in options_of(verb) for verb in ("compare", "export", "build", "verify", "lint"))


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_linked_files_exist(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("path", re.findall(r"`(trtbench/[\w/.]+)`", README))
def test_named_files_exist(path):
    assert (ROOT / path).exists()


def test_ci_runs_the_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text()
    assert "pip install uv" in script
    assert "uv run pytest" in script


def test_every_pass_gives_its_reason():
    modules = {candidate.run.__module__ for candidate in (*MODEL_PASSES, *GRAPH_PASSES)}
    for module in modules:
        assert len(__import__(module, fromlist=["run"]).__doc__.split("\n\n")) > 1, module


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_example_has_a_pattern_that_a_second_variant_fits(example):
    assert "*" not in example
