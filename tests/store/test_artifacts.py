import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.manifests import onnx_manifest

from trtbench.errors import ArtifactError, BuildError, Code, SpecError
from trtbench.progress import OnStep, Step, silent
from trtbench.results import SCHEMA_VERSION, EngineManifest, Finding, OnnxManifest
from trtbench.specs import BuildSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Artifact, Store, load_artifact
from trtbench.store.files import file_record
from trtbench.store.results import save_result

SLUG = "vit_tiny-fp16-b1"
SPEC_ID = "0123456789abcdef"


def write_model(directory: Path, content: bytes = b"onnx" * 100, spec_id: str = SPEC_ID) -> OnnxManifest:
    (directory / "model.onnx").write_bytes(content)
    (directory / "weights.data").write_bytes(b"weights")
    return onnx_manifest(
        ExportSpec(recipe=parse_recipe("fp16")),
        [directory / "model.onnx", directory / "weights.data"],
        spec_id=spec_id,
    )


def write_engine(directory: Path) -> EngineManifest:
    (directory / "model.engine").write_bytes(b"engine")
    return EngineManifest(
        spec_id=SPEC_ID,
        spec=BuildSpec(),
        export=None,
        onnx_path="model.onnx",
        onnx_sha256="0" * 64,
        files=(file_record(directory / "model.engine"),),
        backend="tensorrt_rtx",
        backend_version="1.7.1",
        activation_bytes=0,
        weight_bytes=0,
        scratch_bytes=0,
        peak_rss_bytes=0,
        tool_versions={},
        created_utc="2026-01-01T00:00:00Z",
        build_s=1.0,
    )


def fail_if_called(directory: Path) -> OnnxManifest:
    raise AssertionError(f"made again in {directory}")


def get_model(
    store: Store,
    make: Callable[[Path], OnnxManifest] = write_model,
    on_step: OnStep = silent,
) -> tuple[Artifact[OnnxManifest], bool]:
    return store.get_or_make(OnnxManifest, SLUG, SPEC_ID, make, on_step)


def visible_and_work(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".lock-")}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


# The plain path


def test_made_once_then_reused(store: Store) -> None:
    made, is_new = get_model(store)
    again, is_new_again = get_model(store, fail_if_called)
    assert (is_new, is_new_again) == (True, False)
    assert made == again
    assert made.payload == store.root / "models" / f"{SLUG}-{SPEC_ID}" / "model.onnx"
    assert made.payload.read_bytes() == b"onnx" * 100
    assert visible_and_work(store.root / "models") == {f"{SLUG}-{SPEC_ID}"}


def test_constructor_and_find_write_nothing(store: Store) -> None:
    assert store.find(OnnxManifest, SLUG, SPEC_ID) is None
    assert not store.root.exists()


def test_models_and_engines_are_apart(store: Store) -> None:
    model, _ = get_model(store)
    engine, _ = store.get_or_make(EngineManifest, SLUG, SPEC_ID, write_engine)
    assert engine.payload == store.root / "engines" / f"{SLUG}-rtx1.7.1-{SPEC_ID}" / "model.engine"
    assert load_artifact(engine.directory) == engine
    assert load_artifact(model.directory) == model


@pytest.mark.parametrize(
    ("backend", "version", "words"),
    [
        ("tensorrt_rtx", "1.7.1.116", "rtx1.7.1.116"),
        ("tensorrt", "10.14.1.48.post1", "trt10.14.1.48.post1"),
        ("trtexec", "10.14.1.48", "trtexec10.14.1.48"),
        ("tensorrt", "../10", "trt..-10"),
    ],
)
def test_the_folder_of_an_engine_names_its_compiler(
    store: Store, backend: str, version: str, words: str
) -> None:
    def make(directory: Path) -> EngineManifest:
        return write_engine(directory).model_copy(update={"backend": backend, "backend_version": version})

    engine, _ = store.get_or_make(EngineManifest, SLUG, SPEC_ID, make)
    assert engine.directory == store.root / "engines" / f"{SLUG}-{words}-{SPEC_ID}"
    assert store.find(EngineManifest, SLUG, SPEC_ID) == engine
    assert store.get_or_make(EngineManifest, SLUG, SPEC_ID, make) == (engine, False)
    assert visible_and_work(store.root / "engines") == {engine.directory.name}


