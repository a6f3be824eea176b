"""Design rules for quantised Vision Transformers, judged before anything is exported or built."""

from trtbench.lint.lint import lint

__all__ = ["lint"]
