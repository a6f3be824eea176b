"""How Sphinx builds the documentation: ``uv run sphinx-build -W --keep-going docs build/docs``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "trtbench"
copyright = "the trtbench contributors"  # noqa: A001 (Sphinx reads this name)
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_code"]
nitpick_ignore_regex = [("py:.*", ".*")]

html_theme = "furo"
html_title = "trtbench"

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["misc.highlighting_failure"]

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
