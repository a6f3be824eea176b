import json
from pathlib import Path

import pytest
import typer
from support.docker_stand_in import IMAGE, put_on_path
from typer.testing import CliRunner

from trtbench.cli.measure import compare_command
from trtbench.cli.versions import containers_command, diff_command
from trtbench.errors import SpecError

app = typer.Typer(rich_markup_mode=None)
app.command("diff")(diff_command)
app.command("containers")(containers_command)
app.command("compare")(compare_command)
ENVIRONMENTS = ["--env", "local", "--env", "venv:onnxruntime==1.31.1"]


def run(*words):
    return CliRunner().invoke(app, words, catch_exceptions=False)


def test_containers_as_text(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch, trouble="no daemon")
    done = run("containers", "--store", str(tmp_path))
    assert done.exit_code == 0
    assert "the daemon of docker does not answer" in done.stdout
    assert "tensorrt:25.11-py3" in done.stdout


def test_containers_as_json(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch)
    listed = json.loads(run("containers", "--json", "--store", str(tmp_path)).stdout)
    assert listed["engine"] == "docker 28.2.2"
    assert IMAGE in {entry["image"]["image"] for entry in listed["containers"]}


def test_a_dry_run_prints_one_command_a_line(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch)
    lines = run("containers", "--dry-run", "--store", str(tmp_path)).stdout.splitlines()
    assert f"docker pull {IMAGE}" in lines
    probe = [line for line in lines if f"{IMAGE} python3" in line and line.endswith("probe.py")]
    assert len(probe) == 1
    assert probe[0].startswith("docker run --rm")


def test_diff_refuses_what_is_no_engine(tmp_path):
    with pytest.raises(SpecError, match="is missing"):
        run("diff", str(tmp_path / "nothing"), str(Path(__file__)))


def test_diff_tells_a_folder_that_is_no_engine_what_to_name_instead(tmp_path):
    with pytest.raises(SpecError, match=r"no model or engine of a store.*name a folder under .*engines/"):
        run("diff", str(tmp_path), str(tmp_path))


@pytest.mark.parametrize("verb", ["diff", "containers"])
def test_help_has_an_example(verb):
    done = run(verb, "--help")
    assert done.exit_code == 0
    assert f"trtbench {verb}" in done.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["fp32", "--aa", "--runtime", "onnxruntime-cpu"], "--aa and --env exclude each other"),
        (["results/a.json", "--from"], "--from and --env exclude each other"),
        (["fp32", "--runtime", "nonsense"], "runtime 'nonsense': expected one of"),
        (["fp32", "--runtime", "fake"], "runtime fake takes script files"),
        (["fp32", "--runtime", "torch", "--runtime", "torch"], "runtime torch is named more than once"),
        (["fp32", "--runtime", "onnxruntime-cpu", "--backend", "tensorrt"], "--backend has no say"),
        (["fp32", "--rebuilds", "-1"], "--rebuilds -1: expected 0 or more"),
        (["fp32", "--processes", "0"], "--processes 0"),
        (["fp32", "--batch", "1,8"], "--batch 1,8: --env takes one batch and one image size: name one"),
        (["fp32", "--runtime", "onnxruntime-cpu", "--l2", "flushed"], "l2 flushed: runtime onnxruntime-cpu"),
        (
            ["fp32", "--runtime", "onnxruntime-cpu", "--trust"],
            "--trust has no say in runtime onnxruntime-cpu",
        ),
        (["fp32", "--runtime", "onnxruntime-cpu", "--exclusive"], "--exclusive has no say in runtime onnx"),
        (["fp32", "--runtime", "onnxruntime-cpu", "--no-graph"], "--no-graph has no say in runtime onnx"),
        (
            ["fp32", "--runtime", "onnxruntime-cpu", "--rebuilds", "1"],
            "--rebuilds has no say in runtime onnxruntime-cpu, which loads no engine: leave it out",
        ),
        (["fp32", "--env", "remote"], "environment 'remote' is unknown"),
    ],
)
def test_a_wrong_request_with_environments_is_refused_in_one_line(words, reason):
    with pytest.raises(SpecError) as caught:
        run("compare", *words, *ENVIRONMENTS)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
