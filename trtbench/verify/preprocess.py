"""Photos as a model's own evaluation takes them; imports torch and timm."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from trtbench.export.images import evaluation_transform, read_image
from trtbench.export.model import image_shape, meta_model
from trtbench.specs import ModelSpec


class Preprocessor:
    """timm's evaluation transform: resize, crop and normalise as the model's configuration says."""

    def __init__(self, spec: ModelSpec) -> None:
        model = meta_model(spec)
        self._transform, self._channels = evaluation_transform(model), image_shape(model)[0]

    def __call__(self, path: Path) -> npt.NDArray[np.float32] | str:
        """Image ``(C, H, W)``, or a note that it cannot be read."""
        image = read_image(path, self._transform, self._channels)
        return image if isinstance(image, str) else image.numpy()
