"""The documentation builds: links, references, contents and what is generated from the code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the documentation is built on Python 3.11 and later")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(ROOT / "docs"), str(tmp_path)]
    built = subprocess.run(command, env={**os.environ, "COLUMNS": "80"}, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert "GEMM_FELL_BACK" in (tmp_path / "reference" / "findings.html").read_text()
    assert "--token-reduction" in (tmp_path / "reference" / "commands.html").read_text()
    assert "trtbench.api.compare" in (tmp_path / "reference" / "api.html").read_text()
