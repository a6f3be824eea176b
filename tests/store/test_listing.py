"""What ``ls``, ``rm`` and ``prune`` find, keep and remove."""

import json
import shutil
from pathlib import Path

import pytest
from support.manifests import onnx_manifest
from support.spec_examples import BUILD, EXPORT

from trtbench.errors import SpecError
from trtbench.progress import silent
from trtbench.results import EngineManifest, OnnxManifest
from trtbench.specs import ExportSpec
from trtbench.store.artifacts import EngineArtifact, OnnxArtifact, Store
from trtbench.store.files import file_record
from trtbench.store.listing import list_store
from trtbench.store.locks import locked
from trtbench.store.removal import prune, remove_named

MODEL_ID, ENGINE_ID = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def add_model(store: Store, spec_id: str = MODEL_ID, content: bytes = b"onnx") -> OnnxArtifact:
    def make(directory: Path) -> OnnxManifest:
        (directory / "model.onnx").write_bytes(content)
        return onnx_manifest(EXPORT, [directory / "model.onnx"], spec_id=spec_id)

    return store.get_or_make(OnnxManifest, "vit", spec_id, make)[0]


def add_engine(
    store: Store, model: OnnxArtifact, export: ExportSpec | None = EXPORT, spec_id: str = ENGINE_ID
) -> EngineArtifact:
    def make(directory: Path) -> EngineManifest:
        (directory / "model.engine").write_bytes(b"engine")
        return EngineManifest(
            spec_id=spec_id,
            spec=BUILD,
            export=export,
            onnx_path=str(model.payload),
            onnx_sha256=model.manifest.files[0].sha256,
            files=(file_record(directory / "model.engine"),),
            backend="tensorrt_rtx",
            backend_version="1.7.1.116",
            activation_bytes=None,
            weight_bytes=None,
            scratch_bytes=None,
            peak_rss_bytes=0,
            tool_versions={},
            created_utc="2026-01-01T00:00:01+00:00",
            build_s=1.0,
        )

    return store.get_or_make(EngineManifest, "vit-sm120", spec_id, make)[0]


def add_failed_log(store: Store, stage: str = "build") -> Path:
    log = store.root / "build.log"
    log.write_text("refused")
    path = Path(store.keep_failed_log(stage, "vit", "a" * 16, log))
    log.unlink()
    return path


def names(store: Store) -> set[str]:
    """All but the locks."""
    files = {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()}
    return {name for name in files if not Path(name).name.startswith(".lock-")}


def test_everything_in_a_store_is_listed(store: Store) -> None:
    add_engine(store, add_model(store))
    log = add_failed_log(store)
    broken = add_model(store, "b" * 16)
    (broken.directory / "manifest.json").write_text("[")
    listing = list_store(store)
    assert [(each.spec_id, each.spec) for each in listing.models] == [(MODEL_ID, EXPORT)]
    assert [(each.spec_id, each.spec, each.export) for each in listing.engines] == [
        (ENGINE_ID, BUILD, EXPORT)
    ]
    assert [(each.name, each.stage, each.size_bytes) for each in listing.failed] == [(log.name, "build", 7)]
    assert [Path(each.path) for each in listing.unreadable] == [broken.directory]
    model = listing.models[0]
    assert model.size_bytes == sum(
        path.stat().st_size for path in (store.root / "models" / model.name).iterdir()
    )


def test_a_store_that_is_not_there_lists_nothing_and_is_not_made(store: Store) -> None:
    listing = list_store(store)
    assert (listing.models, listing.engines, listing.failed, store.root.exists()) == ((), (), (), False)


@pytest.mark.parametrize("how", ["id", "start of the id", "folder", "path"])
def test_a_name_stands_for_one_artifact_and_only_that_is_removed(store: Store, how: str) -> None:
    engine = add_engine(store, add_model(store))
    before = names(store)
    gone = {name for name in before if name.startswith("engines/")}
    name = {
        "id": ENGINE_ID,
        "start of the id": ENGINE_ID[:8],
        "folder": engine.directory.name,
        "path": f"{engine.directory}/",
    }[how]
    removal = remove_named(store, [name])
    assert [(item.what, item.status) for item in removal.items] == [("engine", "removed")]
    assert removal.removed_bytes > 0
    assert names(store) == before - gone


@pytest.mark.parametrize("wrong", ["nothing", "01", "0123"])
def test_a_wrong_name_removes_nothing_that_others_stand_for(store: Store, wrong: str) -> None:
    add_engine(store, add_model(store))
    add_model(store, "0123" + "0" * 12)
    before = names(store)
    with pytest.raises(SpecError, match=wrong):
        remove_named(store, [ENGINE_ID, wrong])
    assert names(store) == before


def test_what_another_process_makes_is_kept(store: Store) -> None:
    model = add_model(store)
    engine = add_engine(store, model)
    before = names(store)
    with locked(engine.directory.parent, ENGINE_ID, "build", silent):
        removal = remove_named(store, [ENGINE_ID, MODEL_ID])
    assert [(item.what, item.status) for item in removal.items] == [("engine", "in use"), ("model", "in use")]
    assert (names(store), removal.removed_bytes, removal.has_kept) == (before, 0, True)


def test_prune_removes_only_what_is_not_needed(store: Store) -> None:
    model = add_model(store)
    add_engine(store, model)
    gone = add_model(store, "b" * 16, b"gone")
    orphan = add_engine(store, gone, spec_id="c" * 16)
    bare = add_engine(store, gone, export=None, spec_id="d" * 16)
    shutil.rmtree(gone.directory)
    needed = names(store) - {
        f"engines/{orphan.directory.name}/{path.name}" for path in orphan.directory.iterdir()
    }
    add_failed_log(store)
    add_failed_log(store, "export")
    left, live = (store.root / "engines" / f".tmp-{owner * 16}-0" for owner in "ef")
    for folder in (left, live):
        folder.mkdir()
        (folder / "model.engine").write_bytes(b"half")
    with locked(store.root / "engines", "f" * 16, "build", silent):
        tried = prune(store, dry_run=True)
        assert (left.exists(), orphan.directory.exists()) == (True, True)
        removal = prune(store)
    assert removal.items == tried.items
    kinds = [(item.what, item.status) for item in removal.items]
    assert sorted(kinds) == [
        ("engine of a model that is gone", "removed"),
        ("log of a failed build", "removed"),
        ("log of a failed export", "removed"),
        ("partial files of a process that ended", "in use"),
        ("partial files of a process that ended", "removed"),
    ]
    assert bare.directory.exists()
    assert names(store) == needed | {f"engines/{live.name}/model.engine"}


def test_an_engine_of_a_store_that_was_moved_is_kept(store: Store, tmp_path: Path) -> None:
    add_engine(store, add_model(store))
    moved = Store(store.root.rename(tmp_path / "moved"))
    assert prune(moved).items == ()


def test_a_damaged_manifest_is_not_pruned(store: Store) -> None:
    engine = add_engine(store, add_model(store))
    manifest = engine.directory / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 99}))
    assert prune(store).items == ()
