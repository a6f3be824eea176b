"""One comparison does each thing once, with the real exporter, compiler and runtime."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from support.grids import exports
from support.scripted import BENCH

from trtbench.compare import compare, fidelity, grid, make
from trtbench.export import pipeline
from trtbench.specs import Grid, InputsSpec
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
    assert not any("-fp32-" in name for name in counted)  # its results are known, so nothing reads the file


def test_a_damaged_reference_is_made_again_when_it_is_read(tmp_path):
    store = Store(tmp_path)
    of = partial(Grid, inputs=InputsSpec(samples=1))
    first = compare(of(exports=exports("fp16", **MODEL)), store)
    (reference,) = (tmp_path / "models").glob("*-fp32-*/model.onnx")
    content = reference.read_bytes()
    reference.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert compare(of(exports=exports("fp16", **MODEL)), store).rows == first.rows
    both = compare(of(exports=exports("fp16", "bf16", **MODEL)), store)
    assert len({row.fidelity.reference.sha256 for row in (*first.rows, *both.rows)}) == 1
    assert reference.read_bytes() == content


def expect(counted, calls):
    assert {name: counted[name] for name in calls} == calls
    hashed = {name: count for name, count in counted.items() if name.startswith("_hash")}
    assert {Path(name.split()[1]).name for name in hashed} >= {"model.onnx", "model.engine"}
    assert {name: count for name, count in hashed.items() if count > 1} == {}
