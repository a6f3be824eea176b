"""Engines that a user built, and engines that are passed off as such."""

import hmac
import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from test_artifacts import SPEC_ID, write_engine, write_model

from trtbench.errors import ArtifactError
from trtbench.progress import Step
from trtbench.results import EngineManifest, OnnxManifest
from trtbench.store import artifacts
from trtbench.store.artifacts import EngineArtifact, Store, check_built_here, load_artifact
from trtbench.store.key import key_path
from trtbench.store.seal import sealed, unsealed

THEIR_KEY = 32 * b"k"


def built(store: Store, spec_id: str = SPEC_ID) -> EngineArtifact:
    def make(directory: Path) -> EngineManifest:
        return write_engine(directory).model_copy(update={"spec_id": spec_id})

    return store.get_or_make(EngineManifest, "vit", spec_id, make)[0]


def fail_if_built(directory: Path) -> EngineManifest:
    raise AssertionError(f"built in {directory}")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "mine")


@pytest.fixture
def as_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[[], object]], None]:
    """Does something as a user with another key would."""

    def run(act: Callable[[], object]) -> None:
        with monkeypatch.context() as their:
            their.setenv("XDG_CONFIG_HOME", str(tmp_path / "theirs"))
            act()

    return run


def test_a_user_knows_what_he_built_in_any_store(store: Store, tmp_path: Path) -> None:
    engine = built(store, "0" * 16)
    check_built_here(engine)
    check_built_here(built(Store(tmp_path / "another"), "1" * 16))
    assert Store(store.root).find(EngineManifest, "vit", "0" * 16) == engine
    shutil.copytree(store.root, tmp_path / "copy")
    found = Store(tmp_path / "copy").find(EngineManifest, "vit", "0" * 16)
    assert found is not None
    check_built_here(found)


def test_no_key_is_in_the_store(store: Store) -> None:
    built(store)
    key = key_path().read_bytes()
    for path in (path for path in store.root.rglob("*") if path.is_file()):
        assert key not in path.read_bytes(), path


def test_an_engine_without_its_seal_is_built_again(store: Store) -> None:
    engine = built(store)
    (engine.directory / "seal").unlink()
    assert store.find(EngineManifest, "vit", SPEC_ID) is None
    steps: list[Step] = []
    again, is_new = store.get_or_make(EngineManifest, "vit", SPEC_ID, write_engine, steps.append)
    assert is_new
    assert steps == [Step("build", f"make it again: {engine.directory}: has no seal of yours")]
    check_built_here(again)


# Forgeries


def write_manifest(engine: EngineArtifact, **changes: object) -> bytes:
    path = engine.directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))
    return path.read_bytes()


def write_their_seal(engine: EngineArtifact, key: bytes) -> None:
    content = (engine.directory / "manifest.json").read_bytes()
    (engine.directory / "seal").write_text(hmac.new(key, content, sha256).hexdigest() + "\n")


def no_seal(engine: EngineArtifact) -> None:
    (engine.directory / "seal").unlink()


def empty_seal(engine: EngineArtifact) -> None:
    (engine.directory / "seal").write_bytes(b"")


def part_of_the_seal(engine: EngineArtifact) -> None:
    os.truncate(engine.directory / "seal", 32)


def seal_in_capitals(engine: EngineArtifact) -> None:
    path = engine.directory / "seal"
    path.write_bytes(path.read_bytes().upper())


def seal_that_is_no_text(engine: EngineArtifact) -> None:
    (engine.directory / "seal").write_bytes(b"\xff" * 64)


def plain_hash(engine: EngineArtifact) -> None:
    content = (engine.directory / "manifest.json").read_bytes()
    (engine.directory / "seal").write_text(sha256(content).hexdigest())


def hmac_with_an_empty_key(engine: EngineArtifact) -> None:
    write_their_seal(engine, b"")


def key_of_the_old_kind_in_the_store(engine: EngineArtifact) -> None:
    (engine.directory.parent / ".key").write_bytes(THEIR_KEY)
    write_their_seal(engine, THEIR_KEY)


def key_beside_the_seal(engine: EngineArtifact) -> None:
    for name in ("seal.key", ".key", "key"):
        (engine.directory / name).write_bytes(THEIR_KEY)
    write_their_seal(engine, THEIR_KEY)


def folder_of_configuration_in_the_store(engine: EngineArtifact) -> None:
    folder = engine.directory.parents[1] / ".config" / "trtbench"
    folder.mkdir(parents=True)
    (folder / "seal.key").write_bytes(THEIR_KEY)
    (folder / "seal.key").chmod(0o600)
    write_their_seal(engine, THEIR_KEY)


def changed_manifest(engine: EngineArtifact) -> None:
    write_manifest(engine, build_s=2.0)


def another_white_space(engine: EngineArtifact) -> None:
    path = engine.directory / "manifest.json"
    path.write_bytes(path.read_bytes() + b"\n")


def another_engine_and_its_hash(engine: EngineArtifact) -> None:
    (engine.directory / "model.engine").write_bytes(b"planted")
    record = {"name": "model.engine", "sha256": sha256(b"planted").hexdigest(), "size_bytes": 7}
    write_manifest(engine, files=[record])


def seal_of_another_engine(engine: EngineArtifact) -> None:
    other = built(Store(engine.directory.parents[1]), "1" * 16)
    shutil.copy(other.directory / "seal", engine.directory / "seal")


def seal_of_compiled_kernels(engine: EngineArtifact) -> None:
    content = (engine.directory / "manifest.json").read_bytes()
    data = sealed("x", content)
    assert data is not None
    (engine.directory / "seal").write_text(data[:32].hex())


