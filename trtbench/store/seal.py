"""Tells the engines that this user built from others: loading an engine can run its maker's code.

Beside each engine that trtbench builds lies ``seal``, the HMAC-SHA256 of the manifest under the user's key
(see ``key.py``); the manifest has the SHA-256 of every file. An engine that was changed, or comes from
elsewhere, has no such seal. What is compiled from an engine later, and loaded with it, has its seal in front.
"""

import hmac
from hashlib import sha256
from pathlib import Path

from trtbench.host.untrusted_files import TEXT_BYTES, read_untrusted
from trtbench.store.key import read_key, read_or_make_key

_SEAL_NAME = "seal"
_SEAL_BYTES = sha256().digest_size
_OLD_KEY_NAME = ".key"


def write_seal(manifest: Path) -> None:
    """Seal the artifact of ``manifest`` as made by this user.

    Raises:
        ArtifactError: the key is unfit, or cannot be made.
        OSError: the seal cannot be written.
    """
    digest = _seal(read_or_make_key(), manifest.read_bytes())
    manifest.with_name(_SEAL_NAME).write_text(f"{digest}\n", encoding="ascii")


def has_seal(manifest: Path, content: bytes) -> bool:
    """Whether this user made the artifact of ``manifest``, a file that holds ``content``.

    Raises:
        ArtifactError: the key is unfit.
    """
    key = read_key()
    if key is None:
        return False
    try:
        seal = read_untrusted(manifest.with_name(_SEAL_NAME), TEXT_BYTES, inside=[manifest.parent])
    except OSError:
        return False
    return hmac.compare_digest(seal.strip(), _seal(key, content).encode())


def sealed(engine_sha256: str, content: bytes) -> bytes | None:
    """Put a seal in front of what was compiled from an engine; None where there is no key, as in containers.

    One file has both, so that processes that write it at once leave no seal of another's content.

    Raises:
        ArtifactError: the key is unfit.
    """
    key = read_key()
    return None if key is None else _seal_of_content(key, engine_sha256, content) + content


def unsealed(engine_sha256: str, data: bytes) -> bytes | None:
    """Take the seal off what ``sealed`` made; None if this user did not make it, or not from this engine.

    Raises:
        ArtifactError: the key is unfit.
    """
    key = read_key()
    seal, content = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
    if key is None or not hmac.compare_digest(seal, _seal_of_content(key, engine_sha256, content)):
        return None
    return content


def has_old_key(engines: Path) -> bool:
    """Whether an older trtbench sealed engines in this folder, by a key in it that anyone can bring along."""
    return (engines / _OLD_KEY_NAME).exists()


def _seal(key: bytes, manifest: bytes) -> str:
    return hmac.new(key, manifest, sha256).hexdigest()


def _seal_of_content(key: bytes, engine_sha256: str, content: bytes) -> bytes:
    # No manifest begins like this, so neither seal can stand for the other.
    seal = hmac.new(key, f"compiled from {engine_sha256}\n".encode(), sha256)
    seal.update(content)
    return seal.digest()
