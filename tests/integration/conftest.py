import os

import pytest

from trtbench.store.artifacts import Store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all workers and files: a model is exported and built once, whoever needs it."""
    folder = tmp_path_factory.getbasetemp()
    root = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "store"
    root.mkdir(exist_ok=True)  # some tests work in it, whether or not others came before
    return Store(root)
