"""A Vision Transformer named by its sizes: ``vit16x12x768`` is patches of 16 pixels, 12 blocks, width 768.

Everything else is that of ViT-B: class token, learned positions, an MLP of four times the width. A head is
64 wide, unless the number of heads is overridden.
"""

import re

from trtbench.specs.base import Scalar, Spec

HEAD_WIDTH = 64

_CLASSES = 1000
_NAME = re.compile(r"vit([1-9]\d{0,2})x([1-9]\d{0,2})x([1-9]\d{0,4})")


class SizedViT(Spec):
    """Patch side in pixels, number of blocks, and width of the token stream."""

    patch: int
    depth: int
    width: int

    @property
    def name(self) -> str:
        """What the model is called."""
        return f"vit{self.patch}x{self.depth}x{self.width}"

    @property
    def heads(self) -> int:
        """Number of heads, unless it is overridden."""
        return max(1, self.width // HEAD_WIDTH)

    @property
    def arguments(self) -> dict[str, Scalar]:
        """Arguments of timm's constructor."""
        return {
            "patch_size": self.patch,
            "depth": self.depth,
            "embed_dim": self.width,
            "num_heads": self.heads,
        }

    def tokens(self, image: int) -> int:
        """Tokens of an image of ``image`` pixels a side, the class token among them."""
        return (image // self.patch) ** 2 + 1

    def flops(self, image: int) -> int:
        """Floating-point operations of the matrix products for one image."""
        tokens, width = self.tokens(image), self.width
        block = 24 * tokens * width**2 + 4 * tokens**2 * width
        return self.depth * block + 2 * (tokens - 1) * self._pixels * width + 2 * width * _CLASSES

    def parameters(self, image: int) -> int:
        """Weights and biases."""
        width = self.width
        block = 12 * width**2 + 13 * width
        embedding = (self._pixels + 1 + self.tokens(image) + 1) * width
        return self.depth * block + embedding + 2 * width + (width + 1) * _CLASSES

    @property
    def _pixels(self) -> int:
        """Values of one patch."""
        return 3 * self.patch**2


def sizes_of(name: str) -> SizedViT | None:
    """Read the sizes in a name such as ``vit16x12x768``; None for any other name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    patch, depth, width = map(int, match.groups())
    return SizedViT(patch=patch, depth=depth, width=width)
