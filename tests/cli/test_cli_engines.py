"""Engines with host code, of unknown memory or dynamic shapes, or of other makers, built by doubles."""

import json
import shutil
from pathlib import Path

import pytest
from support.scripted import FAST
from support.tensorrt_machine import (
    Run,
    engine_of,
    install_gpu,
    install_tensorrt,
    install_trtexec,
    trtexec_of,
    write_model,
)
from support.trt_api import VERSIONS

TENSORRT = [version for version in VERSIONS if version.startswith("tensorrt-")]
PROFILE = ["--profile", "x=1x64:8x64:64x64"]
X = {"input": "x", "min_shape": [1, 64], "opt_shape": [8, 64], "max_shape": [64, 64]}


@pytest.fixture(autouse=True)
def model(tmp_path: Path) -> None:
    """``m.onnx`` where the command line runs."""
    write_model(tmp_path / "m.onnx")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install_gpu(monkeypatch)


@pytest.mark.parametrize("backend", ["trtexec", "tensorrt"])
@pytest.mark.parametrize("version", TENSORRT)
def test_trtexec_times_a_version_compatible_engine(
    version: str, backend: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, trtexec_of(version))
    install_tensorrt(monkeypatch, tmp_path, version)
    engine = engine_of(trtbench, "--backend", backend, "--version-compatible")
    code, out, err = trtbench("bench", engine, "--runtime", "trtexec", *FAST, "--json")
    assert code == 0, out + err
    result = json.loads(out)
    assert "--versionCompatible" in result["facts"]["notes"][0]
    assert result["arm"]["options"]["version_compatible"] is True
    (tmp_path / "bare.engine").write_bytes((engine / "model.engine").read_bytes())
    code, out, _ = trtbench("bench", "bare.engine", "--trust", "--runtime", "trtexec", *FAST)
    assert (code, "IRuntime::getEngineHostCodeAllowed() is false" in " ".join(out.split())) == (1, True), out


