"""What lies in a store, and what was removed from it."""

from typing import Literal

from trtbench.results.base import SCHEMA_VERSION, Count, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import BuildSpec, ExportSpec, Spec


class StoredModel(Spec):
    """An exported model; ``name``: of its folder under ``models/``."""

    name: str
    spec_id: str
    spec: ExportSpec
    size_bytes: Count
    created_utc: str


class StoredEngine(Spec):
    """An engine; ``name``: of its folder under ``engines/``. Null ``export``: of a bare ONNX file."""

    name: str
    spec_id: str
    spec: BuildSpec
    export: ExportSpec | None
    onnx_path: str
    backend: str
    backend_version: str
    size_bytes: Count
    created_utc: str


class FailedLog(Spec):
    """The log of an export or a build that failed; ``spec_id``: of what would have been made."""

    name: str
    spec_id: str
    stage: Literal["export", "build"]
    size_bytes: Count
    created_utc: str


class UnreadableArtifact(Spec):
    """A folder under ``models/`` or ``engines/`` whose manifest cannot be read."""

    path: str
    reason: str
    size_bytes: Count


class StoreListing(Result):
    """All of a store but its results."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["store_listing"] = "store_listing"
    root: str
    models: tuple[StoredModel, ...]
    engines: tuple[StoredEngine, ...]
    failed: tuple[FailedLog, ...]
    unreadable: tuple[UnreadableArtifact, ...] = ()

    def to_rows(self) -> list[Row]:
        """One a model, an engine, a failed log and a folder that cannot be read; ``what`` says which."""
        return aligned(
            [
                *({"what": "model", **_export_row(each.spec), **_file_row(each)} for each in self.models),
                *({"what": "engine", **_engine_row(each), **_file_row(each)} for each in self.engines),
                *({"what": f"failed {each.stage}", **_file_row(each)} for each in self.failed),
                *(
                    {"what": "unreadable", "name": each.path, **flat(each, "size_bytes", "reason")}
                    for each in self.unreadable
                ),
            ]
        )


class RemovedItem(Spec):
    """Something to be removed; ``what`` it is, and for ``prune`` why it is not needed."""

    path: str
    what: str
    size_bytes: Count
    status: Literal["removed", "in use"]


class Removal(Result):
    """What was removed from a store; with ``dry_run``, what would have been."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["removal"] = "removal"
    dry_run: bool = False
    items: tuple[RemovedItem, ...]

    def to_rows(self) -> list[Row]:
        """One an item."""
        return aligned(flat(item, "path", "what", "size_bytes", "status") for item in self.items)

    @property
    def has_kept(self) -> bool:
        """Whether something was in use."""
        return any(item.status == "in use" for item in self.items)

    @property
    def removed_bytes(self) -> int:
        """How much space that frees."""
        return sum(item.size_bytes for item in self.items if item.status == "removed")


def _export_row(spec: ExportSpec) -> Row:
    model = {**flat(spec.model, "name", "img_size", prefix="model_"), "weights": spec.model.weights_name}
    return {**model, "model_overrides": ", ".join(spec.model.changes), **flat(spec, "recipe", "batch")}


def _engine_row(engine: StoredEngine) -> Row:
    exported = {} if engine.export is None else _export_row(engine.export)
    return {**exported, **flat(engine.spec, "targets"), **flat(engine, "backend", "backend_version")}


def _file_row(item: StoredModel | StoredEngine | FailedLog) -> Row:
    return flat(item, "name", "spec_id", "size_bytes", "created_utc")
