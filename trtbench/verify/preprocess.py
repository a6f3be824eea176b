"""Photos as a model's own evaluation takes them; imports torch and timm."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from trtbench.export.model import image_shape, meta_model
from trtbench.specs import ModelSpec


class Preprocessor:
    """timm's evaluation transform: resize, crop and normalise as the model's configuration says."""

    def __init__(self, spec: ModelSpec) -> None:
        model = meta_model(spec)
        config = {**resolve_model_data_config(model), "input_size": image_shape(model)}
        self._transform = create_transform(**config, is_training=False)

    def __call__(self, path: Path) -> npt.NDArray[np.float32] | str:
        """Image ``(C, H, W)``, or a note that it cannot be read."""
        try:
            with Image.open(path) as image:
                pixels: npt.NDArray[np.float32] = self._transform(image.convert("RGB")).numpy()
        # Pillow's decoders raise any of these for a damaged file.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            return f"image left out: {path}: {error}"
        return pixels
