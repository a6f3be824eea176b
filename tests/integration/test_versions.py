"""Environments with the real compiler: another version in a venv of uv's, and a stand-in for docker.

Installing TensorRT-RTX 1.5.0.114 takes the network, and uv.
"""

import dataclasses
import json
from pathlib import Path

import pytest
import typer
from docker_stand_in import IMAGE, put_on_path

from trtbench.artifacts import Artifact, Store, load_artifact
from trtbench.build import build
from trtbench.build.compiler import compiler_of
from trtbench.cli_options import BuildOptions, ModelOptions, NetworkOptions, OutputOptions
from trtbench.cli_versions import compare_in_environments
from trtbench.diff import diff_engines
from trtbench.environments import parse_environment, parse_environments, prepare
from trtbench.errors import BuildError, IncompatibleResults, RuntimeUnavailable, SpecError
from trtbench.export import export
from trtbench.results.environments import Contents
from trtbench.results.versions import VersionComparison
from trtbench.specs import BuildSpec
from trtbench.specs_from_options import export_specs
from trtbench.versions import compare_environments

OLD = "venv:tensorrt-rtx==1.5.0.114"
BROKEN = "venv:tensorrt-rtx==0.0.0.1"
TINY = ModelOptions(model="vit_tiny_patch16_224", overrides=["depth=1"], batch=8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _use_cache(cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="module")
def comparison(store, cache):
    """A tiny ViT in FP16 in 1.5.0.114, in the version that is installed here, and in a broken environment."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        return compare_environments(
            export_specs(["fp16"], TINY),
            BuildSpec(),
            parse_environments([OLD, "local", BROKEN]),
            store,
            lambda name, step: None,
        )


def test_each_environment_has_its_version(comparison):
    old, here, broken = comparison.environments
    assert old.contents is not None, old.reason
    assert old.contents.tensorrt_rtx == "1.5.0.114"
    assert here.contents.tensorrt_rtx != "1.5.0.114"
    assert old.findings == here.findings == ()
    assert broken.contents is None
    assert "tensorrt-rtx==0.0.0.1" in broken.reason


def test_one_file_through_both_versions(comparison):
    old, here, broken = comparison.rows
    assert [row.status for row in comparison.rows] == ["ok", "ok", "failed"], [
        r.reason for r in comparison.rows
    ]
    assert old.onnx_sha256 == here.onnx_sha256 == broken.onnx_sha256
    assert old.engine.backend_version == "1.5.0.114"
    assert old.engine.sha256 != here.engine.sha256
    assert old.compiled.gemm_kernels == here.compiled.gemm_kernels == 5
    assert old.compiled.weight_bytes > 0
    assert broken.reason == comparison.environments[2].reason


def test_the_manifest_has_the_version_of_the_environment(comparison):
    manifest = json.loads((Path(comparison.rows[0].engine.path).parent / "manifest.json").read_text())
    assert manifest["backend_version"] == "1.5.0.114"
    assert manifest["tool_versions"]["tensorrt_rtx"] == "1.5.0.114"
    assert 50e6 < manifest["peak_rss_bytes"] < 2e9


def test_engines_of_two_networks_are_refused(comparison):
    engine = load_artifact(Path(comparison.rows[0].engine.path))
    model = engine.manifest.export.model.model_copy(update={"overrides": (("depth", 2),)})
    other = engine.manifest.model_copy(
        update={"export": engine.manifest.export.model_copy(update={"model": model})}
    )
    with pytest.raises(IncompatibleResults, match=r"vit_tiny_patch16_224 \{'depth': 2\}: diff takes"):
        diff_engines(engine, Artifact(engine.directory, other))


def test_the_command_reuses_what_is_there(comparison, store, capsys):
    network = NetworkOptions(model=TINY.model, overrides=TINY.overrides)
    output = OutputOptions(store=store.root, json=True)
    compare_in_environments(["fp16"], [OLD, "local"], network, BuildOptions(), str(TINY.batch), output)
    printed = VersionComparison.model_validate_json(capsys.readouterr().out)
    assert printed.rows == comparison.rows[:2]
    assert printed.differences == comparison.differences


def test_the_command_fails_with_a_row(comparison, store, capsys):
    network = NetworkOptions(model=TINY.model, overrides=TINY.overrides)
    output = OutputOptions(store=store.root)
    with pytest.raises(typer.Exit) as caught:
        compare_in_environments(["fp16"], ["local", BROKEN], network, BuildOptions(), "8", output)
    assert caught.value.exit_code == 1
    assert "tensorrt-rtx==0.0.0.1" in capsys.readouterr().out


def test_the_command_takes_one_batch(store):
    with pytest.raises(SpecError, match="name one"):
        compare_in_environments(
            ["fp16"], [OLD, "local"], NetworkOptions(), BuildOptions(), "1,8", OutputOptions(store=store.root)
        )


def test_the_difference_is_explained(comparison):
    (difference,) = comparison.differences
    diff = difference.diff
    assert (diff.before.backend_version, difference.after) == ("1.5.0.114", "local")
    assert diff.before.onnx_sha256 == diff.after.onnx_sha256
    assert sum(change.kernels for change in diff.changes) == diff.after.kernels - diff.before.kernels
    assert sum(change.bytes for change in diff.changes) == diff.after.bytes - diff.before.bytes
    # 1.5 spends two kernels more a block between the GEMM of Q, K and V and attention.
    changed = [change for change in diff.changes if change.kind != "same"]
    assert [(change.place, change.kernels) for change in changed] == [("qkv", -2)]


@pytest.fixture
def container(tmp_path, monkeypatch, store):
    put_on_path(tmp_path / "bin", monkeypatch)
    return prepare(parse_environment(f"docker:{IMAGE}"), store)


def test_a_build_in_a_container_is_an_engine_of_its_image(container, store, tmp_path):
    onnx, _ = export(export_specs(["fp16"], TINY)[0], store)
    engine, made = build(onnx, BuildSpec(), store, environment=container)
    assert made
    assert engine.manifest.tool_versions["image"] == container.image_digest
    runs = [
        line for line in (tmp_path / "bin" / "journal.txt").read_text().splitlines() if "child.py" in line
    ]
    assert len(runs) == 1
    assert f"--volume {store.root.resolve()}:{store.root.resolve()}" in runs[0]
    here, _ = build(onnx, BuildSpec(), store)
    assert here.manifest.backend_version == engine.manifest.backend_version
    assert here.manifest.spec_id != engine.manifest.spec_id


def test_a_build_that_is_stopped_stops_its_container(container, store, tmp_path):
    onnx, _ = export(export_specs(["fp16"], dataclasses.replace(TINY, batch=2))[0], store)
    with pytest.raises(BuildError, match="stopped after"):
        build(onnx, BuildSpec(timeout_s=0.05), store, environment=container)
    assert (tmp_path / "bin" / "journal.txt").read_text().splitlines()[-1] == f"kill {container.stop[2]}"


def test_a_limit_on_memory_that_cannot_be_kept_is_refused(container):
    with pytest.raises(SpecError, match="--memory-limit-gb cannot be kept in docker:"):
        compiler_of(container, BuildSpec(memory_limit_bytes=10**9))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"tensorrt": "10.14.1.48"}, "there is TensorRT 10.14.1.48"),
        ({"problem": "libcuda.so.1: cannot open"}, "cannot be imported there: libcuda"),
        ({}, "install tensorrt-rtx there"),
    ],
)
def test_an_environment_without_tensorrt_rtx_is_refused(container, found, words):
    nothing = {"tensorrt_rtx": None, "tensorrt": None, "targets": (), "cuda": None, "problem": None}
    contents = Contents(python="3.12.3", **{**nothing, **found})
    with pytest.raises(RuntimeUnavailable, match="has no TensorRT-RTX") as caught:
        compiler_of(container.model_copy(update={"contents": contents}), BuildSpec())
    assert words in str(caught.value)


def test_a_damaged_venv_is_made_again(store):
    spec = parse_environment(OLD)
    first = prepare(spec, store)
    Path(first.python[0]).unlink()
    steps = []
    again = prepare(spec, store, steps.append)
    assert again == first
    assert any(step.startswith("make it again") for step in steps)


def test_one_environment_is_nothing_to_compare(store):
    with pytest.raises(SpecError, match="two environments"):
        compare_environments(
            export_specs(["fp16"], TINY), BuildSpec(), parse_environments(["local"]), store, lambda a, b: None
        )
