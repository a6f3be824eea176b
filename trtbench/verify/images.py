"""Which images verification runs on, and the class of each."""

import os
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trtbench.errors import ArtifactError, SpecError
from trtbench.export.calibration import IMAGE_SUFFIXES, image_files, resolve_calibration
from trtbench.host.untrusted_files import TEXT_BYTES, read_untrusted
from trtbench.specs import CalibrationSpec, InputsSpec, ModelSpec
from trtbench.store.files import file_record
from trtbench.units import format_count

CLASS_MAP = "class_map.txt"
"""Optional file beside the class folders, as timm takes it: a folder name a line, in the order of classes."""

_SYNSET = re.compile(r"n\d{8}")
_SHOWN = 3


@dataclass(frozen=True)
class VerificationImages:
    """The chosen images: files with their classes, none for synthetic images; ``spec`` carries their hash.

    Images of a calibration have no class.

    ``notes`` say where the class of a folder is a guess.
    """

    spec: InputsSpec
    files: tuple[tuple[Path, int | None], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many images there are."""
        return self.spec.samples if self.spec.directory is None else len(self.files)


@dataclass(frozen=True)
class ImageBatch:
    """Images ``(B, C, H, W)``; ``labels`` ``(B,)`` are absent where no class is known."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64] | None
    notes: tuple[str, ...] = ()


def class_folders(directory: Path) -> tuple[Path, ...]:
    """Folders of a directory in ImageNet's layout, one a class, sorted by name; hidden ones are no classes.

    Raises:
        SpecError: no such directory, or it holds no folder.
    """
    if not directory.is_dir():
        raise SpecError(
            f"image folder {directory}: no such directory; name one with a folder of images for each class"
        )
    folders = tuple(sorted(path for path in directory.iterdir() if path.is_dir() and path.name[0] != "."))
    if not folders:
        raise SpecError(f"image folder {directory}: holds no folders: it needs one of images for each class")
    return folders


def choose_images(spec: InputsSpec, classes: int | None) -> VerificationImages:
    """Choose ``spec.samples`` images by ``spec.seed``, find the class of each, and hash them.

    Args:
        spec: what is asked for.
        classes: how many the model has; None if it is not a classifier, so that any folders will do.

    Raises:
        SpecError: there are no images, more folders than classes, a folder whose class is unknown, or the
            images are not those of ``spec.sha256``.
    """
    if spec.directory is None:
        return VerificationImages(spec.model_copy(update={"sha256": None}))
    if spec.is_calibration:
        return _calibration_images(spec)
    directory = Path(spec.directory)
    images = {folder.name: _image_files(folder) for folder in class_folders(directory)}
    if not any(images.values()):
        raise SpecError(
            f"image folder {directory}: no image in it (looked for {', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    index_of, notes = _class_indices(directory, images, classes)
    files = [(path, index_of[name]) for name, paths in images.items() for path in paths]
    if len(files) > spec.samples:
        files = sorted(random.Random(spec.seed).sample(files, spec.samples))  # noqa: S311
    found = _hash(directory, files)
    if spec.sha256 not in (None, found):
        raise SpecError(
            f"image folder {directory}: its images have the sha256 {found}, the spec says {spec.sha256}: "
            "the images have changed; remove sha256 to use them"
        )
    return VerificationImages(spec.model_copy(update={"sha256": found}), tuple(files), notes)


def _calibration_images(spec: InputsSpec) -> VerificationImages:
    """Those that calibrate the quantizers where as many are asked for, with the same seed."""
    chosen = resolve_calibration(CalibrationSpec(**spec.model_dump(exclude={"is_calibration"})))
    files = tuple((path, None) for path in chosen.paths)
    return VerificationImages(spec.model_copy(update={"sha256": chosen.spec.sha256}), files, chosen.notes)


def load_batches(
    images: VerificationImages, model: ModelSpec, shape: tuple[int, ...], size: int
) -> Iterator[ImageBatch]:
    """Yield up to ``size`` images of ``shape`` ``(C, H, W)`` at a time, preprocessed for ``model``.

    Synthetic images are normal noise of mean 0 and deviation 1, which is what timm normalises photos to. A
    batch may be empty where files cannot be read; its notes say so.
    """
    if images.spec.directory is not None:
        yield from _read_batches(images.files, model, shape, size)
        return
    for start in range(0, images.spec.samples, size):
        indices = range(start, min(start + size, images.spec.samples))
        generators = [np.random.default_rng((images.spec.seed, index)) for index in indices]
        yield ImageBatch(np.stack([each.standard_normal(shape, np.float32) for each in generators]), None)


def _read_batches(
    files: Sequence[tuple[Path, int | None]], model: ModelSpec, shape: tuple[int, ...], size: int
) -> Iterator[ImageBatch]:
    from trtbench.verify.preprocess import Preprocessor

    preprocess = Preprocessor(model, shape)
    for start in range(0, len(files), size):
        read = [(preprocess(path), label) for path, label in files[start : start + size]]
        pixels = [image for image, _ in read if not isinstance(image, str)]
        labels = [label for image, label in read if not isinstance(image, str)]
        yield ImageBatch(
            np.stack(pixels) if pixels else np.empty((0, *shape), np.float32),
            None if None in labels else np.array(labels, np.int64),
            tuple(note for note, _ in read if isinstance(note, str)),
        )


def _class_indices(
    directory: Path, images: Mapping[str, Sequence[Path]], classes: int | None
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Class of each folder, and a note if it is a guess.

    A class map names the classes, or else ImageNet's synsets do, as far as the number of classes shows which
    ImageNet it is. All other folders are classes in the natural order of their names, as timm counts them.
    """
    names = [name for name, paths in images.items() if paths]
    if classes is None:
        return dict.fromkeys(names, 0), ()
    if len(images) == classes:
        names = list(images)  # a class without an image is one, too
    if len(names) > classes:
        raise SpecError(
            f"image folder {directory}: {len(names)} class folders, but the model has {classes} classes"
        )
    source, known = CLASS_MAP, _class_map(directory)
    if not known:
        source, known = _imagenet(names, classes)
    if not known:
        return _by_position(directory, names, classes)
    index_of = {name: index for index, name in enumerate(known)}
    unknown = [name for name in names if name not in index_of]
    if unknown:
        shown = ", ".join(unknown[:_SHOWN]) + (", ..." if len(unknown) > _SHOWN else "")
        raise SpecError(f"image folder {directory}: folders that are not classes of {source}: {shown}")
    beyond = [name for name in names if index_of[name] >= classes]
    if beyond:
        raise SpecError(
            f"image folder {directory}: {CLASS_MAP} gives {beyond[0]} the class {index_of[beyond[0]]}, "
            f"but the model has {classes} classes, counted from 0"
        )
    return index_of, ()


def _by_position(
    directory: Path, names: Sequence[str], classes: int
) -> tuple[dict[str, int], tuple[str, ...]]:
    from timm.data import infer_imagenet_subset
    from timm.utils.misc import natural_key

    ordered = sorted(names, key=natural_key)
    index_of = {name: index for index, name in enumerate(ordered)}
    subset = infer_imagenet_subset({"num_classes": classes})
    if len(names) == classes and subset is None:
        return index_of, ()
    what = (
        format_count(len(names), "class folder")
        if subset is None
        else f"folders that are not named as {subset}'s classes"
    )
    last = f" and {ordered[-1]} as class {len(ordered) - 1}" if len(ordered) > 1 else ""
    return index_of, (
        f"image folder {directory}: {what} for a model of {classes} classes: {ordered[0]} is taken as class 0"
        f"{last}; name all classes in {CLASS_MAP} if that is wrong",
    )


def _class_map(directory: Path) -> list[str]:
    path = directory / CLASS_MAP
    if not path.is_file():
        return []
    try:
        names = [line.strip() for line in read_untrusted(path, TEXT_BYTES).decode().splitlines()]
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not text in UTF-8: {error}") from error
    repeated = {name for name in names if names.count(name) > 1}
    if repeated or not all(names):
        what = f"names {sorted(repeated)[0]!r} twice" if repeated else "has an empty line"
        raise SpecError(f"{path}: {what}: write one folder name a line, in the order of the classes")
    return names


def _imagenet(names: Sequence[str], classes: int) -> tuple[str, list[str]]:
    """Name of the ImageNet of so many classes and its synsets in order; none if no folder is a synset."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": classes})
    if subset is None or not any(_SYNSET.fullmatch(name) for name in names):
        return "", []
    return subset, list(ImageNetInfo(subset).label_names())


def _image_files(folder: Path) -> list[Path]:
    try:
        return image_files(folder)
    except OSError as error:
        raise SpecError(f"image folder {folder}: cannot be listed: {error.strerror}") from error


def _hash(directory: Path, files: Sequence[tuple[Path, int]]) -> str:
    digest = sha256()
    for path, label in files:
        try:
            content = file_record(path).sha256
        except ArtifactError as error:
            raise SpecError(f"image folder {directory}: {error}") from error
        digest.update(os.fsencode(path.relative_to(directory)) + f"\0{label}\0{content}\n".encode())
    return digest.hexdigest()