@pytest.mark.parametrize("backend", ["tensorrt", "trtexec"])
def test_memory_that_the_log_lacks_is_unknown(
    backend: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.14.1.48.post1", tells_memory=False)
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48", tells_memory=False)
    code, out, err = trtbench("build", "m.onnx", "--backend", backend)
    assert code == 0, err
    assert "weights unknown, activations unknown, scratch unknown; the build took" in out
    (engine,) = Path("engines").glob("m-*")
    manifest = json.loads((engine / "manifest.json").read_text())
    assert [manifest[f"{name}_bytes"] for name in ("weight", "activation", "scratch")] == [None] * 3
    code, out, err = trtbench("bench", engine, "--runtime", "trtexec", *FAST)
    assert code == 0, out + err


@pytest.mark.parametrize("version", map(trtexec_of, TENSORRT))
def test_an_engine_with_a_profile_is_timed_at_its_best_shape(
    version: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, version)
    write_model(tmp_path / "m.onnx", batch="batch")
    engine = engine_of(trtbench, "--backend", "trtexec", *PROFILE)
    code, out, err = trtbench("bench", engine, "--runtime", "trtexec", *FAST, "--json")
    assert code == 0, out + err
    result = json.loads(out)
    assert "--shapes=x:8x64" in result["facts"]["notes"][0]
    assert (result["facts"]["inputs"][0]["shape"], result["batch"]) == ([8, 64], 8)
    assert result["images_per_s"] == pytest.approx(8 * 1000 / 5.25)


@pytest.mark.parametrize("version", TENSORRT)
def test_tensorrt_builds_with_profiles(
    version: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_tensorrt(monkeypatch, tmp_path, version)
    write_model(tmp_path / "m.onnx", batch="batch")
    second = ["--profile", "x=64x64:64x64:128x64"]
    code, out, err = trtbench("build", "m.onnx", "--backend", "tensorrt", *PROFILE, *second, "--json")
    assert code == 0, err
    profiles = json.loads(out)["spec"]["options"]["profiles"]
    assert profiles == [[X], [{**X, "min_shape": [64, 64], "opt_shape": [64, 64], "max_shape": [128, 64]}]]


@pytest.mark.parametrize("backend", ["tensorrt", "trtexec", "tensorrt_rtx"])
def test_a_dynamic_model_needs_a_profile_and_a_static_one_takes_none(
    backend: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.16.1.11")
    write_model(tmp_path / "d.onnx", batch="batch")
    words = {
        ("d.onnx",): f"give their shapes by trtbench build {tmp_path}/d.onnx --profile x=1x64:8x64:64x64",
        ("m.onnx", *PROFILE): "--profile has no effect on m.onnx, which has no dynamic input; remove it",
        ("d.onnx", "--profile", "x=8x64:1x64:64x64"): "no dimension of x may fall from MIN to OPT",
        ("d.onnx", "--profile", "z=1x64:8x64:64x64"): "d.onnx has no input z, only x",
        ("d.onnx", "--profile", "8"): "--profile 8: expected NAME=MIN:OPT:MAX",
    }
    for arguments, expected in words.items():
        code, out, err = trtbench("build", *arguments, "--backend", backend)
        assert (code, out, len(err.splitlines())) == (2, "", 1), err
        assert expected in err
    assert not Path("engines").exists()


def test_a_dynamic_model_is_built_before_it_is_timed(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    write_model(tmp_path / "d.onnx", batch="batch")
    code, out, err = trtbench("bench", "d.onnx", "--runtime", "trtexec", *FAST)
    assert (code, out) == (2, ""), err
    assert "give their shapes by trtbench build" in err
    for verb in ("bench", "compare"):
        code, _, err = trtbench(verb, "d.onnx", "--runtime", "trtexec", *PROFILE)
        assert (code, "No such option" in err) == (2, True), err


@pytest.mark.parametrize("how", ["bare file", "another user's", "copied into the store", "changed"])
def test_an_engine_of_another_maker_is_loaded_on_trust_only(
    how: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    foreign = foreign_engine(how, trtbench, monkeypatch)
    arguments = ["bench", foreign, "--runtime", "trtexec", *FAST]
    code, out, err = trtbench(*arguments)
    assert (code, out, len(err.splitlines())) == (1, "", 1), err
    assert f"{foreign}: you did not build this engine" in err
    assert "--trust" in err
    assert not list(Path("results").glob("*")), "nothing was started"
    code, _, err = trtbench(*arguments, "--trust")
    assert code == 0, err


def foreign_engine(how: str, trtbench: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine that the user did not build, or not like this."""
    if how == "bare file":
        Path("x.engine").write_bytes(b"an engine")
        return Path("x.engine")
    mine = engine_of(trtbench, "--backend", "trtexec")
    if how == "changed":
        manifest = mine / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"weight_bytes": ', '"weight_bytes": 1'))
        return mine
    with monkeypatch.context() as their:
        their.setenv("XDG_CONFIG_HOME", str(Path("their-home").absolute()))
        built = trtbench("build", "m.onnx", "--backend", "trtexec", "--tiling", "full", "--store", "theirs")
    assert built[0] == 0
    (theirs,) = Path("theirs/engines").glob("m-*")
    if how == "another user's":
        return theirs
    return Path(shutil.copytree(theirs, Path("engines") / theirs.name))


def test_an_engine_whose_bytes_do_not_match_its_manifest_is_never_loaded(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    engine = engine_of(trtbench, "--backend", "trtexec")
    content = bytearray((engine / "model.engine").read_bytes())
    content[0] ^= 1
    (engine / "model.engine").write_bytes(content)
    for trust in ([], ["--trust"]):
        code, out, err = trtbench("bench", engine, "--runtime", "trtexec", *FAST, *trust)
        assert (code, out) == (1, "")
        assert "model.engine: sha256" in err
