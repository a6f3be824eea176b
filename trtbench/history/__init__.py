"""Stored results over time: read from files, put in series, and changes marked. Nothing is built or timed."""

from trtbench.history.history import history

__all__ = ["history"]
