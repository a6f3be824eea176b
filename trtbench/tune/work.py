"""The pieces of work of a search: each makes models of one recipe, in a process of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Literal, NamedTuple

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.build.compiler import Compiler
from trtbench.errors import SpecError, TrtbenchError
from trtbench.export import depth_of, export
from trtbench.progress import silent
from trtbench.results import BuiltEngine, Fidelity, TuneLine
from trtbench.specs import BuildSpec, CalibrationSpec, Change, ExportSpec, InputsSpec
from trtbench.specs.recipe import Recipe
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.tune.depth import PROBE_DEPTH
from trtbench.tune.space import BASELINE
from trtbench.verify import fidelity_of, load_reference
from trtbench.verify.emulation import Reference

Part = Literal["shallow", "error", "whole"]


class Piece(NamedTuple):
    """What a task makes; fields as in ``TuneLine``."""

    part: Part
    recipe: Recipe
    change: Change = Change()


@dataclass(frozen=True)
class Task:
    """One piece of work.

    Args:
        part, change: as in ``TuneLine``.
        export: the whole model in the recipe of this piece, changed.
        build, compiler: how engines are built.
        inputs: the images that errors are measured on.
        store: where whole candidates and the FP32 model are kept.
        scratch: folder for temporary models.
    """

    part: Part
    change: Change
    export: ExportSpec
    build: BuildSpec
    compiler: Compiler
    inputs: InputsSpec
    store: Store
    scratch: Path


def run_task(task: Task) -> TuneLine:
    """Do one piece of work; what fails is a line with its reason.

    Raises:
        SpecError: the request is wrong for every recipe.
    """
    try:
        return _PARTS[task.part](task)
    except SpecError:
        raise
    except TrtbenchError as error:
        return _line(task).model_copy(update={"reason": str(error), "code": error.code})


def _shallow(task: Task) -> TuneLine:
    """Build a few blocks alone, with random weights: which kernels there are does not depend on weights.

    Of a model that is not timm's no block can be left out; where blocks drop tokens none is like another, and
    where some are outputs they are needed: these are built whole.
    """
    model = task.export.model
    depth = blocks = depth_of(model)
    if model.source is None and model.token_reduction is None and model.features is None:
        blocks = min(depth, PROBE_DEPTH)
        overrides = tuple(sorted({**dict(model.overrides), "depth": blocks}.items()))
        model = model.model_copy(update={"overrides": overrides, "pretrained": False, "checkpoint": None})
    spec = task.export.model_copy(update={"model": model, "calibration": CalibrationSpec(samples=1)})
    with _scratch(task) as store:
        onnx, _ = export(spec, store)
        return _line(task, engine=_built(onnx, task, store, depth, blocks))


def _error(task: Task) -> TuneLine:
    """Measure the error of the whole model, and keep nothing but the number."""
    with _scratch(task) as store:
        onnx, _ = export(task.export, store)
        return _line(task, fidelity=fidelity_of(onnx, _reference_of(task), store))


def _whole(task: Task) -> TuneLine:
    """Make the candidate itself, and keep it for whoever compares it."""
    reference = _reference_of(task)  # reads the weights and finds the images before anything is built
    depth = depth_of(task.export.model)
    onnx, _ = export(task.export, task.store)
    engine = _built(onnx, task, task.store, depth, depth)
    return _line(task, engine=engine, fidelity=fidelity_of(onnx, reference, task.store))


_PARTS: dict[str, Callable[[Task], TuneLine]] = {"shallow": _shallow, "error": _error, "whole": _whole}


def _line(task: Task, engine: BuiltEngine | None = None, fidelity: Fidelity | None = None) -> TuneLine:
    recipe, change = task.export.recipe, task.change
    return TuneLine(part=task.part, recipe=recipe, change=change, engine=engine, fidelity=fidelity)


def _built(onnx: OnnxArtifact, task: Task, store: Store, depth: int, blocks: int) -> BuiltEngine:
    spec = task.build.model_copy(update={"sparsity": task.build.sparsity or task.export.recipe.sparse})
    engine, _ = build(onnx, spec, store, compiler=task.compiler)
    return BuiltEngine(
        depth=depth,
        blocks=blocks,
        audit=inspect_engine(engine),
        engine_bytes=engine.manifest.files[0].size_bytes,
        activation_bytes=engine.manifest.activation_bytes,
    )


def _reference_of(task: Task) -> Reference:
    export = task.export.model_copy(update={"recipe": BASELINE, "passes": None})
    return _reference(export, task.store, task.inputs)


@cache
def _reference(export: ExportSpec, store: Store, inputs: InputsSpec) -> Reference:
    """The FP32 model, loaded and computed once a process."""
    return load_reference(export, store, inputs, silent)


@contextmanager
def _scratch(task: Task) -> Iterator[Store]:
    """A store for this piece of work alone; after a failure it stays, for the log that the reason names."""
    task.scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(dir=task.scratch))
    yield Store(folder)
    rmtree(folder)
