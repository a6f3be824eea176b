"""What a store holds, and what was removed from it, as text for people."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.text import Text

from trtbench.report.text.tables import table_of
from trtbench.results import FailedLog, Removal, StoredEngine, StoredModel, StoreListing
from trtbench.specs import BuildSpec, ExportSpec
from trtbench.store.artifacts import compiler_name
from trtbench.units import format_age, format_bytes, format_count

_ID_LENGTH = 8
_TEXTS = ("id", "model", "recipe", "weights", "target", "compiler", "log")
_WRAPS = ("model", "recipe", "weights", "target", "compiler", "log")
_HEADERS = ("model", "recipe", "batch", "pixels", "weights")


def render_listing(listing: StoreListing, console: Console, now: datetime | None = None) -> None:
    """Print a table each of models, engines and failed builds; ``now``: what ages count from."""
    models, engines, failed = listing.models, listing.engines, listing.failed
    show = _Tables(console, _all_ids(listing), now or datetime.now(timezone.utc))
    show.table("models", _HEADERS, [(each, _export_cells(each.spec)) for each in models])
    show.table(
        "engines", (*_HEADERS, "target", "compiler"), [(each, _engine_cells(each)) for each in engines]
    )
    show.table("failed exports and builds", ("log",), [(each, (each.name,)) for each in failed])
    for each in listing.unreadable:
        console.print(Text(f"unreadable: {each.reason}", style="red"), soft_wrap=True)
    if not (models or engines or failed or listing.unreadable):
        console.print(f"{listing.root}: empty", soft_wrap=True)


def render_removal(removal: Removal, console: Console) -> None:
    """Print what was removed and why, and how much space that frees."""
    for item in removal.items:
        kept = "in use, kept: " if item.status == "in use" else ""
        console.print(f"{kept}{item.path}: {item.what}, {format_bytes(item.size_bytes)}", soft_wrap=True)
    count = sum(item.status == "removed" for item in removal.items)
    verb = "would remove" if removal.dry_run else "removed"
    console.print(f"{verb} {format_count(count, 'item')}, {format_bytes(removal.removed_bytes)}")


class _Tables:
    """Prints tables whose first column is an id, shortened as far as all stay different."""

    def __init__(self, console: Console, ids: Sequence[str], now: datetime) -> None:
        self._console, self._now = console, now
        lengths = range(_ID_LENGTH, max(map(len, ids), default=0))
        shortest = (length for length in lengths if len({each[:length] for each in ids}) == len(set(ids)))
        self._length = next(shortest, None)

    def table(
        self,
        title: str,
        headers: Sequence[str],
        rows: Sequence[tuple[StoredModel | StoredEngine | FailedLog, Sequence[str]]],
    ) -> None:
        """Print the title with the total, and a line for each row: its id, cells, size and age."""
        if not rows:
            return
        total = format_bytes(sum(item.size_bytes for item, _ in rows))
        self._console.print(Text(f"{title}: {len(rows)}, {total}", style="bold"))
        table = table_of(self._console, "id", *headers, "size", "age", text=_TEXTS, wraps=_WRAPS)
        for item, cells in rows:
            age_s = (self._now - datetime.fromisoformat(item.created_utc)).total_seconds()
            line = (*cells, format_bytes(item.size_bytes), format_age(age_s))
            table.add_row(item.spec_id[: self._length], *map(Text, line))
        self._console.print(table)


def _all_ids(listing: StoreListing) -> list[str]:
    return [
        *(model.spec_id for model in listing.models),
        *(engine.spec_id for engine in listing.engines),
        *(log.spec_id for log in listing.failed),
    ]


def _engine_cells(engine: StoredEngine) -> tuple[str, ...]:
    cells = (Path(engine.onnx_path).name, "-", "-", "-", "-")
    if engine.export is not None:
        cells = _export_cells(engine.export)
    compiler = compiler_name(engine.backend, engine.backend_version)
    return (*cells, ", ".join(engine.spec.targets), " ".join([compiler, *_build_options(engine.spec)]))


def _build_options(spec: BuildSpec) -> list[str]:
    """What was chosen of the builder's options."""
    chosen = spec.options.model_dump(exclude_defaults=True, exclude={"profiles"})
    profiles = len(spec.options.profiles)
    return [
        *(["sparsity"] if spec.sparsity else []),
        *(name if value is True else f"{name}={value}" for name, value in chosen.items()),
        *([format_count(profiles, "profile")] if profiles else []),
    ]


def _export_cells(spec: ExportSpec) -> tuple[str, str, str, str, str]:
    """Model, recipe, batch, image size and weights; what else makes the model another is beside its name."""
    model, calibration = spec.model, spec.calibration
    name = [model.name, *model.changes]
    if spec.passes is not None:
        name.append(f"passes={','.join(spec.passes) or 'none'}")
    if calibration is not None and calibration.directory is not None:
        name.append(f"calib={Path(calibration.directory).name}")
    return (
        " ".join(name),
        str(spec.recipe),
        str(spec.batch),
        str(model.img_size or "-"),
        model.weights_name,
    )
