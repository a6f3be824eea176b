"""Errors of rows: images that cannot be read end a comparison, failures of one recipe are its finding."""

import pytest
from support.grids import grid_of, install_exports, install_no_gpu

from trtbench.compare.cells import cells_of
from trtbench.compare.fidelity import verify_cells
from trtbench.compare.make import make
from trtbench.compare.places import places_of
from trtbench.errors import ArtifactError, SpecError
from trtbench.progress import silent
from trtbench.specs import InputsSpec
from trtbench.store.artifacts import Store


@pytest.fixture
def verified(monkeypatch, tmp_path):
    """Rows of two recipes whose errors cannot be computed."""

    def verify(error):
        def fail(*_):
            raise error

        install_no_gpu(monkeypatch)
        install_exports(monkeypatch, tmp_path)
        monkeypatch.setattr("trtbench.compare.fidelity.load_reference", lambda *_: None)
        monkeypatch.setattr("trtbench.compare.fidelity.fidelity_of", fail)
        grid, store = grid_of("fp16", "fp8"), Store(tmp_path / "store")
        cells = cells_of(grid, places_of((), False, store, silent))
        make(cells, store, lambda cell: 0, silent)
        verify_cells(cells, InputsSpec(), store, silent)
        return [cell.row for cell in cells]

    return verify


def test_images_that_cannot_be_read_end_the_comparison(verified):
    with pytest.raises(SpecError, match="none of the files is an image"):
        verified(SpecError("image folder /val: none of the files is an image: x.png"))


def test_what_fails_with_a_recipe_is_its_finding(verified):
    first, _ = verified(ArtifactError("the output is infinite"))
    assert (first.status, [finding.code for finding in first.findings]) == ("ok", ["FIDELITY_UNKNOWN"])
