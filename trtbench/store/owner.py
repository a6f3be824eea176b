"""Whose a store is: who owns its folders can change what they hold, and what is judged by it."""

import os
import pwd
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trtbench.errors import ArtifactError


def check_owner(folders: Sequence[Path]) -> None:
    """Refuse folders of another user, as git does; root may use those of the user that called sudo.

    Raises:
        ArtifactError: one of those that exist is another user's.
    """
    ours = {str(os.geteuid())} | ({os.environ.get("SUDO_UID", "")} if os.geteuid() == 0 else set())
    for folder in folders:
        with suppress(OSError):
            owner = folder.stat().st_uid
            if str(owner) not in ours:
                raise ArtifactError(
                    f"{folder}: belongs to {_name_of(owner)}, who can change what it holds, not to you "
                    f"({_name_of(os.geteuid())}): use a store of your own with --store, or take it over with "
                    "chown -R"
                )


def _name_of(user: int) -> str:
    with suppress(KeyError):
        return f"user {pwd.getpwuid(user).pw_name}"
    return f"user {user}"