def test_an_engine_is_found_under_whatever_name_and_made_again_there(store: Store) -> None:
    made, _ = store.get_or_make(EngineManifest, SLUG, SPEC_ID, write_engine)
    older = made.directory.rename(made.directory.with_name(f"{SLUG}-{SPEC_ID}"))
    found, is_new = store.get_or_make(EngineManifest, SLUG, SPEC_ID, write_engine)
    assert (found.directory, is_new) == (older, False)
    os.truncate(found.payload, 1)
    again, is_new = store.get_or_make(EngineManifest, SLUG, SPEC_ID, write_engine)
    assert (again.directory, is_new) == (older, True)
    assert visible_and_work(store.root / "engines") == {older.name}


@pytest.mark.parametrize("inside", ["", "manifest.json", "model.onnx", "weights.data"])
def test_load_by_directory_manifest_or_file(store: Store, inside: str) -> None:
    made, _ = get_model(store)
    assert load_artifact(made.directory / inside) == made


def test_load_from_the_working_directory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = get_model(store)
    monkeypatch.chdir(made.directory)
    assert load_artifact(Path()).manifest == made.manifest
    assert load_artifact(Path("model.onnx")).manifest == made.manifest


@pytest.mark.parametrize("slug", ["hf_hub:timm/vit", "../../escape", "...", "vit " + "x" * 300, "vît"])
def test_any_slug_stays_inside_the_store(store: Store, slug: str) -> None:
    made, _ = store.get_or_make(OnnxManifest, slug, SPEC_ID, write_model)
    assert made.directory.parent == store.root / "models"
    assert not made.directory.name.startswith(".")
    assert store.find(OnnxManifest, slug, SPEC_ID) == made


def test_files_get_the_permissions_of_the_umask(store: Store) -> None:
    umask = os.umask(0o022)
    try:
        made, _ = get_model(store)
    finally:
        os.umask(umask)
    assert made.directory.stat().st_mode & 0o777 == 0o755
    assert made.payload.stat().st_mode & 0o777 == 0o644


# What make may do


@pytest.mark.parametrize("error", [BuildError("refused"), KeyboardInterrupt(), ConnectionError("no network")])
def test_what_make_raises_passes_and_leaves_nothing(store: Store, error: BaseException) -> None:
    def make(directory: Path) -> OnnxManifest:
        write_model(directory)
        raise error

    with pytest.raises(type(error)) as caught:
        get_model(store, make)
    assert caught.value is error
    assert visible_and_work(store.root / "models") == set()
    assert get_model(store)[1]


# Damage


def truncate(directory: Path) -> None:
    os.truncate(directory / "model.onnx", 10)


def flip_a_bit(directory: Path) -> None:
    content = bytearray((directory / "model.onnx").read_bytes())
    content[7] ^= 1
    (directory / "model.onnx").write_bytes(content)


def delete_payload(directory: Path) -> None:
    (directory / "model.onnx").unlink()


def delete_second_file(directory: Path) -> None:
    (directory / "weights.data").unlink()


def cut_manifest(directory: Path) -> None:
    os.truncate(directory / "manifest.json", 100)


def edit_manifest(**changes: object) -> Callable[[Path], None]:
    def edit(directory: Path) -> None:
        path = directory / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def manifest_is_a_list(directory: Path) -> None:
    (directory / "manifest.json").write_text("[1]")


def manifest_is_binary(directory: Path) -> None:
    (directory / "manifest.json").write_bytes(b"\xff\xfe\x00")


def manifest_is_nested(directory: Path) -> None:
    (directory / "manifest.json").write_text("[" * 100_000)


def payload_is_a_directory(directory: Path) -> None:
    (directory / "model.onnx").unlink()
    (directory / "model.onnx").mkdir()


OUTSIDE = {"name": "../../outside", "sha256": "0" * 64, "size_bytes": 1}
DAMAGES = [
    (truncate, r"model\.onnx: 10 bytes, the manifest says 400"),
    (flip_a_bit, r"model\.onnx: sha256 [0-9a-f]{12}\.\.\., the manifest says [0-9a-f]{12}\.\.\."),
    (delete_payload, r"model\.onnx: is missing"),
    (delete_second_file, r"weights\.data: is missing"),
    (cut_manifest, r"manifest\.json: not JSON"),
    (manifest_is_a_list, r"manifest\.json: schema_version None"),
    (manifest_is_binary, r"manifest\.json: not JSON"),
    (manifest_is_nested, r"manifest\.json: not JSON"),
    (payload_is_a_directory, r"model\.onnx: \d+ bytes|model\.onnx: cannot be read"),
    (
        edit_manifest(schema_version=0),
        rf"manifest\.json: schema_version 0, this trtbench reads {SCHEMA_VERSION}",
    ),
    (edit_manifest(schema_version=99), rf"manifest\.json: schema_version 99, .* {SCHEMA_VERSION}"),
    (edit_manifest(kind=["onnx"]), r"manifest\.json: kind \['onnx'\]"),
    (edit_manifest(nodes="many"), r"manifest\.json: field nodes: "),
    (edit_manifest(invented=1), r"manifest\.json: field invented: "),
    (edit_manifest(spec={"recipe": "fp99"}), r"manifest\.json: recipe 'fp99'"),
    (edit_manifest(files=[]), r"manifest\.json: lists no files"),
    (edit_manifest(files=[OUTSIDE]), r"lists '\.\./\.\./outside', a file must be beside it"),
]


