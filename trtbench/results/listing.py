"""What lies in a store, and what was removed from it."""

from typing import Literal

from trtbench.results.base import SCHEMA_VERSION, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import BuildSpec, ExportSpec, Spec


class StoredModel(Spec):
    """An exported model; ``name``: of its folder under ``models/``."""

    name: str
    spec_id: str
    spec: ExportSpec
    size_bytes: int
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
    size_bytes: int
    created_utc: str


class FailedLog(Spec):
    """The log of an export or a build that failed; ``spec_id``: of what would have been made."""

    name: str
    spec_id: str
    stage: Literal["export", "build"]
    size_bytes: int
    created_utc: str


class UnreadableArtifact(Spec):
    """A folder under ``models/`` or ``engines/`` whose manifest cannot be read."""

    path: str
    reason: str
    size_bytes: int


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
        """One a model, an engine, a log, and a folder that cannot be read."""
        fields = ("name", "spec_id", "size_bytes", "created_utc")
        models = ({"what": "model", **flat(each, *fields), **_export(each.spec)} for each in self.models)
        engines = (
            {
                "what": "engine",
                **flat(each, *fields, "backend", "backend_version"),
                **flat(each.spec, "targets"),
                **_export(each.export),
            }
            for each in self.engines
        )
        failed = ({"what": f"failed {each.stage}", **flat(each, *fields)} for each in self.failed)
        unreadable = (
            {"what": "unreadable", "name": each.path, **flat(each, "size_bytes", "reason")}
            for each in self.unreadable
        )
        return aligned([*models, *engines, *failed, *unreadable])


def _export(spec: ExportSpec | None) -> Row:
    if spec is None:
        return {}
    return {
        **flat(spec.model, "name", "img_size", prefix="model_"),
        **flat(spec, "recipe", "batch"),
        "weights": spec.model.weights,
    }


class RemovedItem(Spec):
    """Something that was to be removed; ``what`` it is, and for ``prune`` why nobody needs it."""

    path: str
    what: str
    size_bytes: int
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
