"""Verifying beside exports: one job a file, rows reported at the end, nothing left running."""

from importlib import import_module
from threading import Event, current_thread, main_thread
from types import SimpleNamespace

import pytest
from support.grids import grid_of, install_no_gpu

from trtbench.compare.files import File
from trtbench.compare.grid import prepared_cells
from trtbench.errors import ArtifactError, SpecError
from trtbench.host.processes import raise_if_cancelled
from trtbench.progress import silent
from trtbench.results import Fidelity
from trtbench.store.artifacts import Store

STAGE = import_module("trtbench.compare.fidelity")


def artifact(sha256):
    return SimpleNamespace(manifest=SimpleNamespace(files=[SimpleNamespace(sha256=sha256)]))


@pytest.fixture
def cells(tmp_path, monkeypatch):
    install_no_gpu(monkeypatch)
    monkeypatch.setattr(STAGE, "load_reference", lambda *_, **__: object())
    found = prepared_cells(grid_of("fp16", "nvfp4", "fp8"), Store(tmp_path), silent)
    for cell, sha256 in zip(found, ("a", "b", "b"), strict=True):
        cell.onnx = artifact(sha256)
    return found


def verifying(cells, tmp_path):
    return STAGE.verifying(cells, grid_of("fp16").inputs, Store(tmp_path), silent)


def test_each_file_is_verified_once_beside_the_exports(cells, tmp_path, monkeypatch):
    threads, may_end = [], Event()

    def fidelity_of(onnx, reference, store, on_step):
        assert may_end.wait(30)
        threads.append(current_thread())
        return Fidelity.model_construct(sqnr_db=float(len(threads)))

    monkeypatch.setattr(STAGE, "fidelity_of", fidelity_of)
    with verifying(cells, tmp_path) as verify:
        for cell in cells:
            verify([cell])
        assert [cell.row.fidelity for cell in cells] == [None] * 3
        may_end.set()  # only now: the exports did not wait
    assert [cell.row.fidelity.sqnr_db for cell in cells] == [1.0, 2.0, 2.0]
    assert len(threads) == 2
    assert main_thread() not in threads


def test_what_cannot_be_verified_is_a_finding_of_its_row(cells, tmp_path, monkeypatch):
    def fidelity_of(onnx, reference, store, on_step):
        if onnx is cells[0].onnx:
            raise ArtifactError("the output is infinite")
        return Fidelity.model_construct(sqnr_db=1.0)

    monkeypatch.setattr(STAGE, "fidelity_of", fidelity_of)
    with verifying(cells, tmp_path) as verify:
        verify(cells)
    assert [cell.row.fidelity is None for cell in cells] == [True, False, False]
    (finding,) = cells[0].row.findings
    assert (finding.code, "the output is infinite" in finding.message) == ("FIDELITY_UNKNOWN", True)


def test_a_file_is_compared_with_the_fp32_model_of_the_recipes(cells, tmp_path, monkeypatch):
    manifest = SimpleNamespace(spec=SimpleNamespace(model=SimpleNamespace(name="vit")))
    reference = SimpleNamespace(onnx=SimpleNamespace(manifest=manifest))
    monkeypatch.setattr(STAGE, "load_reference", lambda *_, **__: reference)
    monkeypatch.setattr(STAGE, "fidelity_of", lambda *_: Fidelity.model_construct(sqnr_db=20.0, notes=()))
    beside, own, other = cells
    for cell, name in ((own, "own"), (other, "text")):
        cell.beside, cell.export, cell.onnx = beside.export, None, None
        cell.file = File(name, tmp_path / f"{name}.onnx")

    def open_given(path, _size):
        if path.stem == "text":
            raise SpecError("takes no images")
        return artifact("c")

    monkeypatch.setattr(STAGE, "open_given", open_given)
    with verifying(cells, tmp_path) as verify:
        verify(cells)
    assert own.row.fidelity.sqnr_db == 20.0
    assert own.row.fidelity.notes == ("own is compared with the FP32 model of the recipes, vit",)
    (finding,) = other.row.findings
    assert (finding.code, "takes no images" in finding.message) == ("FIDELITY_UNKNOWN", True)


def test_images_that_cannot_be_read_end_the_comparison(cells, tmp_path, monkeypatch):
    def fidelity_of(onnx, reference, store, on_step):
        raise SpecError("image folder /val: none of the files is an image: x.png")

    monkeypatch.setattr(STAGE, "fidelity_of", fidelity_of)
    with (
        pytest.raises(SpecError, match="none of the files is an image"),
        verifying(cells, tmp_path) as verify,
    ):
        verify(cells)


def test_an_interruption_ends_the_running_job_and_starts_no_other(cells, tmp_path, monkeypatch):
    begun, ended = Event(), []

    def fidelity_of(onnx, reference, store, on_step):
        begun.set()
        try:
            while True:
                raise_if_cancelled()
        finally:
            ended.append(onnx)

    monkeypatch.setattr(STAGE, "fidelity_of", fidelity_of)

    def interrupted():
        with verifying(cells, tmp_path) as verify:
            verify(cells)
            assert begun.wait(30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ended == [cells[0].onnx]
