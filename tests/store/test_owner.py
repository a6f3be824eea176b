"""Stores of other users."""

import os
from pathlib import Path

import pytest

from trtbench.errors import ArtifactError
from trtbench.store.artifacts import Store

THEM = 12345


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("models", "engines", "results"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be another user than the one who made the folders."""
    monkeypatch.setattr(os, "geteuid", lambda: THEM)


def test_a_store_of_ones_own_is_used(root: Path) -> None:
    assert Store(root).root == root


@pytest.mark.parametrize("name", ["models", "engines", "results"])
def test_a_folder_of_another_user_is_refused_with_the_remedy(name: str, tmp_path: Path, them: None) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ArtifactError) as caught:
        Store(tmp_path)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / name}: belongs to user ")
    assert text.endswith(
        f"not to you (user {THEM}): use a store of your own with --store, or take it over with chown -R"
    )


def test_a_link_to_a_folder_of_another_user_is_refused(
    root: Path, tmp_path_factory: pytest.TempPathFactory, them: None
) -> None:
    mine = tmp_path_factory.mktemp("mine")
    (mine / "engines").symlink_to(root / "engines")
    with pytest.raises(ArtifactError, match="engines: belongs to"):
        Store(mine)


def test_a_store_may_lie_in_a_folder_of_another_user(tmp_path: Path, them: None) -> None:
    assert Store(tmp_path).root == tmp_path


def test_root_may_use_the_store_of_who_called_sudo(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = root.stat().st_uid
    if owner != 0:
        pytest.skip("needs root, to give folders away")
    for name in ("models", "engines", "results"):
        os.chown(root / name, THEM, -1)
    with pytest.raises(ArtifactError, match="belongs to user 12345"):
        Store(root)
    monkeypatch.setenv("SUDO_UID", str(THEM))
    assert Store(root).root == root


def test_another_user_gains_nothing_by_the_variable_of_sudo(
    root: Path, monkeypatch: pytest.MonkeyPatch, them: None
) -> None:
    monkeypatch.setenv("SUDO_UID", str(root.stat().st_uid))
    with pytest.raises(ArtifactError, match="belongs to"):
        Store(root)