def seal_that_is_a_link_out(engine: EngineArtifact) -> None:
    seal = engine.directory / "seal"
    seal.rename(engine.directory.parents[1] / "moved")
    seal.symlink_to("../../moved")


def seal_that_is_a_fifo(engine: EngineArtifact) -> None:
    (engine.directory / "seal").unlink()
    os.mkfifo(engine.directory / "seal")


def seal_that_is_a_folder(engine: EngineArtifact) -> None:
    (engine.directory / "seal").unlink()
    (engine.directory / "seal").mkdir()


FORGERIES = (
    no_seal,
    empty_seal,
    part_of_the_seal,
    seal_in_capitals,
    seal_that_is_no_text,
    plain_hash,
    hmac_with_an_empty_key,
    key_of_the_old_kind_in_the_store,
    key_beside_the_seal,
    folder_of_configuration_in_the_store,
    changed_manifest,
    another_white_space,
    another_engine_and_its_hash,
    seal_of_another_engine,
    seal_of_compiled_kernels,
    seal_that_is_a_link_out,
    seal_that_is_a_fifo,
    seal_that_is_a_folder,
)


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_forged_seal_is_refused(
    forge: Callable[[EngineArtifact], None],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = built(store)
    monkeypatch.chdir(store.root)
    forge(engine)
    assert store.find(EngineManifest, "vit", SPEC_ID) is None
    found = load_artifact(engine.directory)
    assert isinstance(found.manifest, EngineManifest)
    with pytest.raises(ArtifactError, match=r"you did not build this engine.*--trust"):
        check_built_here(EngineArtifact(found.directory, found.manifest))


def test_an_engine_of_another_user_is_refused(
    store: Store, as_another: Callable[[Callable[[], object]], None]
) -> None:
    as_another(lambda: built(store))
    assert store.find(EngineManifest, "vit", SPEC_ID) is None
    built(store, "1" * 16)
    assert store.find(EngineManifest, "vit", SPEC_ID) is None


def test_a_manifest_that_was_replaced_after_it_was_read_is_refused(store: Store) -> None:
    engine = built(store)
    planted = engine.manifest.model_copy(update={"build_s": 2.0})
    with pytest.raises(ArtifactError, match="you did not build this engine"):
        check_built_here(EngineArtifact(engine.directory, planted))


def test_the_manifest_is_sealed_that_was_verified(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = built(store)
    manifest = engine.directory / "manifest.json"
    genuine = manifest.read_bytes()
    another_engine_and_its_hash(engine)
    verify = artifacts._verify

    def verify_and_put_back(*arguments: object) -> None:
        verify(*arguments)  # type: ignore[arg-type]
        manifest.write_bytes(genuine)

    monkeypatch.setattr(artifacts, "_verify", verify_and_put_back)
    assert store.find(EngineManifest, "vit", SPEC_ID) is None


class TestStoresOfOlderVersions:
    """Their key lies in the store."""

    @pytest.fixture
    def engine(self, store: Store) -> EngineArtifact:
        engine = built(store)
        key_of_the_old_kind_in_the_store(engine)
        return engine

    def test_their_engines_are_built_again(self, store: Store, engine: EngineArtifact) -> None:
        steps: list[Step] = []
        again, is_new = store.get_or_make(EngineManifest, "vit", SPEC_ID, write_engine, steps.append)
        assert is_new
        check_built_here(again)
        assert [step.text for step in steps] == [
            f"make it again: {engine.directory}: was sealed with engines/.key, which anyone can put there"
        ]

    def test_their_engines_are_refused_with_the_reason(self, engine: EngineArtifact) -> None:
        with pytest.raises(ArtifactError, match=r"it was sealed with engines/\.key, .*; you did not build"):
            check_built_here(engine)


class TestWithoutAUsableKey:
    @pytest.fixture
    def engine(self, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> EngineArtifact:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        engine = built(store)
        key_path().chmod(0o644)
        return engine

    @pytest.mark.parametrize("spec_id", [SPEC_ID, "1" * 16])
    def test_nothing_is_built_that_could_not_be_sealed(
        self, store: Store, engine: EngineArtifact, spec_id: str
    ) -> None:
        with pytest.raises(ArtifactError, match=r"others can use it \(mode 644\)"):
            store.get_or_make(EngineManifest, "vit", spec_id, fail_if_built)
        assert (engine.directory / "seal").is_file()

    def test_an_engine_is_refused_with_the_reason(self, engine: EngineArtifact) -> None:
        with pytest.raises(ArtifactError, match=r"others can use it .*; or use --trust"):
            check_built_here(engine)

    def test_models_need_no_key(self, store: Store, engine: EngineArtifact) -> None:
        model, _ = store.get_or_make(OnnxManifest, "vit", SPEC_ID, write_model)
        assert store.find(OnnxManifest, "vit", SPEC_ID) == model


def test_what_was_compiled_from_an_engine_is_known_by_its_seal(
    store: Store, as_another: Callable[[Callable[[], object]], None]
) -> None:
    built(store)
    data = sealed("engine", b"kernels")
    assert data is not None
    assert unsealed("engine", data) == b"kernels"
    assert unsealed("another engine", data) is None
    assert unsealed("engine", data[:-1]) is None
    assert unsealed("engine", b"") is None

    def fails_for_them() -> None:
        assert sealed("engine", b"kernels") is None
        assert unsealed("engine", data) is None
        built(store, "1" * 16)
        assert unsealed("engine", data) is None

    as_another(fails_for_them)
