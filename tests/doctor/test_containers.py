import json
import re
import shlex
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from support.docker_stand_in import DIGEST, IMAGE, TROUBLES, put_on_path, user

import trtbench
from trtbench.doctor.containers import list_containers
from trtbench.environments import parse_environment, prepare
from trtbench.environments.catalogue import expectation_of, read_catalogue
from trtbench.environments.container import ContainerEngine, _fill
from trtbench.environments.prepared import Container
from trtbench.environments.wheel import Wheel
from trtbench.errors import ArtifactError, RuntimeUnavailable, SpecError
from trtbench.host.commands import Outcome
from trtbench.measure.process import WORKER
from trtbench.progress import silent
from trtbench.report.text.containers import render_containers
from trtbench.results.environments import Contents
from trtbench.store.artifacts import Store

SPEC = parse_environment(f"docker:{IMAGE}")
GOLDEN = Path(__file__).parents[1] / "golden" / "versions"


def ready(tmp_path, monkeypatch, trouble=None, name="docker"):
    journal = put_on_path(tmp_path / "bin", monkeypatch, trouble, name)
    return prepare(SPEC, Store(tmp_path / "store")), journal.read_text().splitlines()


def without_places(text, tmp_path):
    """The command without what differs from machine to machine."""
    package = str(Path(trtbench.__file__).resolve().parent)
    text = text.replace(str(tmp_path), "/TMP").replace(package, "/REPO/trtbench").replace(user(), "UID:GID")
    text = text.replace(str(Path(package).parent), "/REPO")
    text = re.sub(r"[^ :=]*/trtbench-wheel-\w+", "/WHEEL", re.sub(r"\b[0-9a-f]{16}\b", "HASH", text))
    text = re.sub(r"\.tmp-HASH-[0-9a-f]{8}", ".tmp-HASH", text)
    return re.sub(r"trtbench-[0-9a-f]{8}\b", "trtbench-NAME", text)


def test_a_container_is_asked_what_is_in_it(tmp_path, monkeypatch):
    prepared, _ = ready(tmp_path, monkeypatch)
    assert prepared.image_digest == DIGEST
    assert prepared.contents.python
    assert (prepared.contents.tensorrt_rtx is not None) == (find_spec("tensorrt_rtx") is not None)
    assert prepared.container.stop[:2] == ("docker", "kill")
    assert prepared.container.stop[2] in prepared.python


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_the_command_in_front_of_a_script(tmp_path, monkeypatch, name):
    prepared, _ = ready(tmp_path, monkeypatch, name=name)
    text = without_places(shlex.join(prepared.python), tmp_path)
    assert text + "\n" == (GOLDEN / f"{name}_run.txt").read_text()


def test_trtbench_is_installed_once_for_an_image(tmp_path, monkeypatch):
    _, first = ready(tmp_path, monkeypatch)
    prepare(SPEC, Store(tmp_path / "store"))
    installations = [line for line in first if "pip install" in line]
    assert without_places(installations[0], tmp_path) + "\n" == (GOLDEN / "docker_install.txt").read_text()
    assert len(installations) == 1
    journal = (tmp_path / "bin" / "journal.txt").read_text()
    assert journal.count("pip install") == 1


def test_an_installation_that_does_not_end_is_ended(tmp_path, monkeypatch):
    journal = put_on_path(tmp_path / "bin", monkeypatch)
    monkeypatch.setattr("trtbench.environments.container._INSTALL_TIMEOUT_S", 0.0)
    container = Container(engine="docker", image=IMAGE, name="trtbench-0")
    wheel = Wheel(tmp_path / "a.whl", 64 * "a")
    with pytest.raises(RuntimeUnavailable, match=r"^docker run: no answer within"):
        _fill(tmp_path / "packages", ContainerEngine("docker", "28.2.2"), container, wheel, None, silent)
    assert journal.read_text().splitlines()[-1] == "kill trtbench-0"


def test_a_probe_that_does_not_answer_is_ended(tmp_path, monkeypatch):
    journal = put_on_path(tmp_path / "bin", monkeypatch)
    monkeypatch.setattr("trtbench.environments.contents._TIMEOUT_S", 0.0)
    with pytest.raises(RuntimeUnavailable, match=r"^docker run: no answer within"):
        prepare(parse_environment(f"docker:{IMAGE}"), Store(tmp_path / "store"))
    assert journal.read_text().splitlines()[-1].startswith("kill trtbench-")


