import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from trtbench.errors import SpecError
from trtbench.export.calibration import resolve_calibration
from trtbench.progress import silent
from trtbench.specs import CalibrationSpec, ExportSpec, InputsSpec, ModelSpec
from trtbench.specs.recipe import Precision, Recipe
from trtbench.store.artifacts import Store
from trtbench.verify import load_reference
from trtbench.verify.images import CLASS_MAP, VerificationImages, choose_images, class_folders, load_batches

TINY = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 1),), img_size=32)
SHAPE = (3, 32, 32)


def write_images(root: Path, folders: Sequence[str], per_folder: int = 2) -> Path:
    for index, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for number in range(per_folder):
            Image.new("RGB", (40, 40), (index * 40, number * 40, 99)).save(root / folder / f"{number}.png")
    return root


def spec(root: Path, samples: int = 100, seed: int = 0) -> InputsSpec:
    return InputsSpec(directory=str(root), samples=samples, seed=seed)


def labels(images: VerificationImages) -> dict[str, int | None]:
    return {path.parent.name: label for path, label in images.files}


def test_synthetic_images_follow_the_seed_and_not_the_batch() -> None:
    images = choose_images(InputsSpec(samples=5, seed=3), classes=10)
    one = np.concatenate([batch.images for batch in load_batches(images, TINY, SHAPE, 1)])
    four = list(load_batches(images, TINY, SHAPE, 4))
    assert [len(batch.images) for batch in four] == [4, 1]
    assert one.dtype == np.float32
    assert one.shape == (5, *SHAPE)
    assert four[0].labels is None
    np.testing.assert_array_equal(one, np.concatenate([batch.images for batch in four]))
    other = choose_images(InputsSpec(samples=5, seed=4), classes=10)
    assert not np.array_equal(one[0], next(load_batches(other, TINY, SHAPE, 1)).images[0])
    assert abs(one.mean()) < 0.02
    assert abs(one.std() - 1) < 0.02


def test_classes_are_the_folders_in_natural_order(tmp_path: Path) -> None:
    images = choose_images(spec(write_images(tmp_path, ["zebra", "ant", "Cat", "ant10", "ant9"])), classes=5)
    assert labels(images) == {"ant": 0, "ant9": 1, "ant10": 2, "Cat": 3, "zebra": 4}
    assert images.count == 10
    assert images.notes == ()


def test_images_of_a_calibration_have_no_class_and_need_no_folders(tmp_path: Path) -> None:
    write_images(tmp_path / "deep", ["a"], per_folder=3)
    Image.new("RGB", (40, 40)).save(tmp_path / "flat.png")
    asked = spec(tmp_path, samples=2).model_copy(update={"is_calibration": True})
    images = choose_images(asked, classes=1000)
    (batch,) = load_batches(images, TINY, SHAPE, 8)
    assert (images.count, batch.labels, len(batch.images)) == (2, None, 2)
    calibrated = resolve_calibration(CalibrationSpec(directory=str(tmp_path), samples=2))
    assert [path for path, _ in images.files] == list(calibrated.paths)
    assert images.spec.sha256 == calibrated.spec.sha256


def test_the_order_is_that_of_timm(tmp_path: Path) -> None:
    from timm.data.readers.reader_image_folder import find_images_and_targets

    write_images(tmp_path, [*map(str, range(12)), "B2", "b10", "c 1"])
    theirs = {Path(path).parent.name: label for path, label in find_images_and_targets(str(tmp_path))[0]}
    assert labels(choose_images(spec(tmp_path), classes=15)) == theirs


@pytest.mark.parametrize("classes", [21_843, 21_842, 21_841, 11_821, 11_221])
def test_synsets_have_the_place_of_the_imagenet_that_has_so_many_classes(
    tmp_path: Path, classes: int
) -> None:
    from timm.data import ImageNetInfo, infer_imagenet_subset

    known = ImageNetInfo(infer_imagenet_subset({"num_classes": classes})).label_names()
    names = [known[-1], known[77], known[1]]
    images = choose_images(spec(write_images(tmp_path, names)), classes=classes)
    assert labels(images) == {names[0]: len(known) - 1, names[1]: 77, names[2]: 1}
    assert images.notes == ()


def test_hidden_and_empty_folders_are_no_classes(tmp_path: Path) -> None:
    write_images(tmp_path, ["b", "c"])
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / "a").mkdir()
    assert labels(choose_images(spec(tmp_path), classes=2)) == {"b": 0, "c": 1}


def test_an_empty_folder_keeps_its_place_among_as_many_folders_as_classes(tmp_path: Path) -> None:
    write_images(tmp_path, ["b", "c"])
    (tmp_path / "a").mkdir()
    assert labels(choose_images(spec(tmp_path), classes=3)) == {"b": 1, "c": 2}


@pytest.mark.parametrize(
    ("folders", "classes", "words"),
    [
        (
            ["cat", "dog"],
            1000,
            r"not named as imagenet-1k's classes for a model of 1000 classes: cat is taken",
        ),
        (
            ["3", "20"],
            25,
            r"2 class folders for a model of 25 classes: 3 is taken as class 0 and 20 as class 1",
        ),
        (["a"], 25, r"1 class folder for a model of 25 classes: a is taken as class 0; name"),
        (["n01440764", "n15075141"], 25, r"2 class folders for a model of 25 classes"),
    ],
)
def test_a_class_that_is_guessed_is_noted(
    tmp_path: Path, folders: list[str], classes: int, words: str
) -> None:
    (note,) = choose_images(spec(write_images(tmp_path, folders)), classes=classes).notes
    assert re.search(words, note)
    assert note.endswith("name all classes in class_map.txt if that is wrong")


