"""A search over recipes: estimated from parts, confirmed on whole models, timed where a GPU is here."""

from trtbench.tune.tune import tune

__all__ = ["tune"]
