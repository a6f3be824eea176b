"""The example workflows for GitHub Actions: their form, and their scripts as a runner would run them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.scripted import FAST, write_script

import trtbench as tb
from trtbench.cli.app import load_command

CI = Path(__file__).parents[2] / "docs" / "ci"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in sorted(CI.glob("*.yml"))}
STEPS = [
    (name, step)
    for name, workflow in WORKFLOWS.items()
    for job in workflow["jobs"].values()
    for step in job["steps"]
]
SCRIPTS = [(name, step["name"], step["run"]) for name, step in STEPS if "run" in step]
TINY = "--model vit_tiny_patch16_224 --set depth=1 --set img_size=32 --batch 2"


def script_of(file: str, name: str) -> str:
    (script,) = [script for of, step, script in SCRIPTS if (of, step) == (file, name)]
    return str(script)


def commands_of(file: str, script: str) -> list[list[str]]:
    """The trtbench commands of a script, with the variables of its workflow."""
    for name, value in WORKFLOWS[file]["env"].items():
        script = script.replace(f"${name}", str(value))
    gates = re.findall(r"gate\+?=\((.*)\)", script)
    script = script.replace('"${gate[@]}"', " ".join(gates)).replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^\s*(trtbench .*)$", script, re.MULTILINE)]


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_each_says_when_and_may_do_little(workflow):
    triggers = workflow[True]  # the key "on", as YAML 1.1 reads it
    assert "pull_request_target" not in triggers
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        self_hosted = "self-hosted" in job["runs-on"]
        assert not (self_hosted and "pull_request" in triggers), "code of strangers on one's own machine"


@pytest.mark.parametrize(("file", "name", "script"), SCRIPTS, ids=lambda value: str(value)[:20])
def test_scripts_are_bash_and_their_commands_exist(file, name, script):
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    assert "${{" not in script, "values of others belong into env, where no shell runs them"
    for _, verb, *arguments in commands_of(file, script):
        load_command(verb).make_context(verb, arguments)


def test_every_workflow_has_commands():
    assert {file for file, _, script in SCRIPTS if commands_of(file, script)} == set(WORKFLOWS)


@pytest.fixture
def shell(tmp_path):
    """Run a script as a runner does: bash -e, in one folder, with trtbench on the path."""
    program = tmp_path / "bin" / "trtbench"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'from trtbench.cli.app import main; main()' \"$@\"\n"
    )
    program.chmod(0o755)

    def run(script, **variables):
        environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", **variables}
        return subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, env=environment, text=True, capture_output=True
        )

    return run


def test_a_pull_request_is_gated_on_the_main_branch(shell, tmp_path):
    script = script_of("compare.yml", "Compare")
    first = shell(script, MODEL=TINY, RECIPES="fp16")
    assert first.returncode == 0, first.stderr
    assert shell(script_of("compare.yml", "Make it the baseline")).returncode == 0
    later = shell(script, MODEL=TINY, RECIPES="fp16 fp16+sparse")
    assert later.returncode == 0, later.stderr
    assert "Against the baseline main.json" in (tmp_path / "result.md").read_text()
    same, new = tb.load(tmp_path / "result.json").changes.rows
    assert (same.status, same.deciding.verdict, same.kernels.rises) == ("compared", "SAME", False)
    assert (new.key, new.status) == ("fp16+sparse", "new")


def test_times_of_every_night_make_a_history(shell, tmp_path):
    script = script_of("measure.yml", "Compare with the last accepted times")
    timing = " ".join(["--runtime", "fake", *FAST])
    times = tmp_path / "times"
    for night, median_ms in enumerate((1.5, 1.5, 3.0)):
        write_script(tmp_path, "arm", median_ms)
        named = script.replace("$(date", f"{night}$(date")
        done = shell(named, MODEL="", RECIPES="arm.json", TIMING=timing, TIMES=str(times))
        assert done.returncode == (3 if median_ms > 2 else 0), done.stderr
    assert (times / "accepted" / "main.json").exists()
    assert "measured" in (tmp_path / "result.md").read_text()
    summary = tmp_path / "summary.md"
    done = shell(
        script_of("measure.yml", "Summary of all results"), TIMES=str(times), GITHUB_STEP_SUMMARY=str(summary)
    )
    assert done.returncode == 0, done.stderr
    (series,) = tb.history(times).series
    assert [point.change is not None for point in series.points] == [False, False, True]
    assert summary.read_text().startswith("history; evidence: measured\n")