def test_names_that_are_not_utf_8_are_hashed(tmp_path: Path) -> None:
    path = write_images(tmp_path, ["a"], 1) / "a" / "0.png"
    path.rename(os.fsdecode(os.fsencode(path.parent) + b"/caf\xe9.png"))
    assert choose_images(spec(tmp_path), classes=1).spec.sha256 is not None


def test_linked_class_folders_are_followed(tmp_path: Path) -> None:
    write_images(tmp_path / "there", ["a", "b/deeper"])
    for name in ("a", "b"):
        (tmp_path / "here").mkdir(exist_ok=True)
        (tmp_path / "here" / name).symlink_to(tmp_path / "there" / name)
    (tmp_path / "there" / "a" / "again").symlink_to(tmp_path / "there" / "a")
    assert [label for _, label in choose_images(spec(tmp_path / "here"), classes=2).files] == [0, 0, 1, 1]


def test_a_class_map_names_the_classes_in_order(tmp_path: Path) -> None:
    write_images(tmp_path, ["ant", "zebra"])
    (tmp_path / CLASS_MAP).write_text("zebra\nlion\nant\n")
    assert labels(choose_images(spec(tmp_path), classes=3)) == {"zebra": 0, "ant": 2}


def test_some_synsets_keep_their_place_in_imagenet(tmp_path: Path) -> None:
    write_images(tmp_path, ["n15075141", "n01440764", "n01443537"])
    assert labels(choose_images(spec(tmp_path), classes=1000)) == {
        "n01440764": 0,
        "n01443537": 1,
        "n15075141": 999,
    }


def test_synsets_of_a_smaller_data_set_are_sorted(tmp_path: Path) -> None:
    write_images(tmp_path, ["n15075141", "n01440764"])
    assert labels(choose_images(spec(tmp_path), classes=10)) == {"n01440764": 0, "n15075141": 1}


@pytest.mark.parametrize(
    ("folders", "class_map", "classes", "words"),
    [
        (["a", "b", "c"], None, 2, "3 class folders, but the model has 2 classes"),
        (["a", "b"], "a\n", 5, f"not classes of {CLASS_MAP}: b"),
        (["a", "b"], "x\ny\nz\na\nb\n", 4, r"gives b the class 4, but the model has 4 classes"),
        (["a"], "a\na\n", 4, "names 'a' twice"),
        (["a"], "a\n\nb\n", 4, "has an empty line"),
        (["n00000000"], None, 1000, "not classes of imagenet-1k: n00000000"),
        (["n01440764", "cat"], None, 1000, "not classes of imagenet-1k: cat"),
        (["n00000000"], None, 21_843, "not classes of imagenet-21k-goog: n00000000"),
        ([], None, 4, "holds no folders"),
    ],
)
def test_folders_that_are_no_classes(
    tmp_path: Path, folders: list[str], class_map: str | None, classes: int, words: str
) -> None:
    write_images(tmp_path, folders)
    if class_map is not None:
        (tmp_path / CLASS_MAP).write_text(class_map)
    with pytest.raises(SpecError, match=words):
        choose_images(spec(tmp_path), classes)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such directory"):
        class_folders(tmp_path / "absent")


def test_folders_without_an_image(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b"], per_folder=0)
    with pytest.raises(SpecError, match="no image in it"):
        choose_images(spec(tmp_path), classes=2)


def test_without_a_classifier_folders_need_no_class(tmp_path: Path) -> None:
    assert choose_images(spec(write_images(tmp_path, ["a", "b", "c"])), classes=None).count == 6


def test_the_choice_follows_the_seed(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b", "c"], per_folder=6)
    first = choose_images(spec(tmp_path, samples=5), classes=3)
    assert first.count == 5
    assert choose_images(spec(tmp_path, samples=5), classes=3) == first
    assert choose_images(spec(tmp_path, samples=5, seed=1), classes=3).files != first.files


def test_the_hash_follows_contents_and_classes(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b"])
    before = choose_images(spec(tmp_path), classes=3).spec
    (tmp_path / CLASS_MAP).write_text("b\na\n")
    after = choose_images(spec(tmp_path), classes=3).spec
    assert before.sha256 != after.sha256
    with pytest.raises(SpecError, match="the images have changed"):
        choose_images(before, classes=3)


def test_photos_are_preprocessed_and_damaged_ones_noted(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b"])
    (tmp_path / "a" / "0.png").write_bytes(b"no image")
    batches = list(load_batches(choose_images(spec(tmp_path), classes=2), TINY, SHAPE, 1))
    assert [len(batch.images) for batch in batches] == [0, 1, 1, 1]
    assert "image left out" in batches[0].notes[0]
    assert "0.png" in batches[0].notes[0]
    pixels, found = batches[1].images, batches[1].labels
    assert pixels.shape == (1, *SHAPE)
    assert found is not None
    assert found.tolist() == [0]
    # One colour, (0, 40, 99), normalised by the model's mean and deviation of 0.5.
    np.testing.assert_allclose(pixels[0, :, 0, 0], (np.array([0, 40, 99]) / 255 - 0.5) / 0.5, atol=1e-6)


def test_timm_is_imported_before_a_thread_reads_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = SimpleNamespace(manifest=SimpleNamespace(outputs=[SimpleNamespace(name="logits", shape=(1, 1))]))
    monkeypatch.setattr(import_module("trtbench.verify.verify"), "export", lambda *_: (onnx, False))
    monkeypatch.delitem(sys.modules, "trtbench.verify.preprocess", raising=False)
    asked = spec(write_images(tmp_path, ["a"]))
    load_reference(ExportSpec(recipe=Recipe(Precision.FP16)), Store(tmp_path), asked, silent)
    assert "trtbench.verify.preprocess" in sys.modules
