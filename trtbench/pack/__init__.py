"""The stage ``pack``: an engine with all that another machine needs, in one zip file."""

from trtbench.pack.pack import check_path, pack

__all__ = ["check_path", "pack"]