def test_other_contents_than_expected_are_a_finding(tmp_path, monkeypatch):
    prepared, _ = ready(tmp_path, monkeypatch)
    (finding,) = prepared.findings
    assert finding.code == "ENVIRONMENT_MISMATCH"
    assert "TensorRT none (expected ==10.14.1.*" in finding.message


@pytest.mark.parametrize(
    ("name", "trouble", "words"),
    [
        ("docker", "no daemon", "the daemon of docker does not answer: sudo systemctl start docker"),
        (
            "docker",
            "no daemon, docker 29",
            "the daemon of docker does not answer: sudo systemctl start docker",
        ),
        ("docker", "no right", 'docker may not be used by this user: sudo usermod -aG docker "$USER"'),
        ("docker", "no right, docker 29", "docker may not be used by this user: sudo usermod -aG docker"),
        ("docker", "no image", f"the image is not on this machine: docker pull {IMAGE}"),
        ("docker", "no toolkit", "install nvidia-container-toolkit and restart docker"),
        ("docker", "no toolkit, docker 29", "install nvidia-container-toolkit and restart docker"),
        ("podman", "no CDI, podman", "then sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"),
        ("podman", "no CDI, podman 3", "this podman hands out no GPUs by CDI: install 4.1 or later"),
        ("docker", "old driver", "is too old for the image, which needs cuda>=13.0: update the driver"),
        ("docker", "no driver", "no NVIDIA driver works on this machine"),
        ("docker", "busy GPU", "the GPU is busy: another process has exclusive use of it"),
        ("docker", "unheard of", "docker says: the moon is in the wrong phase"),
    ],
)
def test_each_trouble_is_one_clear_line(tmp_path, monkeypatch, name, trouble, words):
    with pytest.raises(RuntimeUnavailable) as caught:
        ready(tmp_path, monkeypatch, trouble, name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_trouble_of_the_stand_in_is_tried():
    marks = test_each_trouble_is_one_clear_line.pytestmark[0].args[1]
    while_it_times = {"no image to run", "no process"}
    assert {trouble for _, trouble, _ in marks} == set(TROUBLES) - while_it_times


@pytest.mark.parametrize(
    "trailer", ["Run 'docker run --help' for more information", "See 'docker run --help'.", ""]
)
def test_a_hint_at_the_help_is_no_reason(trailer):
    said = f"docker: Error response from daemon: the moon is full.\n\n{trailer}\n"
    assert Outcome(125, "", said).last_line == "docker: Error response from daemon: the moon is full."
    assert Outcome(125, "", f"{trailer}\n").last_line == (trailer or "exit code 125 and no output")


def test_no_docker_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeUnavailable, match="no docker or podman on PATH"):
        prepare(SPEC, Store(tmp_path))


def test_podman_does_where_docker_has_no_daemon(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch, name="podman")
    podman = (tmp_path / "bin" / "podman").read_text()
    put_on_path(tmp_path / "bin", monkeypatch, trouble="no daemon")
    (tmp_path / "bin" / "podman").write_text(podman)
    assert prepare(SPEC, Store(tmp_path / "store")).python[0] == "podman"


def test_the_list_shows_what_is_here(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch)
    listed = list_containers(tmp_path)
    assert listed.engine == "docker 28.2.2"
    assert len(listed.containers) == len(list((Path(__file__).parents[2] / "containers").glob("*.yaml")))
    assert {entry.digest for entry in listed.containers} == {DIGEST}
    assert all(entry.commands == () for entry in listed.containers)


def test_a_narrow_table_has_every_version_whole(tmp_path):
    listed = list_containers(tmp_path)
    console = Console(file=StringIO(), width=80)
    render_containers(listed, console)
    words = console.file.getvalue().replace(",", " ").split()
    for entry in listed.containers:
        for expected in (entry.image.tensorrt, entry.image.cuda):
            assert set(expected.version.replace("==", "").split(",")) <= set(words)
    assert "…" not in console.file.getvalue()


def test_only_the_images_that_are_asked_for_oldest_first(tmp_path):
    tags = [entry.image.image for entry in list_containers(tmp_path, ["26.06", "25.11-py3"]).containers]
    assert tags == ["nvcr.io/nvidia/tensorrt:25.11-py3", "nvcr.io/nvidia/tensorrt:26.06-py3"]


def test_an_unknown_tag_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(
        SpecError, match=re.escape("container 25.13: no known image has that tag: ")
    ) as caught:
        list_containers(tmp_path, ["25.13"])
    assert "25.12, 26.01" in str(caught.value)


