"""Which images calibrate the quantizers; finds and hashes files, imports no torch."""

import os
import random
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from trtbench.errors import ArtifactError, SpecError
from trtbench.specs import CalibrationSpec
from trtbench.specs.recipe import Precision, Recipe
from trtbench.store.files import file_record

ARRAY_SUFFIX = ".npy"
"""Of images with any number of channels, as numpy writes them."""
IMAGE_SUFFIXES = frozenset(
    {ARRAY_SUFFIX, ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
_STATIC_ACTIVATION_SCALES = frozenset({Precision.INT8, Precision.FP8, Precision.NVFP4})


@dataclass(frozen=True)
class CalibrationImages:
    """The chosen images: files, or none for synthetic images; ``spec`` carries their hash."""

    spec: CalibrationSpec
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def needs_calibration(recipe: Recipe, sparsity_method: str | None) -> bool:
    """Whether images affect the weights or scales; MXFP8 finds its scales as it runs."""
    static_scales = recipe.fp8attn or bool(_STATIC_ACTIVATION_SCALES.intersection(recipe.precisions))
    return static_scales or (recipe.sparse and sparsity_method == "sparsegpt")


def resolve_calibration(spec: CalibrationSpec) -> CalibrationImages:
    """Choose ``spec.samples`` images of the folder, below it too, by ``spec.seed``, and hash them.

    Raises:
        SpecError: there is no such folder, no image in it, or they are not those of ``spec.sha256``.
    """
    if spec.directory is None:
        return CalibrationImages(spec.model_copy(update={"sha256": None}), ())
    folder = Path(spec.directory)
    chosen = _choose(_images_in(folder), spec)
    digest, unreadable = sha256(), []
    for path in chosen:
        try:
            content = file_record(path).sha256
        except ArtifactError as error:
            unreadable.append((path, f"calibration image left out: {printable(error)}"))
            continue
        digest.update(os.fsencode(path.relative_to(folder)) + f"\0{content}\n".encode())
    left_out = {path for path, _ in unreadable}
    paths = tuple(path for path in chosen if path not in left_out)
    if not paths:
        raise SpecError(f"calibration folder {folder}: none of its images can be read: {unreadable[0][1]}")
    found = digest.hexdigest()
    if spec.sha256 not in (None, found):
        raise SpecError(
            f"calibration folder {folder}: its images have the sha256 {found}, the spec says {spec.sha256}: "
            "the images have changed; remove sha256 to use them"
        )
    return CalibrationImages(
        spec.model_copy(update={"sha256": found}), paths, tuple(note for _, note in unreadable)
    )


def image_files(folder: Path) -> list[Path]:
    """Files below a folder whose names end like images, sorted; linked folders are followed, each once.

    Raises:
        OSError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(root, name) for name in files]
    return sorted(path for path in found if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def printable(text: object) -> str:
    """Write bytes of file names that are not UTF-8 as escapes: results cannot hold them."""
    return str(text).encode(errors="surrogateescape").decode(errors="backslashreplace")


def _images_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SpecError(f"calibration folder {folder}: no such directory; name a folder of images")
    try:
        images = image_files(folder)
    except OSError as error:
        raise SpecError(f"calibration folder {folder}: cannot be listed: {error.strerror}") from error
    if not images:
        raise SpecError(
            f"calibration folder {folder}: holds no image (looked for {', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return images


def _choose(images: list[Path], spec: CalibrationSpec) -> list[Path]:
    """A seeded choice does not follow the order of classes that a sorted list of files has."""
    if len(images) <= spec.samples:
        return images
    return sorted(random.Random(spec.seed).sample(images, spec.samples))  # noqa: S311
