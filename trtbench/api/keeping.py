"""What a store holds, what can go, and what is taken elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trtbench.api.words import DEFAULT_BATCH, DEFAULT_MODEL, open_store, words
from trtbench.progress import OnStep, silent
from trtbench.request import (
    AnyModel,
    AnyPath,
    BatchWord,
    PackArguments,
    SizeWord,
    build_request,
    check_names,
    export_specs,
    is_path,
    parse_recipes,
    shape_of,
)
from trtbench.results import Pack, Removal, StoreListing
from trtbench.specs import ExportSpec
from trtbench.store.artifacts import Artifact, EngineArtifact, OnnxArtifact

if TYPE_CHECKING:
    from typing_extensions import Unpack


def ls(store: AnyPath = ".") -> StoreListing:
    """List the models, engines and failed builds of a store, oldest first.

    Args:
        store: folder of ``models/``, ``engines/`` and ``results/``; an empty or missing one lists nothing.
    """
    from trtbench.store.listing import list_store

    return list_store(open_store(store))


def rm(names: AnyPath | Sequence[AnyPath], *, store: AnyPath = ".") -> Removal:
    """Remove models, engines and logs of failed builds; what another process is making stays.

    Args:
        names: ids that ``ls`` gives, or their first characters; names of folders and logs; paths.
        store: folder of ``models/``, ``engines/`` and ``results/``.

    Raises:
        SpecError: a name stands for nothing in the store, or for several things; nothing is removed.
        ArtifactError: the store cannot be written.
    """
    from trtbench.store.removal import remove_named

    return remove_named(open_store(store), words(names))


def prune(*, dry_run: bool = False, store: AnyPath = ".") -> Removal:
    """Remove what a store no longer needs: engines without their model, logs of failures, partial files.

    Args:
        dry_run: say what would be removed, and remove nothing.
        store: folder of ``models/``, ``engines/`` and ``results/``.

    Raises:
        ArtifactError: the store cannot be written.
    """
    from trtbench.store.removal import prune as run

    return run(open_store(store), dry_run)


def pack(
    subject: AnyPath | OnnxArtifact | EngineArtifact,
    path: AnyPath,
    *,
    model: AnyModel = DEFAULT_MODEL,
    batch: BatchWord = DEFAULT_BATCH,
    img_size: SizeWord = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[PackArguments]",
) -> Pack:
    """Put an engine, its model and what one must know to use them in one zip file.

    Args:
        subject: a recipe, which is exported and built if the store lacks it; an engine; an exported model or
            an ONNX file, which is built.
        path: of the zip file; an older one is replaced.
        model: of a recipe: a timm name, a ``.yaml`` file of ``models/``, or a model that timm made.
        batch: images in a query.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; default: the model's.
        store: folder of ``models/``, ``engines/`` and ``results/``.
        on_step: progress callback.
        options: as in ``trtbench.request.PackArguments``.

    Raises:
        SpecError: a word or an argument is wrong, or the folder of ``path`` is missing.
        RuntimeUnavailable: there is no compiler for the targets.
        ExportError, BuildError: the engine cannot be made.
        ArtifactError: a file is damaged, or one cannot be written.
    """
    from trtbench.compare.several import engine_of
    from trtbench.pack import check_path
    from trtbench.pack import pack as run

    check_names(options, PackArguments.__annotations__)
    check_path(Path(path))
    named: Path | ExportSpec = subject.directory if isinstance(subject, Artifact) else Path(subject)
    if not is_path(str(named)):
        (named,) = export_specs(parse_recipes([str(named)]), model, [shape_of(batch, img_size)], options)
    engine = engine_of(named, build_request(options), open_store(store), on_step)
    return run(engine, Path(path), on_step)
