"""Packed engines: what is in the zip file, what stays here, and what an interruption leaves."""

import errno
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from support.manifests import engine_manifest, onnx_manifest
from support.tensorrt_machine import write_model

from trtbench.errors import ArtifactError, SpecError
from trtbench.pack import pack
from trtbench.pack.private import without_folders
from trtbench.results import EngineManifest, OnnxManifest, Pack
from trtbench.specs import BuildSpec, CalibrationSpec, CheckpointSpec, ExportSpec, ModelSpec
from trtbench.store.artifacts import Artifact, EngineArtifact, Store, check_built_here, load_artifact

PROPERTIES = {
    "preprocessing": json.dumps(
        {
            "input_size": [3, 32, 48],
            "mean": [0.5, 0.4, 0.3],
            "std": [0.2, 0.2, 0.1],
            "interpolation": "bicubic",
            "crop_pct": 0.9,
            "crop_mode": "center",
        }
    ),
    "class_names": '["cat", "dog"]',
}


def write_exported(path: Path) -> Path:
    """A model with the properties that the export writes."""
    model = onnx.load(write_model(path))
    model.producer_name = "trtbench"
    onnx.helper.set_model_props(model, PROPERTIES)
    onnx.save(model, path)
    return path


def make_engine(store: Store, onnx_path: Path, export: ExportSpec | None) -> EngineArtifact:
    def make(directory: Path) -> EngineManifest:
        (directory / "model.engine").write_bytes(b"plan")
        (directory / "build.log").write_text(f"Input filename: {onnx_path}\n")
        (directory / "layers.json").write_text("{}")
        files = [directory / name for name in ("model.engine", "build.log", "layers.json")]
        command = ("/home/me/python", str(onnx_path))
        return engine_manifest(
            BuildSpec(targets=("sm120",)), onnx_path, files, export=export, command=command
        )

    return store.get_or_make(EngineManifest, "vit-sm120", "e" * 16, make)[0]


@pytest.fixture
def engine(tmp_path: Path) -> EngineArtifact:
    """Of an exported model with weights and images of a user's."""
    private = tmp_path / "home" / "me"
    spec = ExportSpec(
        model=ModelSpec(checkpoint=CheckpointSpec(path=str(private / "best.pt"), sha256="0" * 64)),
        recipe="nvfp4",
        batch=4,
        calibration=CalibrationSpec(directory=str(private / "photos")),
    )
    store = Store(private / "store")

    def export(directory: Path) -> OnnxManifest:
        (directory / "export.log").write_text(f"{private}: a warning")
        files = [write_exported(directory / "model.onnx"), directory / "export.log"]
        notes = (f"checkpoint {private / 'best.pt'}: the averaged weights are taken",)
        return onnx_manifest(spec, files, spec_id="a" * 16, notes=notes)

    onnx_artifact, _ = store.get_or_make(OnnxManifest, "vit-nvfp4-b4", "a" * 16, export)
    return make_engine(store, onnx_artifact.payload.absolute(), spec)


def unpacked(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    (only,) = folder.iterdir()
    return only


def test_no_path_of_this_machine_is_in_it(engine: EngineArtifact, tmp_path: Path) -> None:
    pack(engine, tmp_path / "vit.zip")
    with zipfile.ZipFile(tmp_path / "vit.zip") as archive:
        for name in archive.namelist():
            assert str(tmp_path).encode() not in archive.read(name), name
            assert b"/home/me" not in archive.read(name), name
        names = {name.rpartition("/")[2] for name in archive.namelist()}
    assert names == {
        *("README.md", "pack.json", "classes.txt", "manifest.json"),
        *("model.onnx", "model.engine", "build.log", "layers.json"),
    }


def test_it_is_a_store_whose_engine_finds_its_model(engine: EngineArtifact, tmp_path: Path) -> None:
    packed = pack(engine, tmp_path / "vit.zip")
    root = unpacked(tmp_path / "vit.zip", tmp_path / "elsewhere")
    (tmp_path / "home").rename(tmp_path / "gone")
    again = load_artifact(root / Path(packed.engine.name).parent)
    assert isinstance(again.manifest, EngineManifest)
    found = Artifact(again.directory, again.manifest)
    assert load_artifact(root / packed.onnx.name).manifest.spec_id == "a" * 16
    with pytest.raises(ArtifactError, match="you did not build this engine"):
        check_built_here(found)
    assert pack(found, tmp_path / "vit.zip") == packed


def test_what_one_must_know_is_said_twice(engine: EngineArtifact, tmp_path: Path) -> None:
    packed = pack(engine, tmp_path / "vit.zip")
    root = unpacked(tmp_path / "vit.zip", tmp_path / "elsewhere")
    assert Pack.model_validate_json((root / "pack.json").read_bytes()) == packed
    assert (packed.weights, packed.class_names) == ("best.pt", ("cat", "dog"))
    assert (root / "classes.txt").read_text() == "cat\ndog\n"
    readme = (root / "README.md").read_text()
    for words in (
        "vit_base_patch16_224 as nvfp4, batch 4, weights: best.pt.",
        "1. Resize to cover 35 x 53 pixels, height x width, without changing the ratio (bicubic).",
        "3. RGB, channels first",
        "2. Crop 32 x 48 (center).",
        "Subtract the mean (0.5, 0.4, 0.3), divide by the standard deviation (0.2, 0.2, 0.1).",
        "by `tensorrt-rtx` 1.7.1.116",
        f'open("{packed.engine.name}", "rb")',
        "--trust",
    ):
        assert words in readme


def test_a_model_of_another_exporter_has_no_preprocessing(tmp_path: Path) -> None:
    model = write_model(tmp_path / "own.onnx")
    packed = pack(make_engine(Store(tmp_path / "store"), model, None), tmp_path / "own.zip")
    assert (packed.model, packed.preprocessing, packed.class_names) == (None, None, ())
    assert packed.onnx.name == "models/own/own.onnx"
    root = unpacked(tmp_path / "own.zip", tmp_path / "elsewhere")
    model.unlink()
    again = load_artifact(root / Path(packed.engine.name).parent)
    assert isinstance(again.manifest, EngineManifest)
    assert pack(Artifact(again.directory, again.manifest), tmp_path / "own.zip") == packed
    assert "not known" in (root / "README.md").read_text()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_interruption_leaves_the_older_file(
    engine: EngineArtifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "vit.zip"
    path.write_text("older")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises((ArtifactError, KeyboardInterrupt)):
        pack(engine, path)
    assert path.read_text() == "older"
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["vit.zip"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (lambda folder: folder, "a directory; name the file"),
        (lambda folder: folder / "no" / "a.zip", "no is not a directory"),
    ],
)
def test_where_no_file_can_be_is_refused(
    engine: EngineArtifact, tmp_path: Path, name: Callable[[Path], Path], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        pack(engine, name(tmp_path))


def test_the_longest_folder_is_cut_first() -> None:
    text = "/home/me/store/models/a.onnx /home/me/best.pt /home/mean.txt"
    folders = [Path("/home/me"), Path("/home/me/store")]
    assert without_folders(text, folders) == "models/a.onnx best.pt /home/mean.txt"
