"""The wheel of trtbench, made as other environments get it (takes uv, and hatchling from an index)."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from trtbench.environments.wheel import EXTRAS, made_wheel

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel():
    with made_wheel(lambda step: None) as made:
        yield made


def test_the_same_sources_make_the_same_wheel(wheel):
    with made_wheel(lambda step: None) as again:
        assert again.sha256 == wheel.sha256


def test_it_has_every_module_and_every_image(wheel):
    with ZipFile(wheel.path) as archive:
        names = set(archive.namelist())
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "trtbench").rglob("*.py")} <= names
    images = {f"trtbench/environments/images/{path.name}" for path in (ROOT / "containers").glob("*.yaml")}
    assert images
    assert images <= names


def test_the_extras_that_timing_needs_are_in_it(wheel):
    with ZipFile(wheel.path) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    assert f"Provides-Extra: {EXTRAS}" in text


def test_an_installed_trtbench_knows_the_images(wheel, tmp_path):
    with ZipFile(wheel.path) as archive:
        archive.extractall(tmp_path)
    code = (
        "import trtbench; from trtbench.environments.catalogue import read_catalogue, catalogue_folder;"
        "print(catalogue_folder()); print(len(read_catalogue()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, count = done.stdout.split()
    assert Path(folder) == tmp_path / "trtbench" / "environments" / "images"
    assert int(count) == len(list((ROOT / "containers").glob("*.yaml")))
