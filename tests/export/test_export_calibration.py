import os
import subprocess
import sys
from pathlib import Path

import pytest

from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.export import export, resolve
from trtbench.export.calibration import resolve_calibration
from trtbench.specs import CalibrationSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store


def write_files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def of(folder: Path, samples: int = 8, seed: int = 0, sha256: str | None = None) -> CalibrationSpec:
    return CalibrationSpec(directory=str(folder), samples=samples, seed=seed, sha256=sha256)


def test_images_are_found_below_the_folder_in_order_and_nothing_else_is(tmp_path: Path) -> None:
    write_files(tmp_path, "b/2.JPG", "b/1.jpeg", "a.png", "notes.txt", "b/.jpg/hidden.webp", "model.onnx")
    found = resolve_calibration(of(tmp_path)).paths
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "a.png",
        "b/.jpg/hidden.webp",
        "b/1.jpeg",
        "b/2.JPG",
    ]


def test_names_that_are_not_utf_8_are_hashed(tmp_path: Path) -> None:
    write_files(tmp_path, "a.png")
    (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    images = resolve_calibration(of(tmp_path))
    assert len(images.paths) == 1
    assert images.spec.sha256 is not None


def test_the_choice_is_seeded(tmp_path: Path) -> None:
    write_files(tmp_path, *(f"{i:03}.png" for i in range(100)))
    first = resolve_calibration(of(tmp_path, samples=10))
    assert len(first.paths) == 10
    assert list(first.paths) == sorted(first.paths)
    assert resolve_calibration(of(tmp_path, samples=10)) == first
    other = resolve_calibration(of(tmp_path, samples=10, seed=1))
    assert other.paths != first.paths
    assert other.spec.sha256 != first.spec.sha256


def test_the_hash_follows_names_and_contents_but_not_the_place(tmp_path: Path) -> None:
    one = write_files(tmp_path / "one", "a.png", "b.png")
    same = write_files(tmp_path / "two", "a.png", "b.png")
    digest = resolve_calibration(of(one)).spec.sha256
    assert digest is not None
    assert resolve_calibration(of(same)).spec.sha256 == digest
    (same / "b.png").write_bytes(b"another picture")
    assert resolve_calibration(of(same)).spec.sha256 != digest
    (one / "b.png").rename(one / "c.png")
    assert resolve_calibration(of(one)).spec.sha256 != digest


def test_other_images_than_the_spec_knows_are_refused(tmp_path: Path) -> None:
    folder = write_files(tmp_path, "a.png")
    digest = resolve_calibration(of(folder)).spec.sha256
    assert resolve_calibration(of(folder, sha256=digest)).spec.sha256 == digest
    (folder / "a.png").write_bytes(b"another picture")
    with pytest.raises(SpecError, match="the images have changed"):
        resolve_calibration(of(folder, sha256=digest))


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"missing: no such directory"):
        resolve_calibration(of(tmp_path / "missing"))
    write_files(tmp_path, "readme.txt")
    with pytest.raises(SpecError, match=r"holds no image \(looked for \.bmp"):
        resolve_calibration(of(tmp_path))


def test_a_file_that_cannot_be_read_is_left_out_with_a_note(tmp_path: Path) -> None:
    write_files(tmp_path, "a.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")  # is no file, so not even a candidate
    (tmp_path / "folder.png").mkdir()
    images = resolve_calibration(of(tmp_path))
    assert [path.name for path in images.paths] == ["a.png"]


def test_synthetic_images_have_no_files_and_no_hash() -> None:
    images = resolve_calibration(CalibrationSpec(samples=3))
    assert images.paths == ()
    assert images.spec.sha256 is None


@pytest.mark.parametrize(
    ("recipe", "needed"),
    [
        ("fp16", False),
        ("mxfp8", False),
        ("nvfp4", True),
        ("fp8", True),
        ("int8@stock", True),
        ("bf16+sparse", False),
    ],
)
def test_only_what_has_a_say_stays_in_the_spec(recipe: str, needed: bool) -> None:
    spec = ExportSpec(
        recipe=recipe, calibration=CalibrationSpec(samples=3), sparsity_method="sparse_magnitude"
    )
    resolved, images = resolve(spec)
    assert (images is not None) == needed
    assert (resolved.calibration is not None) == needed
    assert (resolved.sparsity_method is not None) == parse_recipe(recipe).sparse


def test_sparsegpt_needs_images() -> None:
    resolved, images = resolve(ExportSpec(recipe="fp16+sparse", sparsity_method="sparsegpt"))
    assert images is not None
    assert resolved.calibration == CalibrationSpec(samples=8, seed=0)


def test_importing_the_stage_imports_no_torch() -> None:
    heavy = ("torch", "timm", "modelopt", "onnx")
    code = f"import sys, trtbench.export; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_packages_are_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtbench.export.package_versions", lambda names: {})
    with pytest.raises(RuntimeUnavailable, match=r"nvidia-modelopt.*torch.*: .*(\[export,ort\]|uv sync)"):
        export(ExportSpec(recipe="nvfp4"), Store(tmp_path))


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    write_files(tmp_path / "there", "a.png", "deep/b.png")
    here = write_files(tmp_path / "here", "c.png")
    (here / "linked").symlink_to(tmp_path / "there")
    (here / "self").symlink_to(here)
    found = resolve_calibration(of(here)).paths
    assert [path.relative_to(here).as_posix() for path in found] == [
        "c.png",
        "linked/a.png",
        "linked/deep/b.png",
    ]