def test_the_list_without_docker_has_the_reason(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch, trouble="no daemon")
    listed = list_containers(tmp_path)
    assert listed.engine is None
    assert "daemon of docker does not answer" in listed.problem
    assert {entry.digest for entry in listed.containers} == {None}


@pytest.mark.parametrize("tag", ["25.06", "25.11", "26.06"])
def test_a_dry_run_gives_every_command(tmp_path, monkeypatch, tag):
    put_on_path(tmp_path / "bin", monkeypatch)
    commands = dry_run(tmp_path, tag)
    text = without_places("\n".join(commands), tmp_path)
    assert text + "\n" == (GOLDEN / f"dry_run_{tag}.txt").read_text()


def dry_run(tmp_path, tag):
    (entry,) = list_containers(tmp_path / "store", [tag], dry_run=True).containers
    return entry.commands


@pytest.mark.parametrize("tag", ["25.06", "25.11", "26.06"])
def test_the_commands_of_a_dry_run_are_those_that_are_run(tmp_path, monkeypatch, tag):
    put_on_path(tmp_path / "bin", monkeypatch)
    *_, build, worker, trtexec_build, trtexec_bench = map(shlex.split, dry_run(tmp_path, tag))
    job = json.loads(build[-1])
    weakly_typed_by_default = tag != "26.06"
    assert job["module"] == "tensorrt"
    assert ("STRONGLY_TYPED" in job["network_flags"]) == weakly_typed_by_default
    assert Path(build[-2]).samefile(Path(trtbench.__file__).parent / "build" / "child.py")
    assert tuple(worker[-2:]) == WORKER
    golden = (GOLDEN.parent / "trtexec" / f"{tag}.sh").read_text().split("\n\n")
    known = {part.splitlines()[0]: set(re.findall(r"--\w+", part)) for part in golden}
    of_trtexec = [
        set(re.findall(r" (--\w+)", " ".join(words[words.index("trtexec") :])))
        for words in (trtexec_build, trtexec_bench)
    ]
    assert of_trtexec == [known["# build plain"], known["# bench graph"]]


def test_every_image_has_a_dry_run(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch)
    listed = list_containers(tmp_path / "store", dry_run=True)
    assert {len(entry.commands) for entry in listed.containers} == {9}


