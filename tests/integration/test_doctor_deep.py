from pathlib import Path

import pytest

from trtbench.doctor.diagnose import diagnose
from trtbench.host.hardware import package_versions
from trtbench.results.doctor import Capability

pytestmark = pytest.mark.skipif(not package_versions(["nvidia-modelopt"]), reason="no trtbench[export]")


def export_row() -> Capability:
    return next(row for row in diagnose(deep=True).capabilities if row.name == "export")


def test_the_export_packages_really_import() -> None:
    row = export_row()
    assert (row.status, row.problem) == ("ok", None)
    assert "nvidia-modelopt 0.47" in str(row.version)


def test_a_package_that_is_there_but_does_not_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    row = export_row()
    assert (row.status, row.problem) == (
        "broken",
        "ImportError: libcudart.so.13: cannot open shared object file",
    )