@pytest.mark.parametrize(("damage", "text"), DAMAGES)
def test_damage_is_named_refused_by_load_and_repaired_by_get(
    store: Store, damage: Callable[[Path], None], text: str
) -> None:
    made, _ = get_model(store)
    damage(made.directory)
    with pytest.raises(ArtifactError, match=text) as caught:
        load_artifact(made.directory)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("; export or build it again")
    assert store.find(OnnxManifest, SLUG, SPEC_ID) is None

    steps: list[Step] = []
    repaired, is_new = get_model(store, on_step=steps.append)
    assert is_new
    assert repaired.manifest == made.manifest
    reason = str(caught.value).removesuffix("; export or build it again")
    assert steps == [Step("export", f"make it again: {reason}")]
    assert load_artifact(made.directory) == repaired
    assert visible_and_work(store.root / "models") == {made.directory.name}


@pytest.mark.parametrize("inside", ["", "model.onnx", "weights.data"])
def test_without_its_manifest_it_is_no_artifact_any_more_and_made_again(store: Store, inside: str) -> None:
    made, _ = get_model(store)
    (made.directory / "manifest.json").unlink()
    named = made.directory / inside
    with pytest.raises(SpecError) as caught:
        load_artifact(named)
    assert str(caught.value) == (
        f"{named}: not a model or engine of a store: {made.directory} has no manifest.json; name a folder "
        "under models/ or engines/, or a file in one"
    )
    assert get_model(store)[1]
    assert load_artifact(named) == made


def test_a_file_in_place_of_the_directory_is_replaced(store: Store) -> None:
    made, _ = get_model(store)
    shutil.rmtree(made.directory)
    made.directory.write_text("a file")
    assert get_model(store)[1]
    assert visible_and_work(store.root / "models") == {made.directory.name}


def test_the_damaged_one_stays_until_the_new_one_is_ready(store: Store) -> None:
    made, _ = get_model(store)
    flip_a_bit(made.directory)
    damaged = made.payload.read_bytes()

    def refuse(directory: Path) -> OnnxManifest:
        assert made.payload.read_bytes() == damaged
        raise BuildError("refused")

    with pytest.raises(BuildError):
        get_model(store, refuse)
    assert made.payload.read_bytes() == damaged


def test_a_directory_under_another_identity_is_made_again(store: Store) -> None:
    made, _ = get_model(store)
    made.directory.rename(made.directory.with_name(f"{SLUG}-feedbeef"))
    other, is_new = store.get_or_make(
        OnnxManifest, SLUG, "feedbeef", lambda directory: write_model(directory, spec_id="feedbeef")
    )
    assert is_new
    assert other.manifest.spec_id == "feedbeef"


@pytest.mark.parametrize(
    ("inside", "kind", "text"),
    [
        ("absent", SpecError, r"absent: is missing"),
        ("extra.txt", ArtifactError, r"extra\.txt: not among the files"),
    ],
)
def test_load_refuses_what_is_no_artifact(
    store: Store, inside: str, kind: type[Exception], text: str
) -> None:
    made, _ = get_model(store)
    (made.directory / "extra.txt").write_text("mine")
    with pytest.raises(kind, match=text):
        load_artifact(made.directory / inside)


# Disks that are full, read-only, or no directory


def test_full_disk_inside_make(small_disk: Path) -> None:
    store = Store(small_disk)
    with pytest.raises(ArtifactError, match=r"No space left on device \(0 B free\)") as caught:
        get_model(store, lambda directory: write_model(directory, bytes(1_000_000)))
    assert f"{SLUG}-{SPEC_ID}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert visible_and_work(small_disk / "models") == set()
    assert get_model(store)[1]


@pytest.mark.parametrize("free_bytes", [0, 4096, 8192])
def test_disk_that_fills_up_on_the_way(small_disk: Path, free_bytes: int) -> None:
    """Room for none, one, two of the three files, of a page each."""
    store = Store(small_disk)
    damaged, _ = get_model(store)
    flip_a_bit(damaged.directory)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - free_bytes))
    with pytest.raises(ArtifactError, match="No space left on device"):
        get_model(store)
    assert visible_and_work(small_disk / "models") == {damaged.directory.name}
    ballast.unlink()
    assert get_model(store)[1]
    assert load_artifact(damaged.directory) == damaged


