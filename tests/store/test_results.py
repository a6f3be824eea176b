"""A result is saved whole, in place of the older one, or the older one stays."""

from pathlib import Path

import pytest
from test_artifacts import visible_and_work

from trtbench.errors import ArtifactError, Code
from trtbench.results import Finding
from trtbench.store.artifacts import Store
from trtbench.store.results import save_result


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_save_result_replaces_the_older_one(store: Store) -> None:
    finding = Finding(code=Code.NOISY, severity="info", message="m", hint="h")
    path = save_result(store, "compare", finding)
    assert path == store.root / "results" / "compare.json"
    assert Finding.model_validate_json(path.read_text()) == finding
    newer = finding.model_copy(update={"code": Code.THROTTLED})
    with path.open() as reader:
        assert save_result(store, "compare", newer) == path
        assert Finding.model_validate_json(reader.read()) == finding
    assert Finding.model_validate_json(path.read_text()) == newer
    assert visible_and_work(store.root / "results") == {"compare.json"}


def test_full_disk_keeps_the_older_result(small_disk: Path) -> None:
    store = Store(small_disk)
    finding = Finding(code=Code.NOISY, severity="info", message="m", hint="h")
    path = save_result(store, "compare", finding)
    with pytest.raises(ArtifactError, match="No space left on device"):
        save_result(store, "compare", finding.model_copy(update={"message": "m" * 1_000_000}))
    assert Finding.model_validate_json(path.read_text()) == finding
    assert visible_and_work(store.root / "results") == {"compare.json"}


def test_leftover_of_a_killed_save_goes(store: Store) -> None:
    results = store.root / "results"
    results.mkdir(parents=True)
    (results / ".tmp-results-0a1b2c3d").write_text("{")
    save_result(store, "compare", Finding(code=Code.NOISY, severity="info", message="m", hint="h"))
    assert visible_and_work(results) == {"compare.json"}
