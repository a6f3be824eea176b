"""What a search has finished: lines of two journals, which a search that was interrupted takes up again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trtbench.build.compiler import Compiler
from trtbench.export import export_id
from trtbench.progress import OnStep
from trtbench.results import TuneLine
from trtbench.specs import BuildSpec, Change, ExportSpec, InputsSpec, TuneSpec, canonical_hash
from trtbench.specs.recipe import Recipe
from trtbench.store.artifacts import Store
from trtbench.store.files import file_name, writing
from trtbench.store.journal import Journal, open_journal
from trtbench.store.locks import locked
from trtbench.tune.space import TIME_BASE
from trtbench.verify.standard_graph import runtime_name

# Part of the name of every journal: raise it when the same search is to be done anew.
_REVISION = "1"


class Done:
    """Finished work by part and recipe. ``name`` is that of the result, too."""

    def __init__(
        self, name: str, scratch: Path, engines: Journal[TuneLine], models: Journal[TuneLine]
    ) -> None:
        self.name, self.scratch = name, scratch
        self._engines, self._models = engines, models
        self._failed: list[TuneLine] = []

    def add(self, line: TuneLine) -> None:
        """Keep a finished line; a failed one only until the end of the program, so that it is tried again.

        Raises:
            ArtifactError: the journal cannot be written.
        """
        if line.reason is not None:
            self._failed.append(line)
            return
        (self._engines if line.part == "shallow" else self._models).append(line)

    def of(self, part: str, change: Change = Change()) -> Mapping[Recipe, TuneLine]:  # noqa: B008
        """All lines of one part, by recipe; failed ones have a reason."""
        lines = (*self._failed, *self._engines.lines, *self._models.lines)
        return {line.recipe: line for line in lines if (line.part, line.change) == (part, change)}


@contextmanager
def open_journals(
    spec: TuneSpec,
    build: BuildSpec,
    compiler: Compiler,
    store: Store,
    inputs: InputsSpec,
    on_step: OnStep,
) -> Iterator[Done]:
    """Open what was done already of ``spec``, whatever GPU it was for.

    Shallow engines depend on the architecture and the compiler; errors also on weights and images. While
    another process searches the same model in this store, this one waits, and then takes up its work.

    Raises:
        ArtifactError: a journal is damaged, or cannot be written.
    """
    export = spec.export.model_copy(update={"recipe": TIME_BASE})
    shape = file_name(f"{export.model.name}-{export.shape_name}")
    folder = store.results / "tune"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    owner = file_name(export.model.name)
    weightless = export.model.model_copy(update={"pretrained": False, "checkpoint": None, "seed": 0})
    engines = _identity(export.model_copy(update={"model": weightless}), build, compiler)
    images = {"images": inputs.model_dump(mode="json", exclude={"directory"}), "runtime": runtime_name()}
    models = _identity(export, build, compiler, **images)
    with (
        locked(folder, owner, "build", on_step),
        open_journal(folder / f"{shape}-engines-{engines}.jsonl", TuneLine) as of_engines,
        open_journal(folder / f"{shape}-models-{models}.jsonl", TuneLine) as of_models,
    ):
        yield Done(f"tune-{shape}-{models}", folder / f"{shape}-{models}", of_engines, of_models)


def _identity(export: ExportSpec, build: BuildSpec, compiler: Compiler, **more: Any) -> str:
    """Identify work by all that affects its result, which limits on builds do not."""
    built = build.model_dump(mode="json", exclude={"timeout_s", "memory_limit_bytes"})
    compiled_by = (compiler.name, compiler.image_digest, compiler.gpu)
    return canonical_hash([_REVISION, export_id(export), built, compiled_by, more])[:16]
