"""Tells the engines that a store built from others: loading an engine can run its maker's code.

A store has a secret of its own in ``engines/.key``. Beside each engine that it builds lies ``seal``, the
HMAC-SHA256 of the manifest under that secret; the manifest has the SHA-256 of every file. An engine that was
changed, or brought along from elsewhere, has no such seal. A copy of a whole store keeps
its secret. What is compiled from an engine later, and loaded with it, has its seal in front.
"""

import hmac
import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from trtbench.errors import ArtifactError

_KEY_NAME = ".key"
_SEAL_NAME = "seal"
_KEY_BYTES = 32
_NO_SECRET = (FileNotFoundError, NotADirectoryError)
"""What reading says where no store has been yet."""
_SEAL_BYTES = sha256().digest_size


def write_seal(folder: Path, manifest: Path) -> None:
    """Seal the artifact of ``manifest`` as made by the store whose artifacts lie in ``folder``.

    Raises:
        OSError: the seal or the secret cannot be written.
    """
    digest = _seal(_key_or_new(folder / _KEY_NAME), manifest)
    manifest.with_name(_SEAL_NAME).write_text(f"{digest}\n", encoding="ascii")


def has_seal(folder: Path, manifest: Path) -> bool:
    """Whether the store whose artifacts lie in ``folder`` made the artifact of ``manifest``, as it is now.

    Raises:
        ArtifactError: the secret is another user's, or cannot be read.
    """
    try:
        key = _read_key(folder / _KEY_NAME)
        seal = manifest.with_name(_SEAL_NAME).read_bytes().strip()
        return hmac.compare_digest(seal, _seal(key, manifest).encode())
    except OSError:
        return False


def sealed(folder: Path, engine_sha256: str, content: bytes) -> bytes:
    """Put a seal in front of what was compiled from an engine of the store whose artifacts lie in ``folder``.

    One file has both, so that processes that write it at once leave no seal of another's content.

    Raises:
        ArtifactError: the secret is another user's.
        OSError: there is none, or it cannot be read.
    """
    return _seal_of_content(_read_key(folder / _KEY_NAME), engine_sha256, content) + content


def unsealed(folder: Path, engine_sha256: str, data: bytes) -> bytes | None:
    """Take the seal off what ``sealed`` made; None if this store did not make it, or not from this engine."""
    try:
        key = _read_key(folder / _KEY_NAME)
    except (ArtifactError, OSError):
        return None
    seal, content = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
    return content if hmac.compare_digest(seal, _seal_of_content(key, engine_sha256, content)) else None


def check_secret(folder: Path) -> None:
    """Look whether a seal can be made in ``folder``: better before the engine is built than after.

    Raises:
        ArtifactError: the secret is another user's, or cannot be read.
    """
    with suppress(*_NO_SECRET):
        _read_key(folder / _KEY_NAME)


def _seal(key: bytes, manifest: Path) -> str:
    return hmac.new(key, manifest.read_bytes(), sha256).hexdigest()


def _seal_of_content(key: bytes, engine_sha256: str, content: bytes) -> bytes:
    # No manifest begins like this, so neither seal can stand for the other.
    seal = hmac.new(key, f"compiled from {engine_sha256}\n".encode(), sha256)
    seal.update(content)
    return seal.digest()


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise ArtifactError(
            f"{path}: the secret that this store seals its engines with belongs to another user and cannot "
            "be read: choose a store of your own with --store"
        ) from error
    except _NO_SECRET:
        raise
    except OSError as error:
        raise ArtifactError(
            f"{path}: the secret that this store seals its engines with cannot be read: {error.strerror}: "
            "remove it, or choose another store with --store"
        ) from error


def _key_or_new(path: Path) -> bytes:
    """Read the store's secret; the first of several processes makes it, whole and for its user alone."""
    if not path.exists():
        work = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
        descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        try:
            with suppress(FileExistsError):
                os.link(work, path)
        finally:
            work.unlink()
    return _read_key(path)
