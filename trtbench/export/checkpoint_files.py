"""Which files a checkpoint is: one file, shards with an index, or a folder of Hugging Face's; no torch."""

from hashlib import sha256
from pathlib import Path

from trtbench.errors import SpecError
from trtbench.host.json_text import parse_foreign_json
from trtbench.host.untrusted_files import TEXT_BYTES, read_untrusted
from trtbench.store.files import file_record, reading

_INDEX = ".index.json"
_CONFIG = "config.json"
_NAMES = (
    "model.safetensors",
    f"model.safetensors{_INDEX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{_INDEX}",
    "model.pth",
)


def weight_files(path: Path) -> tuple[Path, ...]:
    """Files with the weights of a checkpoint: itself, the shards of an index, or those of a folder.

    Raises:
        SpecError: there is no such file, no known one in the folder, or the index is not one.
        ArtifactError: the index cannot be read.
    """
    if path.is_dir():
        found = next((path / name for name in _NAMES if (path / name).is_file()), None)
        if found is None:
            raise SpecError(f"--checkpoint {path}: holds none of {', '.join(_NAMES)}; name the file itself")
        return weight_files(found)
    if not path.is_file():
        raise SpecError(f"--checkpoint {path}: no such file")
    return _shards(path) if path.name.endswith(_INDEX) else (path,)


def weights_sha256(path: Path) -> str:
    """SHA-256 of a checkpoint: that of its file, or of the hashes of its files and its configuration.

    Raises:
        SpecError: as ``weight_files``.
        ArtifactError: a file cannot be read.
    """
    files = weight_files(path)
    if files == (path,):
        return file_record(path).sha256
    config = path / _CONFIG
    records = [file_record(file) for file in (*files, *([config] if config.is_file() else []))]
    return sha256("".join(f"{record.name}\0{record.sha256}\n" for record in records).encode()).hexdigest()


def configuration(path: Path) -> dict[str, object]:
    """What ``config.json`` of a checkpoint's folder says; empty without one.

    Raises:
        SpecError: it is not JSON.
        ArtifactError: it cannot be read.
    """
    config = path / _CONFIG
    return _object(config) if config.is_file() else {}


def _shards(index: Path) -> tuple[Path, ...]:
    shards = _object(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise SpecError(f"--checkpoint {index}: has no weight_map, so it is not an index of shards")
    names = sorted({str(name) for name in shards.values()})
    elsewhere = [name for name in names if Path(name).name != name]
    if elsewhere:
        raise SpecError(f"--checkpoint {index}: {elsewhere[0]!r} is not beside it, as a shard must be")
    files = tuple(index.parent / name for name in names)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise SpecError(f"--checkpoint {index}: {missing[0]} is missing beside it; download it, too")
    return files


def _object(path: Path) -> dict[str, object]:
    try:
        with reading(path):
            content = parse_foreign_json(read_untrusted(path, TEXT_BYTES))
    except ValueError as error:
        raise SpecError(f"--checkpoint {path}: invalid JSON: {error}") from error
    return content if isinstance(content, dict) else {}
