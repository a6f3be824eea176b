"""Names of files that are compared in place of recipes."""

from pathlib import Path

import pytest

from trtbench.store.paths import labels_of_paths


def test_what_lies_in_the_working_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "vit-fp16-b1-0123"
    folder.mkdir()
    for name in ("model.onnx", "manifest.json"):
        (folder / name).touch()
    (tmp_path / "bare.onnx").touch()
    monkeypatch.chdir(folder)
    assert labels_of_paths([Path("model.onnx")]) == labels_of_paths([Path()]) == ["vit-fp16-b1-0123"]
    assert labels_of_paths([Path("../bare.onnx"), Path()]) == ["bare", "vit-fp16-b1-0123"]
