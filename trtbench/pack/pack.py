"""From an engine and its model to a zip file, whole or not at all."""

import zipfile
from pathlib import Path

from trtbench.errors import SpecError
from trtbench.pack.contents import Member, contents_of
from trtbench.progress import OnStep, Step, silent
from trtbench.results import Pack
from trtbench.store.artifacts import EngineArtifact
from trtbench.store.files import remove, sync, writing


def check_path(path: Path) -> None:
    """Refuse a zip file that cannot be written, before an engine is made for it.

    Raises:
        SpecError: its folder is missing, or it is a folder.
    """
    if not path.absolute().parent.is_dir():
        raise SpecError(f"{path}: {path.absolute().parent} is not a directory; make it, or name another")
    if path.is_dir():
        raise SpecError(f"{path}: a directory; name the file to write, such as {path / 'engine.zip'}")


def pack(engine: EngineArtifact, path: Path, on_step: OnStep = silent) -> Pack:
    """Write the engine, its model and what one must know of them to ``path``, in place of an older file.

    The zip has one folder, which is a store of its own. Folders of this machine are not in it.

    Args:
        engine: of the store, or what ``load_artifact`` gave.
        path: of the zip file.
        on_step: progress callback.

    Raises:
        SpecError: as ``check_path``.
        ArtifactError: the model of the engine is gone or damaged, or the file cannot be written.
    """
    check_path(path)
    on_step(Step("pack", f"write {path.name}"))
    packed, members = contents_of(engine, path.stem)
    work = path.with_name(f".{path.name}.part")
    try:
        with writing(path, "choose another file"):
            with zipfile.ZipFile(work, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for name, member in members.items():
                    _add(archive, f"{path.stem}/{name}", member)
            sync(work)
            work.replace(path)
    finally:
        remove(work)
    return packed


def _add(archive: zipfile.ZipFile, name: str, member: Member) -> None:
    if isinstance(member, Path):
        archive.write(member, name)
    else:
        archive.writestr(name, member)
