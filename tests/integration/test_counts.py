"""One comparison does each thing once, with the real exporter, compiler and runtime."""

from collections import Counter
from pathlib import Path

import pytest
from support.grids import exports
from support.scripted import BENCH

from trtbench.compare import compare, fidelity, grid, make
from trtbench.export import pipeline
from trtbench.specs import Grid
from trtbench.store import files
from trtbench.store.artifacts import Store

WORDS, BATCHES = ("fp16", "nvfp4"), (1, 2)
CELLS = len(WORDS) * len(BATCHES)
MODEL = {"name": "vit_tiny_patch16_224", "overrides": (("depth", 1),), "img_size": 32}


@pytest.fixture
def counted(monkeypatch):
    """How often each function ran, and each file was hashed."""
    calls: Counter[str] = Counter()

    def count(module, name, key=lambda *arguments: ""):
        original = getattr(module, name)

        def counting(*arguments, **named):
            calls[f"{name} {key(*arguments)}".strip()] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(module, name, counting)

    count(make, "export")
    count(make, "build")
    count(make, "inspect_engine")
    count(fidelity, "fidelity_of")
    count(fidelity, "load_reference")
    count(pipeline, "run")
    count(grid, "collect_environment")
    count(files, "_hash", key=lambda file: str(file.name))
    return calls


def test_each_cell_is_made_once_and_each_file_hashed_once(counted, tmp_path):
    store = Store(tmp_path)
    asked = Grid(exports=exports(*WORDS, batches=BATCHES, **MODEL), bench=BENCH)
    assert not compare(asked, store).has_failed
    once = {"load_reference": 1, "collect_environment": 1}
    stages = {"export": CELLS, "build": CELLS, "inspect_engine": CELLS, "fidelity_of": CELLS}
    expect(counted, {**stages, **once, "run": CELLS + 1})  # and the FP32 model
    counted.clear()
    files._hashed.clear()  # as in a new process
    assert not compare(asked, store).has_failed
    expect(counted, {**stages, **once, "run": 0})


def expect(counted, calls):
    assert {name: counted[name] for name in calls} == calls
    hashed = {name: count for name, count in counted.items() if name.startswith("_hash")}
    assert {Path(name.split()[1]).name for name in hashed} >= {"model.onnx", "model.engine"}
    assert {name: count for name, count in hashed.items() if count > 1} == {}
