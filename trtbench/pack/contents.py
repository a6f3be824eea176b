"""The files of a packed engine, and their description."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import trtbench
from trtbench.audit.inspect import source_model
from trtbench.build.source import OnnxSource, source_of
from trtbench.onnx_files import read_model
from trtbench.pack.private import folders_of, public_engine, public_onnx, without_folders
from trtbench.pack.readme import readme_of
from trtbench.results import FileRecord, OnnxManifest, Pack, Preprocessing, TensorRecord
from trtbench.specs import Spec
from trtbench.store.artifacts import Artifact, EngineArtifact
from trtbench.store.files import file_record
from trtbench.store.paths import load_onnx

Member = Path | bytes
"""A file to copy unchanged, or the content of a file to write."""
Members = dict[str, Member]

_TEXTS = (".log", ".json")
"""Suffixes of files beside an engine that name folders."""


def contents_of(engine: EngineArtifact, name: str) -> tuple[Pack, Members]:
    """Describe a zip file called ``name``, and give its members by their paths in it.

    Raises:
        ArtifactError: the model of the engine is gone or damaged.
    """
    model_path, _ = source_model(engine)
    onnx = load_onnx(model_path, "pack")
    source = source_of(onnx)
    manifest = onnx.manifest if isinstance(onnx, Artifact) else None
    root = source.path.parents[2] if manifest else source.path.parent
    folders = [engine.directory.absolute().parents[1], root, *folders_of(engine.manifest.export)]
    members = _model_members(source, manifest, folders)
    onnx_name = next(iter(members))
    members |= _engine_members(engine, onnx_name, folders)
    packed = _described(engine, manifest, source, members, name)
    if packed.class_names:
        members["classes.txt"] = "".join(f"{each}\n" for each in packed.class_names).encode()
    members["pack.json"] = _json(packed)
    members["README.md"] = readme_of(packed).encode()
    return packed, members


def _model_members(source: OnnxSource, manifest: OnnxManifest | None, folders: Sequence[Path]) -> Members:
    """The model first, then files of weights; the log of an export is about packages here and stays."""
    folder = f"models/{source.path.parent.name if manifest else source.path.stem}"
    records = (source.file, *source.weight_files)
    members: Members = {f"{folder}/{each.name}": source.path.parent / each.name for each in records}
    if manifest is not None:
        public = public_onnx(manifest, folders).model_copy(update={"files": records})
        members[f"{folder}/manifest.json"] = _json(public)
    return members


def _engine_members(engine: EngineArtifact, onnx_name: str, folders: Sequence[Path]) -> Members:
    """The engine and what was read from its build; files that are cleaned have another hash."""
    folder = f"engines/{engine.directory.name}"
    members: Members = {}
    for record in engine.manifest.files:
        path = engine.directory / record.name
        members[record.name] = _cleaned(path, folders) if path.suffix in _TEXTS else path
    records = tuple(_record(members, name) for name in members)
    public = public_engine(engine.manifest, onnx_name, folders).model_copy(update={"files": records})
    members["manifest.json"] = _json(public)
    return {f"{folder}/{name}": member for name, member in members.items()}


def _described(
    engine: EngineArtifact, manifest: OnnxManifest | None, source: OnnxSource, members: Members, name: str
) -> Pack:
    records = {member: _record(members, member) for member in members}
    onnx_name = next(iter(members))
    engine_name = f"engines/{engine.directory.name}/{engine.payload.name}"
    properties = _properties(source.path)
    spec = engine.manifest.export
    return Pack(
        name=name,
        model=None if spec is None else spec.model.name,
        recipe=None if spec is None else str(spec.recipe),
        batch=None if spec is None else spec.batch,
        weights=None if spec is None else spec.model.weights_name,
        preprocessing=_preprocessing(properties),
        class_names=tuple(json.loads(properties.get("class_names", "[]"))),
        inputs=_tensors(manifest, "inputs"),
        outputs=_tensors(manifest, "outputs"),
        onnx=records.pop(onnx_name),
        engine=records.pop(engine_name),
        files=tuple(records.values()),
        backend=engine.manifest.backend,
        backend_version=engine.manifest.backend_version,
        targets=engine.manifest.spec.targets,
        trtbench_version=trtbench.__version__,
    )


def _tensors(manifest: OnnxManifest | None, which: str) -> tuple[TensorRecord, ...]:
    return () if manifest is None else getattr(manifest, which)


def _properties(path: Path) -> dict[str, str]:
    """What the ONNX file says of itself."""
    model = read_model(path, weights="none")
    return {each.key: each.value for each in model.metadata_props if model.producer_name == "trtbench"}


def _preprocessing(properties: Mapping[str, str]) -> Preprocessing | None:
    text = properties.get("preprocessing")
    return None if text is None else Preprocessing.model_validate_json(text)


def _record(members: Members, name: str) -> FileRecord:
    content = members[name]
    if isinstance(content, Path):
        return file_record(content).model_copy(update={"name": name})
    return FileRecord(name=name, sha256=sha256(content).hexdigest(), size_bytes=len(content))


def _cleaned(path: Path, folders: Sequence[Path]) -> bytes:
    return without_folders(path.read_text(encoding="utf-8", errors="replace"), folders).encode()


def _json(spec: Spec) -> bytes:
    return f"{spec.model_dump_json(indent=2)}\n".encode()
