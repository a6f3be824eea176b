"""Paths of this machine, taken out of what leaves it."""

from collections.abc import Iterable
from pathlib import Path

from trtbench.results import EngineManifest, OnnxManifest
from trtbench.specs import ExportSpec


def without_folders(text: str, folders: Iterable[Path]) -> str:
    """Cut these folders off the front of paths, the longest first: what is left begins inside them."""
    names = {str(each) for folder in folders for each in (folder, folder.absolute(), folder.resolve())}
    for name in sorted(names - {"/", "."}, key=len, reverse=True):
        text = text.replace(f"{name}/", "")
    return text


def folders_of(export: ExportSpec | None) -> list[Path]:
    """Where the weights and the calibration images of an export lie, and where the user works."""
    folders = [Path.home(), Path.cwd()]
    if export is None:
        return folders
    if export.model.checkpoint is not None:
        folders.append(Path(export.model.checkpoint.path).parent)
    if export.model.source is not None and export.model.source.kind != "function":
        folders.append(Path(export.model.source.path).parent)
    if export.calibration is not None and export.calibration.directory is not None:
        folders.append(Path(export.calibration.directory).parent)
    return folders


def public_onnx(manifest: OnnxManifest, folders: Iterable[Path]) -> OnnxManifest:
    """The manifest without folders."""
    return OnnxManifest.model_validate_json(without_folders(manifest.model_dump_json(), folders))


def public_engine(manifest: EngineManifest, onnx_path: str, folders: Iterable[Path]) -> EngineManifest:
    """The manifest without folders and without the command that built; its model is at ``onnx_path``."""
    bare = manifest.model_copy(update={"command": (), "onnx_path": onnx_path})
    return EngineManifest.model_validate_json(without_folders(bare.model_dump_json(), folders))
