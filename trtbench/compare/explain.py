"""The stage: one recipe, FP16 and the recipes that may be faster made once, then explained on one GPU."""

from dataclasses import replace
from pathlib import Path

from trtbench.compare.grid import prepared_cells
from trtbench.compare.make import make
from trtbench.compare.predicted import built_for, check_targets
from trtbench.errors import SpecError
from trtbench.predict.explain import FP16, explain_engine
from trtbench.predict.fitted import calibration_of
from trtbench.progress import OnStep, silent
from trtbench.results import Explanation
from trtbench.specs import ExportSpec, GpuSpec, Grid
from trtbench.specs.recipe import Recipe, parse_recipe
from trtbench.store.artifacts import Store
from trtbench.store.paths import load_onnx

_ALTERNATIVES = (
    "fp8",
    "fp8+fp8attn",
    "nvfp4",
    "nvfp4+fp8attn",
    "nvfp4:qkv=fp8,proj=fp8+fp8attn",
    "nvfp4:fc1=fp8,fc2=fp8+fp8attn",
)
"""Formats with fast products in TensorRT-RTX, attention in either precision, and both mixed by role."""


def recipes_to_explain(recipe: Recipe, gpu: GpuSpec) -> tuple[Recipe, ...]:
    """The recipe itself, FP16, and others that may be faster on ``gpu``."""
    others = [FP16, *map(parse_recipe, _ALTERNATIVES)]
    if recipe.is_quantized:
        others.append(replace(recipe, sparse=False, stock=False, fp8attn=not recipe.fp8attn))
    can_run = (
        other for other in others if all(each.math in gpu.flop_per_clock_sm for each in other.precisions)
    )
    return tuple(dict.fromkeys((recipe, *can_run)))


def exported_to_explain(path: Path, gpu: GpuSpec) -> tuple[ExportSpec, ...]:
    """What an exported model was made from, and the same model in the other recipes.

    Raises:
        SpecError: nothing is at the path, or the file is not an exported model.
        ArtifactError: it is damaged, or an engine.
    """
    onnx = load_onnx(path, "explain")
    if isinstance(onnx, Path):
        raise SpecError(
            f"{path}: of which recipe it is, is not known; trtbench explain nvfp4 --model {path} explains a "
            f"recipe of it, and trtbench predict {path} predicts the file as it is"
        )
    spec = onnx.manifest.spec
    _, *others = recipes_to_explain(spec.recipe, gpu)
    return (spec, *(spec.model_copy(update={"recipe": other, "passes": None}) for other in others))


def explain(grid: Grid, gpu: GpuSpec, store: Store, on_step: OnStep = silent) -> Explanation:
    """Export, build and audit each recipe, and explain the predicted time of the first one on ``gpu``.

    Engines are built for the target of ``gpu``, unless the grid names targets or a compiler for the local
    GPU only. Recipes beyond the first and FP16 that fail are named in the result with their reason.

    Args:
        grid: the recipes of ``recipes_to_explain``, of one model and shape; or ``exported_to_explain``.
        gpu: where the engines would run; see ``find_gpu``.
        store: where artifacts are looked up and kept.
        on_step: progress callback; subjects are keys of rows.

    Raises:
        SpecError: the request is wrong, no rates fit the GPU, it has no tensor cores for what the first
            recipe asks for, or an engine would not run on it.
        RuntimeUnavailable: nothing can be built on this machine.
        ArtifactError: the store cannot be read or written.
        ExportError, BuildError: the recipe itself or FP16 failed.
    """
    calibration_of(gpu)  # this and the next refuse a GPU before anything is exported
    for precision in grid.exports[0].recipe.precisions:
        gpu.rate(precision.math)
    check_targets(gpu, grid.build.targets)
    cells = prepared_cells(built_for(gpu, grid), store, on_step)
    for cell in cells:
        check_targets(gpu, cell.build.targets if cell.build else ())
    make(cells, store, lambda cell: 0, on_step)
    audits, failed = {}, {}
    for cell, spec in zip(cells, grid.exports, strict=True):
        if cell.audit is not None:
            audits[spec.recipe] = cell.audit
        elif cell.error is not None:
            if spec.recipe in (grid.exports[0].recipe, FP16):
                raise cell.error
            failed[spec.recipe] = str(cell.error)
    return explain_engine(grid.exports[0], audits, gpu, failed)
