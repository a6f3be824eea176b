import shlex
import sys
from pathlib import Path

import pytest
from support.docker_stand_in import IMAGE, put_on_path

from trtbench.environments import parse_environment, parse_environments, prepare
from trtbench.environments.cache import cache_root, get_or_make_folder
from trtbench.environments.prepared import Container, Prepared
from trtbench.environments.venv import _mismatch, requirements_of, venv_commands, venv_folder
from trtbench.environments.wheel import Wheel
from trtbench.errors import ArtifactError, RuntimeUnavailable, SpecError
from trtbench.host.installation import package_command
from trtbench.results.environments import Contents
from trtbench.store.artifacts import Store


@pytest.mark.parametrize(
    "word",
    [
        "local",
        "venv:tensorrt-rtx==1.6.1.120",
        "venv:onnxruntime==1.31.1",
        "docker:nvcr.io/nvidia/tensorrt:25.11-py3",
        "docker:registry.example:5000/team/image@sha256:" + 64 * "a",
        "docker:registry.example:5000/team/image:1.2@sha256:" + 64 * "a",
        "docker:localhost:5000/x/y:1.2",
        "docker:ubuntu:22.04",
        "docker:ubuntu:22",
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
        ("venv:", "is not a package requirement"),
        ("venv:tensorrt-rtx", "one exact version"),
        ("venv:tensorrt-rtx>=1.5", "one exact version"),
        ("venv:tensorrt-rtx==1.5.0.114,!=1.6", "one exact version"),
        ("venv:tensorrt-rtx==1.5.*", "without a star"),
        ("venv:tensorrt-rtx[lean]==1.5.0.114", "no extras"),
        ("venv:tensorrt-rtx==1.5.0.114; python_version > '3'", "no extras"),
        ("venv:torch==2.8.0", "not for torch"),
        ("venv:onnxruntime", "one exact version"),
        ("venv:tensorrt-rtx @ https://example.org/a.whl", "no extras, markers or addresses"),
        ("docker:", "not the name of a container image"),
        ("docker:two words", "not the name of a container image"),
        ("docker:--privileged", "not the name of a container image"),
        ("docker:nvcr.io/nvidia/tensorrt", "names no tag and no digest"),
        ("docker:localhost:5000/x/y", "names no tag and no digest"),
        ("docker:ubuntu", "names no tag and no digest"),
        ("docker:ubuntu@sha256:0123", "not the name of a container image"),
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
    assert [str(spec) for spec in parse_environments(["local", "docker:a:1"])] == ["local", "docker:a:1"]


def test_here_is_this_python(tmp_path):
    ready = prepare(parse_environment("local"), Store(tmp_path))
    assert ready.python == (sys.executable,)
    assert ready.contents.python == ".".join(map(str, sys.version_info[:3]))
    assert ready.findings == ()


@pytest.mark.parametrize(
    ("module", "problem"), [("tensorrt_rtx", "problem"), ("tensorrt", "tensorrt_problem")]
)
def test_a_compiler_that_does_not_load_is_reported_with_its_reason(tmp_path, monkeypatch, module, problem):
    reason = "libnvinfer.so.10: cannot open shared object file: No such file or directory"
    (tmp_path / f"{module}.py").write_text(f"raise ImportError({reason!r})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    contents = prepare(parse_environment("local"), Store(tmp_path)).contents
    assert getattr(contents, module) is None
    assert getattr(contents, problem) == reason


WHEEL = Wheel(Path("/wheels/trtbench-0.1.0-py3-none-any.whl"), 64 * "a")


def shell(word, wheel=None):
    commands = venv_commands(Path("/cache/venvs/abc"), requirements_of(parse_environment(word), wheel))
    return [shlex.join(command) for command in commands]


def test_the_commands_that_make_a_venv():
    assert shell("venv:tensorrt-rtx==1.6.1.120") == [
        f"uv --directory /cache/venvs venv --quiet --relocatable --python {sys.executable} /cache/venvs/abc",
        "uv --directory /cache/venvs pip install --quiet --python /cache/venvs/abc/bin/python "
        "tensorrt-rtx==1.6.1.120",
    ]


def test_a_venv_to_time_in_has_trtbench_too():
    install = shell("venv:onnxruntime==1.31.1", WHEEL)[1]
    assert install.endswith("'/wheels/trtbench-0.1.0-py3-none-any.whl[gpu]' onnxruntime==1.31.1")


def test_another_content_is_another_venv():
    rtx = [parse_environment(f"venv:tensorrt-rtx=={version}") for version in ("1.5.0.114", "1.6.1.120")]
    other = Wheel(WHEEL.path, 64 * "b")
    folders = {venv_folder(spec, wheel) for spec in rtx for wheel in (None, WHEEL, other)}
    assert len(folders) == 6


FOUND = Contents(
    python="3.11.7", tensorrt_rtx="1.7.1.116", tensorrt=None, targets=(), cuda=None, problem=None
)


@pytest.mark.parametrize(
    ("word", "found", "answers"),
    [
        ("venv:tensorrt-rtx==1.6.1.120", {}, "tensorrt-rtx 1.7.1.116"),
        ("venv:onnxruntime==1.31.1", {"onnxruntime": "1.22.1"}, "onnxruntime 1.22.1"),
        ("venv:onnxruntime==1.31.1", {}, "onnxruntime that does not load"),
    ],
)
def test_another_version_than_asked_for_is_a_finding(word, found, answers):
    contents = FOUND.model_copy(update=found)
    (finding,) = _mismatch(parse_environment(word), contents, Path("/cache/venvs/abc"))
    assert finding.code == "ENVIRONMENT_MISMATCH"
    assert finding.message == f"{word} was asked for, and {answers} answers in it"


@pytest.mark.parametrize("word", ["venv:tensorrt-rtx==1.7.1.116", "venv:onnxruntime==1.31.1"])
def test_the_version_that_was_asked_for_is_no_finding(word):
    contents = FOUND.model_copy(update={"onnxruntime": "1.31.1"})
    assert _mismatch(parse_environment(word), contents, Path("/cache")) == ()


def test_contents_of_older_results_are_read():
    newer = {"onnxruntime", "onnxruntime_problem", "tensorrt_problem"}
    old = {name: value for name, value in FOUND.model_dump().items() if name not in newer}
    assert Contents.model_validate(old) == FOUND


def test_each_process_has_a_container_of_its_own():
    container = Container(engine="docker", image="ubuntu:24.04", name="trtbench-0")
    python = ("docker", "run", "--name", "trtbench-0", "ubuntu:24.04", "python3")
    spec = parse_environment("docker:ubuntu:24.04")
    ready = Prepared(spec=spec, python=python, container=container, contents=FOUND)
    one, two = ready.for_another_process(), ready.for_another_process()
    assert len({each.container.name for each in (ready, one, two)}) == 3
    assert one.python == (*python[:3], one.container.name, *python[4:])
    assert one.container.stop == ("docker", "kill", one.container.name)
    assert one.identity == ready.identity
    here = Prepared(spec=parse_environment("local"), python=("python",), contents=FOUND)
    assert here.for_another_process() == here


@pytest.mark.parametrize("word", ["venv:tensorrt-rtx==1.6.1.120", f"docker:{IMAGE}"])
@pytest.mark.parametrize("timed", [False, True])
def test_without_uv_the_reason_is_given(tmp_path, monkeypatch, word, timed):
    journal = put_on_path(tmp_path / "bin", monkeypatch)
    (tmp_path / "bin" / "uv").unlink()
    with pytest.raises(RuntimeUnavailable) as caught:
        prepare(parse_environment(word), Store(tmp_path), timed=timed)
    remedy = package_command("uv")
    assert str(caught.value) == f"{word}: uv is not on PATH, and makes this environment: {remedy}"
    assert not journal.exists() or "run" not in journal.read_text().split()


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


def test_a_cache_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ArtifactError, match="XDG_CACHE_HOME"):
        get_or_make_folder(tmp_path / "file" / "one", Path.mkdir, print)
