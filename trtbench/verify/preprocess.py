"""Photos as a model's own evaluation takes them; imports torch and timm."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from trtbench.export.images import read_image, transform_of
from trtbench.export.model import configured_model
from trtbench.specs import ModelSpec


class Preprocessor:
    """timm's evaluation transform: resize, crop and normalise as the model's configuration says.

    Args:
        spec: the model.
        shape: of its images, ``(C, H, W)``.
    """

    def __init__(self, spec: ModelSpec, shape: tuple[int, ...]) -> None:
        self._transform, self._channels = transform_of(configured_model(spec), shape), shape[0]

    def __call__(self, path: Path) -> npt.NDArray[np.float32] | str:
        """Image ``(C, H, W)``, or a note that it cannot be read."""
        image = read_image(path, self._transform, self._channels)
        return image if isinstance(image, str) else image.numpy()
