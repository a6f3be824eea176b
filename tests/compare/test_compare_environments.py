"""Environments in one grid: what one cannot do is its row alone, what none can do is a wrong request."""

import pytest
from support.grids import grid_of, install_exports, install_places, place
from support.tensorrt_machine import install_gpu, install_tensorrt, install_trtexec

from trtbench.compare import compare
from trtbench.errors import Code, SpecError
from trtbench.specs import BuilderOptions, BuildRequest
from trtbench.store.artifacts import Store

TENSORRT = "10.14.1.48"
TACTICS = BuilderOptions(tactic_table=True)


@pytest.fixture
def exported(monkeypatch, tmp_path):
    return install_exports(monkeypatch, tmp_path)


@pytest.fixture
def run(monkeypatch, tmp_path, exported):
    install_gpu(monkeypatch)
    install_trtexec(monkeypatch, tmp_path, TENSORRT)
    install_tensorrt(monkeypatch, tmp_path, f"tensorrt-{TENSORRT}.post1")

    def compared(*places, **fields):
        install_places(monkeypatch, *places)
        grid = grid_of("fp16", environments=tuple(each.spec for each in places), **fields)
        return compare(grid, Store(tmp_path / "store"))

    return compared


def rtx(version):
    return place(f"venv:tensorrt-rtx=={version}", tensorrt_rtx=version, targets=("sm120",))


@pytest.fixture
def not_here(monkeypatch):
    monkeypatch.setattr("trtbench.compare.timing.why_not_timed", lambda targets: "not now")


def test_an_engine_of_trtexec_is_timed_by_trtexec(run):
    request = BuildRequest(backend="trtexec", targets=("sm120",))
    here, container = run(place("local"), place(tensorrt=TENSORRT), build=request).rows
    assert (here.status, here.runtime, here.reason) == ("ok", "trtexec", None)
    assert here.measured.facts.runtime_version == f"TensorRT {TENSORRT}"
    assert (container.status, container.measured, container.code) == ("failed", None, Code.SPEC_ERROR)
    assert "--backend trtexec builds locally, not in docker:" in container.reason


def test_a_compiler_without_an_option_is_a_row(run, not_here):
    places = (rtx("1.5.0.114"), place(tensorrt=f"{TENSORRT}.post1"))
    first, container = run(*places, build=BuildRequest(options=TACTICS)).rows
    assert (first.status, first.reason.startswith("--tactic-table: TensorRT-RTX times")) == ("failed", True)
    assert (container.status, container.reason) == ("ok", None)
    assert container.engine.backend_version == f"{TENSORRT}.post1"


def test_engines_that_are_not_timed_are_built_once(run, not_here, tmp_path):
    version = {"tensorrt": f"{TENSORRT}.post1"}
    places = (place(**version), place("docker:nvcr.io/nvidia/pytorch:25.11-py3", **version))
    result = run(*places, build=BuildRequest(backend="tensorrt"), rebuilds=1)
    assert ([row.status for row in result.rows], result.not_timed) == (["ok", "ok"], "not now")
    assert not list((tmp_path / "store" / "engines").glob("*-rebuild1-*"))


def test_an_option_that_no_compiler_has_is_refused_before_any_export(run, exported):
    with pytest.raises(SpecError, match=r"^--tactic-table: TensorRT-RTX times no tactics"):
        run(rtx("1.5.0.114"), rtx("1.7.1.116"), build=BuildRequest(options=TACTICS))
    assert exported.seen == []


def test_rows_that_have_all_failed_before_an_export_need_none(run, exported):
    result = run(rtx("1.5.0.114"), rtx("1.7.1.116"), build=BuildRequest(backend="tensorrt"))
    assert exported.seen == []
    assert [(row.status, row.onnx, row.measured) for row in result.rows] == [("failed", None, None)] * 2
    assert {row.code for row in result.rows} == {Code.RUNTIME_UNAVAILABLE}
    assert all("has no TensorRT: there is TensorRT-RTX 1." in row.reason for row in result.rows)


def test_a_wrong_request_to_one_and_a_lack_of_the_other_need_no_export(run, exported):
    request = BuildRequest(backend="tensorrt", memory_limit_bytes=1)
    container, venv = run(place(tensorrt=TENSORRT), rtx("1.7.1.116"), build=request).rows
    assert exported.seen == []
    assert container.reason.startswith("--memory-limit-gb cannot be enforced in docker:")
    assert "has no TensorRT" in venv.reason


def test_every_environment_is_compared_with_the_first(run, not_here):
    version = {"tensorrt": f"{TENSORRT}.post1"}
    places = (place(**version), place("docker:nvcr.io/nvidia/pytorch:25.11-py3", **version))
    result = run(*places, build=BuildRequest(backend="tensorrt"))
    first, second = (row.key for row in result.rows)
    assert (first, second) == (
        "fp16 in docker:nvcr.io/nvidia/tensorrt:25.11-py3",
        "fp16 in docker:nvcr.io/nvidia/pytorch:25.11-py3",
    )
    assert [(each.before, each.after) for each in result.differences] == [(first, second)]
    assert [record.environment for record in result.environments] == [row.environment for row in result.rows]