def test_a_full_disk_during_make_is_reported(store: Store) -> None:
    def make(directory: Path) -> OnnxManifest:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory / "model.onnx"))

    with pytest.raises(
        ArtifactError, match=r"model\.onnx: cannot be written: No space left .*[kMGT]B free\)"
    ):
        get_model(store, make)
    assert visible_and_work(store.root / "models") == set()


def test_file_size_limit(store: Store) -> None:
    script = f"""
import resource, sys
from pathlib import Path
sys.path[:0] = {[str(folder) for folder in Path(__file__).parents[:2]]}
from test_artifacts import ArtifactError, Store, get_model, write_model
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    get_model(Store(Path({str(store.root)!r})), lambda directory: write_model(directory, bytes(1_000_000)))
except ArtifactError as error:
    print(error)
"""
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert "File too large" in output
    assert output.count("\n") == 1
    assert visible_and_work(store.root / "models") == set()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_store_path_that_is_a_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("not a directory")
    store = Store(tmp_path / "file" / below)
    with pytest.raises(ArtifactError, match=r"file.*cannot be written: .*--store") as caught:
        get_model(store, fail_if_called)
    assert "\n" not in str(caught.value)
    with pytest.raises(ArtifactError, match=r"file.*cannot be written"):
        save_result(store, "compare", Finding(code=Code.NOISY, severity="info", message="m", hint="h"))


def test_read_only_store_reuses_and_says_that_it_cannot_write(small_disk: Path) -> None:
    store = Store(small_disk)
    made, _ = get_model(store)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert get_model(store, fail_if_called) == (made, False)
    with pytest.raises(ArtifactError, match=r"cannot be written: Read-only file system"):
        store.get_or_make(OnnxManifest, "other", "feedbeef", fail_if_called)
    with pytest.raises(ArtifactError, match=r"cannot be written: Read-only file system"):
        save_result(store, "compare", Finding(code=Code.NOISY, severity="info", message="m", hint="h"))


@pytest.mark.skipif(os.geteuid() == 0, reason="permission bits do not bind root")
def test_directory_without_write_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(ArtifactError, match="Permission denied"):
            get_model(Store(tmp_path / "store"), fail_if_called)
    finally:
        tmp_path.chmod(0o755)


class TestAStoreThatIsMovedAmidWork:
    @pytest.fixture
    def moved(self, store: Store) -> Path:
        return store.root.with_name("moved")

    def test_nothing_is_made_under_its_old_path(self, store: Store, moved: Path) -> None:
        get_model(store)

        def move_and_fail(directory: Path) -> OnnxManifest:
            store.root.rename(moved)
            raise BuildError(f"{directory}: no such folder", code=Code.BUILD_FAILED)

        with pytest.raises(ArtifactError, match=r"store: was moved or removed while it was in use: run the"):
            store.get_or_make(OnnxManifest, SLUG, "1" * 16, move_and_fail)
        with pytest.raises(ArtifactError, match="was moved"):
            save_result(store, "x", BuildSpec())
        with pytest.raises(ArtifactError, match="was moved"):
            get_model(store)
        assert store.keep_failed_log("build", "x", "1" * 16, Path(__file__)) == "lost, the store was moved"
        assert not store.root.exists()

    def test_another_store_in_its_place_is_not_written(self, store: Store, moved: Path) -> None:
        get_model(store)
        store.root.rename(moved)
        store.root.mkdir()
        with pytest.raises(ArtifactError, match="was moved"):
            save_result(store, "x", BuildSpec())
        assert list(store.root.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"schema_version": 1', '"schema_version": true', "schema_version True"),
        ('"kind": "onnx"', '"kind": "engine", "kind": "onnx"', "'kind' is named twice"),
        ('"batch": 64', '"batch": "64"', "field spec.batch: Input should be a valid integer"),
        ('"batch": 64', '"batch": 0', "field spec.batch: Input should be greater than 0"),
        ('"size_bytes": 400', '"size_bytes": 400.0', "field files.0.size_bytes"),
        ('"size_bytes": 400', '"size_bytes": -1', "greater than or equal to 0"),
    ],
)
def test_nonsense_in_a_manifest_is_named(store: Store, old: str, new: str, words: str) -> None:
    made, _ = get_model(store)
    path = made.directory / "manifest.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ArtifactError) as caught:
        load_artifact(made.directory)
    assert words in str(caught.value)
