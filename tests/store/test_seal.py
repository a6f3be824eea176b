"""Engines that a store built, and engines that it did not."""

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest
from test_artifacts import SPEC_ID, write_engine, write_model

from trtbench.errors import ArtifactError
from trtbench.progress import Step
from trtbench.results import EngineManifest, OnnxManifest
from trtbench.store.artifacts import EngineArtifact, Store
from trtbench.store.seal import sealed, unsealed


def built(store: Store, spec_id: str = SPEC_ID) -> EngineArtifact:
    def make(directory: Path) -> EngineManifest:
        return write_engine(directory).model_copy(update={"spec_id": spec_id})

    return store.get_or_make(EngineManifest, "vit", spec_id, make)[0]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "mine")


def test_a_store_knows_what_it_built(store: Store) -> None:
    for spec_id in ("0" * 16, "1" * 16):
        store.check_built_here(built(store, spec_id))


def test_it_still_knows_after_a_restart(store: Store) -> None:
    engine = built(store)
    found = Store(store.root).find(EngineManifest, "vit", SPEC_ID)
    assert found is not None
    assert found.directory == engine.directory
    Store(store.root).check_built_here(found)


def test_an_engine_without_its_seal_is_built_again(store: Store) -> None:
    engine = built(store)
    (engine.directory / "seal").unlink()
    assert Store(store.root).find(EngineManifest, "vit", SPEC_ID) is None
    steps: list[Step] = []
    again, is_new = store.get_or_make(EngineManifest, "vit", SPEC_ID, write_engine, steps.append)
    assert is_new
    assert steps == [Step("build", f"make it again: {engine.directory}: this store did not build it")]
    store.check_built_here(again)


def test_an_engine_of_another_store_is_not_its_own(store: Store, tmp_path: Path) -> None:
    built(store, "0" * 16)
    foreign = built(Store(tmp_path / "theirs"), "1" * 16)
    copy = store.root / "engines" / foreign.directory.name
    shutil.copytree(foreign.directory, copy)
    with pytest.raises(ArtifactError, match=r"did not build this engine.*--trust"):
        store.check_built_here(EngineArtifact(copy, foreign.manifest))


def test_an_engine_in_a_store_that_never_built_is_not_its_own(store: Store, tmp_path: Path) -> None:
    foreign = built(Store(tmp_path / "theirs"))
    with pytest.raises(ArtifactError, match="--trust"):
        store.check_built_here(foreign)


def test_a_changed_manifest_breaks_the_seal(store: Store) -> None:
    engine = built(store)
    path = engine.directory / "manifest.json"
    path.write_text(path.read_text().replace('"build_s": 1.0', '"build_s": 2.0'))
    with pytest.raises(ArtifactError, match="--trust"):
        store.check_built_here(engine)


def test_a_seal_of_one_engine_does_not_fit_another(store: Store) -> None:
    first, second = built(store, "0" * 16), built(store, "1" * 16)
    shutil.copy(first.directory / "seal", second.directory / "seal")
    with pytest.raises(ArtifactError, match="--trust"):
        store.check_built_here(second)


def test_a_copy_of_the_whole_store_knows_its_engines(store: Store, tmp_path: Path) -> None:
    engine = built(store)
    shutil.copytree(store.root, tmp_path / "copy")
    copy = tmp_path / "copy" / "engines" / engine.directory.name
    Store(tmp_path / "copy").check_built_here(EngineArtifact(copy, engine.manifest))


def test_the_secret_is_for_its_user_alone(store: Store) -> None:
    built(store)
    assert stat.S_IMODE((store.root / "engines" / ".key").stat().st_mode) == 0o600
    assert [path.name for path in (store.root / "engines").glob(".key*")] == [".key"]


def test_an_unreadable_secret_is_reported_before_anything_is_built(store: Store) -> None:
    def fail(directory: Path) -> EngineManifest:
        raise AssertionError(f"built in {directory}")

    (store.root / "engines" / ".key").mkdir(parents=True)
    with pytest.raises(ArtifactError, match=r"engines/\.key: the secret .* cannot be read: .*--store"):
        store.get_or_make(EngineManifest, "vit", SPEC_ID, fail)


def test_what_was_compiled_from_an_engine_is_known_by_its_seal(store: Store, tmp_path: Path) -> None:
    engines, other = store.root / "engines", tmp_path / "theirs" / "engines"
    built(store)
    built(Store(other.parent))
    data = sealed(engines, "engine", b"kernels")
    assert unsealed(engines, "engine", data) == b"kernels"
    assert unsealed(engines, "another engine", data) is None
    assert unsealed(other, "engine", data) is None
    assert unsealed(engines, "engine", data[:-1]) is None
    assert unsealed(tmp_path, "engine", data) is None


class TestTheSecretOfAnotherUser:
    """Injected, since root reads every file."""

    @pytest.fixture
    def engine(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> EngineArtifact:
        engine = built(store)
        read_bytes = Path.read_bytes

        def refuse(path: Path) -> bytes:
            if path.name == ".key":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return read_bytes(path)

        monkeypatch.setattr(Path, "read_bytes", refuse)
        return engine

    @pytest.mark.parametrize("spec_id", [SPEC_ID, "1" * 16])
    def test_nothing_is_built_that_could_not_be_sealed(
        self, store: Store, engine: EngineArtifact, spec_id: str
    ) -> None:
        def fail(directory: Path) -> EngineManifest:
            raise AssertionError(f"built in {directory}")

        with pytest.raises(ArtifactError) as caught:
            store.get_or_make(EngineManifest, "vit", spec_id, fail)
        assert str(caught.value) == (
            f"{store.root}/engines/.key: the secret that this store seals its engines with belongs to "
            "another user and cannot be read: choose a store of your own with --store"
        )
        assert (engine.directory / "seal").is_file()

    def test_an_engine_is_refused_with_the_reason(self, store: Store, engine: EngineArtifact) -> None:
        with pytest.raises(ArtifactError, match=r"belongs to another user.*--store; or use --trust"):
            store.check_built_here(engine)

    def test_what_was_compiled_from_it_has_no_seal(self, store: Store, engine: EngineArtifact) -> None:
        assert unsealed(engine.directory.parent, "engine", 64 * b"0") is None
        with pytest.raises(ArtifactError, match="belongs to another user"):
            sealed(engine.directory.parent, "engine", b"kernels")

    def test_models_need_no_secret(self, store: Store, engine: EngineArtifact) -> None:
        model, _ = store.get_or_make(OnnxManifest, "vit", SPEC_ID, write_model)
        assert store.find(OnnxManifest, "vit", SPEC_ID) == model
