"""A packed engine of a tiny ViT, unpacked on another machine with a store of its own."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

import trtbench as tb
from trtbench.results import Pack
from trtbench.store.artifacts import Store, check_built_here

TINY: dict[str, Any] = {"model": "vit_tiny_patch16_224", "overrides": {"depth": 1}, "batch": 2}


@pytest.fixture(scope="module")
def unpacked(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    tb.pack("fp16", folder / "vit.zip", **TINY, store=store.root)
    with zipfile.ZipFile(folder / "vit.zip") as archive:
        assert not any(str(store.root).encode() in archive.read(name) for name in archive.namelist())
        archive.extractall(folder)
    return folder / "vit"


def test_the_engine_is_inspected_as_at_home(unpacked: Path, store: Store) -> None:
    (engine,) = (unpacked / "engines").iterdir()
    assert tb.inspect(engine) == tb.inspect(store.root / "engines" / engine.name)


def test_another_store_builds_from_the_model(unpacked: Path, tmp_path: Path) -> None:
    (model,) = (unpacked / "models").iterdir()
    built = tb.build(model, store=tmp_path)
    assert built.directory.is_relative_to(tmp_path)
    check_built_here(built)
    assert [row["what"] for row in tb.ls(unpacked).to_rows()] == ["model", "engine"]


def test_the_description_has_timms_configuration(unpacked: Path) -> None:
    packed = tb.load(unpacked / "pack.json")
    assert isinstance(packed, Pack)
    assert packed.preprocessing is not None
    assert packed.preprocessing.input_size == (3, 224, 224)
    assert packed.preprocessing.mean == (0.5, 0.5, 0.5)
    assert packed.class_names == ()