def test_a_store_behind_a_link_is_mounted_by_both_names(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    python = prepare(SPEC, Store(tmp_path / "link")).python
    for name in ("link", "real"):
        assert f"type=bind,source={tmp_path}/{name},target={tmp_path}/{name}" in python


def test_a_store_with_a_colon_is_mounted(tmp_path, monkeypatch):
    put_on_path(tmp_path / "bin", monkeypatch)
    python = prepare(SPEC, Store(tmp_path / "at 10:30")).python
    assert f"type=bind,source={tmp_path}/at 10:30,target={tmp_path}/at 10:30" in python


@pytest.mark.parametrize("name", ["a,readonly", 'a"b', "a\nb"])
def test_a_store_that_cannot_be_mounted_is_reported_in_one_line(tmp_path, monkeypatch, name):
    put_on_path(tmp_path / "bin", monkeypatch)
    with pytest.raises(RuntimeUnavailable, match="cannot be mounted") as caught:
        prepare(SPEC, Store(tmp_path / name))
    assert repr(f"{tmp_path}/{name}") in str(caught.value)
    assert "\n" not in str(caught.value)


# Table 3 of the release notes of CUDA 13.3: the driver that comes with each CUDA, for Linux on x86_64.
DRIVER_OF_CUDA = {
    "12.8.0": "570.26",
    "12.8.1": "570.124.06",
    "12.9.0": "575.51.03",
    "12.9.1": "575.57.08",
    "13.0": "580.65.06",
    "13.0.1": "580.82.07",
    "13.0.2": "580.95.05",
    "13.1.0": "590.44.01",
    "13.1.1": "590.48.01",
    "13.2.0": "595.45.04",
    "13.2.1": "595.58.03",
    "13.3": "610.43.02",
    "13.3.1": "610.43.02",
}
# Table 1 of "Minor Version Compatibility" in NVIDIA's CUDA Compatibility.
OLDEST_DRIVER_OF_CUDA = {"12": 525, "13": 580}
FIRST_DRIVER_FOR_BLACKWELL = 570


@pytest.mark.parametrize("image", read_catalogue(), ids=lambda image: image.image[-9:-4])
def test_the_driver_of_an_image_is_that_of_its_cuda(image):
    cuda = image.cuda.oldest
    if "<" in image.cuda.version:
        assert image.driver is None
    else:
        assert image.driver == DRIVER_OF_CUDA[cuda]
    floor = OLDEST_DRIVER_OF_CUDA[cuda.partition(".")[0]]
    assert image.driver_oldest == str(max(floor, FIRST_DRIVER_FOR_BLACKWELL))
    assert bool(image.driver_source) == bool(image.driver)
    assert image.driver_oldest_source


# CUDA_VERSION of NVIDIA's monthly images: release notes of Triton 25.01, 25.03, 25.06, 25.08 and 25.10, else
# of its vLLM images (docs/introduction/compatibility.md in github.com/triton-inference-server/server).
CUDA_OF_TAG = {
    "25.01": "12.8.0.038",
    "25.03": "12.8.1.012",
    "25.04": "12.9.0.036",
    "25.05": "12.9.0.043",
    "25.06": "12.9.1.010",
    "25.08": "13.0.0.044",
    "25.09": "13.0.1.012",
    "25.10": "13.0.2.006",
    "25.11": "13.0.2.006",
    "25.12": "13.1.0.036",
    "26.01": "13.1.1.006",
    "26.02": "13.1.1.006",
    "26.03": "13.2.0.046",
    "26.04": "13.2.1.009",
    "26.05": "13.2.1.009",
    "26.06": "13.3.0.035",
    "26.08": "13.4.1.012",
}


def findings_of(tag, tensorrt, cuda, tensorrt_problem=None):
    contents = Contents(
        python="3.12.3",
        tensorrt_rtx=None,
        tensorrt=tensorrt,
        targets=(),
        cuda=cuda,
        problem=None,
        tensorrt_problem=tensorrt_problem,
    )
    return expectation_of(f"nvcr.io/nvidia/tensorrt:{tag}-py3", contents)


@pytest.mark.parametrize(("tag", "cuda"), CUDA_OF_TAG.items())
def test_an_image_as_nvidia_made_it_is_no_finding(tag, cuda):
    of_tag = {entry.image: entry for entry in read_catalogue()}
    tensorrt = of_tag[f"nvcr.io/nvidia/tensorrt:{tag}-py3"].tensorrt.oldest
    assert findings_of(tag, tensorrt, cuda) == ()


@pytest.mark.parametrize(
    ("tensorrt", "cuda", "words"),
    [
        ("10.14.1.48", "13.0.1.012", "holds CUDA 13.0.1.012 (expected ==13.0.2.*"),
        ("10.14.1.48", "13.0.20.006", "holds CUDA 13.0.20.006 (expected"),
        ("10.14.1.48", None, "holds CUDA none (expected"),
        ("10.13.3.9", "13.0.2.006", "holds TensorRT 10.13.3.9 (expected ==10.14.1.*"),
    ],
)
def test_an_image_with_another_version_is_a_finding(tensorrt, cuda, words):
    (finding,) = findings_of("25.11", tensorrt, cuda)
    assert finding.code == "ENVIRONMENT_MISMATCH"
    assert words in finding.message


def test_a_tensorrt_that_does_not_load_is_reported_as_such():
    (finding,) = findings_of("25.11", None, "13.0.2.006", "libnvinfer.so.10: cannot open shared object file")
    assert "holds TensorRT that does not load (libnvinfer.so.10: cannot open" in finding.message


def test_images_are_known_by_their_tag():
    catalogue = read_catalogue()
    tags = [entry.image.removeprefix("nvcr.io/nvidia/tensorrt:") for entry in catalogue]
    assert tags == sorted(tags)
    assert {"25.11-py3", "26.08-py3"} <= set(tags)
    assert all(entry.source and entry.tensorrt.known for entry in catalogue)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tensorrt", {"version": "10.14", "known": "good"}, "is not a range of versions"),
        ("cuda", {"version": "==13.0.2", "known": "good"}, "'==13.0.2' names fewer than four parts"),
        ("cuda", {"version": "==13.0.*"}, "field cuda.known"),
        ("driver_floor", "580", "field driver_floor"),
    ],
)
def test_a_wrong_description_is_refused_with_its_field(tmp_path, field, value, words):
    entry = yaml.safe_load((Path(__file__).parents[2] / "containers" / "25.11.yaml").read_text())
    (tmp_path / "x.yaml").write_text(yaml.safe_dump({**entry, field: value}))
    with pytest.raises(ArtifactError, match=re.escape(words)):
        read_catalogue(tmp_path)
