import shlex
import sys
from pathlib import Path

import pytest

from trtbench.artifacts import Store
from trtbench.environments import parse_environment, parse_environments, prepare
from trtbench.environments.cache import cache_root, get_or_make_folder
from trtbench.environments.venv import _mismatch, venv_commands, venv_id
from trtbench.errors import ArtifactError, RuntimeUnavailable, SpecError
from trtbench.results.environments import Contents


@pytest.mark.parametrize(
    "word",
    [
        "local",
        "venv:tensorrt-rtx==1.6.1.120",
        "docker:nvcr.io/nvidia/tensorrt:25.11-py3",
        "docker:registry.example:5000/team/image@sha256:" + 64 * "a",
        "docker:ubuntu",
    ],
)
def test_a_word_and_its_environment(word):
    assert str(parse_environment(word)) == word


def test_other_spellings_of_the_package_are_the_same_environment():
    spec = parse_environment("venv:tensorrt-rtx==1.6.1.120")
    assert parse_environment(" venv:tensorrt_rtx == 1.6.1.120 ") == spec
    assert parse_environment("venv:TensorRT-RTX==1.6.1.120") == spec


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("remote", "'remote' is unknown"),
        ("local:here", "'local:here' is unknown"),
        ("", "'' is unknown"),
        ("venv:", "is no requirement"),
        ("venv:tensorrt-rtx", "one exact version"),
        ("venv:tensorrt-rtx>=1.5", "one exact version"),
        ("venv:tensorrt-rtx==1.5.0.114,!=1.6", "one exact version"),
        ("venv:tensorrt-rtx==1.5.*", "without a star"),
        ("venv:tensorrt-rtx[lean]==1.5.0.114", "no extras"),
        ("venv:tensorrt-rtx==1.5.0.114; python_version > '3'", "no extras"),
        ("venv:torch==2.8.0", "not torch"),
        ("venv:tensorrt-rtx @ https://example.org/a.whl", "no extras, markers or addresses"),
        ("docker:", "no name of a container image"),
        ("docker:two words", "no name of a container image"),
        ("docker:--privileged", "no name of a container image"),
    ],
)
def test_a_wrong_word_is_refused_in_one_line(word, reason):
    with pytest.raises(SpecError, match="environment") as caught:
        parse_environment(word)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_environment_is_named_once():
    with pytest.raises(SpecError, match=r"venv:tensorrt-rtx==1\.5\.0\.114 is named more than once"):
        parse_environments(["venv:tensorrt-rtx==1.5.0.114", "local", "venv:tensorrt_rtx==1.5.0.114"])
    assert [str(spec) for spec in parse_environments(["local", "docker:a"])] == ["local", "docker:a"]


def test_here_is_this_python(tmp_path):
    ready = prepare(parse_environment("local"), Store(tmp_path))
    assert ready.python == (sys.executable,)
    assert ready.contents.python == ".".join(map(str, sys.version_info[:3]))
    assert ready.findings == ()


def test_the_commands_that_make_a_venv():
    commands = venv_commands(Path("/cache/venvs/abc"), parse_environment("venv:tensorrt-rtx==1.6.1.120"))
    assert [shlex.join(command) for command in commands] == [
        f"uv --directory /cache/venvs venv --quiet --relocatable --python {sys.executable} /cache/venvs/abc",
        "uv --directory /cache/venvs pip install --quiet --python /cache/venvs/abc/bin/python "
        "tensorrt-rtx==1.6.1.120",
    ]


def test_another_version_is_another_venv():
    ids = {venv_id(parse_environment(f"venv:tensorrt-rtx=={v}")) for v in ("1.5.0.114", "1.6.1.120")}
    assert len(ids) == 2


def test_another_version_than_asked_for_is_a_finding():
    spec = parse_environment("venv:tensorrt-rtx==1.6.1.120")
    found = Contents(
        python="3.11.7", tensorrt_rtx="1.7.1.116", tensorrt=None, targets=(), cuda=None, problem=None
    )
    (finding,) = _mismatch(spec, found)
    assert finding.code == "ENVIRONMENT_MISMATCH"
    assert "1.6.1.120 was asked for" in finding.message
    assert "1.7.1.116 answers" in finding.message
    assert _mismatch(spec, found.model_copy(update={"tensorrt_rtx": "1.6.1.120"})) == ()


def test_without_uv_the_reason_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(RuntimeUnavailable, match="uv is not on PATH"):
        prepare(parse_environment("venv:tensorrt-rtx==1.6.1.120"), Store(tmp_path))


def test_a_failed_installation_leaves_nothing_behind(tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\n"
        "if 'venv' in sys.argv: pathlib.Path(sys.argv[-1]).mkdir()\n"
        "else: sys.exit('no such version')\n"
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(RuntimeUnavailable, match="uv pip failed: no such version"):
        prepare(parse_environment("venv:tensorrt-rtx==0.0.1"), Store(tmp_path))
    assert [path.name for path in (cache_root() / "venvs").iterdir() if path.is_dir()] == []


def test_a_folder_is_made_once_and_leftovers_are_removed(tmp_path):
    folder = tmp_path / "things" / "one"
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / ".tmp-one-0123").mkdir()
    made = []

    def make(work: Path) -> None:
        made.append(work)
        work.mkdir()
        (work / "file").write_text("content")

    for _ in range(2):
        assert get_or_make_folder(folder, make, print) == folder
    assert len(made) == 1
    assert sorted(path.name for path in folder.parent.iterdir()) == [".lock-one", "one"]


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ArtifactError, match="XDG_CACHE_HOME"):
        get_or_make_folder(tmp_path / "file" / "one", Path.mkdir, print)
