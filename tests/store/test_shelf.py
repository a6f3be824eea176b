"""Artifacts on their way from one store to another."""

from pathlib import Path

import pytest
from support.manifests import engine_manifest, onnx_manifest
from support.spec_examples import BUILD, EXPORT

from trtbench.errors import ArtifactError
from trtbench.results import EngineManifest, OnnxManifest
from trtbench.store.artifacts import Artifact, Store, check_built_here
from trtbench.store.shelf import Packed, Shelf

MODEL_ID, ENGINE_ID = "0" * 16, "e" * 16


@pytest.fixture
def there(tmp_path: Path) -> Store:
    store = Store(tmp_path / "there")
    model = store.get_or_make(OnnxManifest, "vit", MODEL_ID, _make_model)[0]

    def make_engine(folder: Path) -> EngineManifest:
        (folder / "model.engine").write_bytes(b"engine")
        return engine_manifest(BUILD, model.payload, [folder / "model.engine"])

    store.get_or_make(EngineManifest, "vit", ENGINE_ID, make_engine)
    return store


def _make_model(folder: Path) -> OnnxManifest:
    (folder / "model.onnx").write_bytes(b"weights")
    return onnx_manifest(EXPORT, [folder / "model.onnx"])


@pytest.fixture(params=[None, "file", "memory"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param is None:
        return Shelf()
    pytest.importorskip("fsspec")
    return Shelf(f"file://{tmp_path}/shelf" if request.param == "file" else "memory://shelf")


def engine_of(store: Store) -> Artifact[EngineManifest]:
    found = store.find(EngineManifest, "vit", ENGINE_ID)
    assert found is not None
    return found


def moved(shelf: Shelf, there: Store, here: Store) -> Packed:
    packed = shelf.pack(there, engine_of(there).directory)
    shelf.unpack(packed, here)
    return packed


def test_an_engine_is_whole_and_trusted_where_it_arrives(shelf: Shelf, there: Store, tmp_path: Path):
    here = Store(tmp_path / "here")
    moved(shelf, there, here)
    found = engine_of(here)
    assert found.payload.read_bytes() == b"engine"
    check_built_here(found)
    moved(shelf, there, here)  # what is there stays
    assert [path.name for path in (here.root / "engines").glob("[!.]*")] == [found.directory.name]


def test_a_model_travels_like_an_engine(shelf: Shelf, there: Store, tmp_path: Path):
    model = there.find(OnnxManifest, "vit", MODEL_ID)
    assert model is not None
    here = Store(tmp_path / "here")
    shelf.unpack(shelf.pack(there, model.directory), here)
    assert here.find(OnnxManifest, "vit", MODEL_ID) is not None


def test_files_lie_on_the_shelf_once_by_their_content(there: Store, tmp_path: Path):
    pytest.importorskip("fsspec")
    shelf = Shelf(f"file://{tmp_path}/shelf")
    packed = moved(shelf, there, Store(tmp_path / "a"))
    moved(shelf, there, Store(tmp_path / "b"))
    assert sorted(path.name for path in (tmp_path / "shelf").iterdir()) == sorted(packed.files.values())


def test_a_file_that_was_changed_on_the_shelf_is_refused(there: Store, tmp_path: Path):
    pytest.importorskip("fsspec")
    shelf = Shelf(f"file://{tmp_path}/shelf")
    packed = shelf.pack(there, engine_of(there).directory)
    (tmp_path / "shelf" / str(packed.files["model.engine"])).write_bytes(b"another")
    here = Store(tmp_path / "here")
    with pytest.raises(ArtifactError, match="has other content than its name says"):
        shelf.unpack(packed, here)
    assert here.find(EngineManifest, "vit", ENGINE_ID) is None


def test_a_url_that_nothing_serves_is_one_line(there: Store):
    pytest.importorskip("fsspec")
    from trtbench.errors import RuntimeUnavailable

    with pytest.raises(RuntimeUnavailable, match="no-such-protocol://x: "):
        Shelf("no-such-protocol://x").pack(there, engine_of(there).directory)
