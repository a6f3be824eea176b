"""Options that have no effect given what was asked, or exclude each other: one table for all commands."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trtbench.cli.groups import Given, option_names
from trtbench.cli.options import (
    BuildOptions,
    DataOptions,
    ModelOptions,
    PredictionOptions,
    ShapesOptions,
    TimingOptions,
)
from trtbench.compare.files import open_files
from trtbench.errors import SpecError
from trtbench.export.calibration import needs_calibration
from trtbench.runtimes import runtime_entry
from trtbench.specs.recipe import Recipe

TIMING = option_names(TimingOptions)
_BUILD = option_names(BuildOptions) | {"--rebuilds"}
_MODEL = option_names(ModelOptions, ShapesOptions)
_PREDICTION = option_names(PredictionOptions)
_STRUCTURE = {"--set", "--token-reduction", "--features"}
_WEIGHTS = option_names(ModelOptions) - _STRUCTURE
_DATA = option_names(DataOptions)
_GRID = _MODEL | _BUILD | _PREDICTION | _DATA | TIMING | {"--runtime", "--env"}


_Refusal = tuple[Collection[str], bool, str]
"""Options, whether they are wrong here, and why."""


@dataclass(frozen=True)
class Asked:
    """What the effect of options depends on.

    Args:
        recipes: the subjects that are not files.
        files: the subjects that are not recipes.
        lints: kind of the subject of ``lint``; a model, by name, is a file here.
        runtimes: what times; none: the namesake of the compiler.
        is_timed: the subjects are timed, on inputs that the seed determines.
        measures_errors: recipes are compared with FP32, on images of the calibration if no others are named.
        builds_files: models among the files are built.
        verifies_files: files are compared with FP32, on images of any size that they leave open.
        builds_store: all exported models are built.
        stored: the subjects are results.
        traces: the subjects are traces.
        aa: an arm is compared with itself.
        shapes: how many shapes there are.
        is_dynamic: the batch of the recipes is dynamic.
        sparsity_method: how sparse recipes are pruned.
        shares_timings: builds share a timing cache.
    """

    recipes: Sequence[Recipe] = ()
    files: Sequence[str] = ()
    lints: Literal["recipe", "model", "graph"] | None = None
    runtimes: Sequence[str] = ()
    is_timed: bool = True
    measures_errors: bool = False
    builds_files: bool = True
    verifies_files: bool = False
    builds_store: bool = False
    stored: bool = False
    traces: bool = False
    aa: bool = False
    shapes: int = 1
    is_dynamic: bool = False
    sparsity_method: str | None = None
    shares_timings: bool = False


def refuse(asked: Asked, given: Given) -> None:
    """Refuse the first option in the tables that was given and is wrong.

    Raises:
        SpecError: there is one, or a runtime is unknown.
        ArtifactError: a file among the subjects is damaged.
    """
    for options, is_wrong, reason in (*_of_models(asked, given), *_of_runs(asked, given)):
        for option in given:
            if is_wrong and option in options:
                raise SpecError(f"{option} {reason}")


def _of_models(asked: Asked, given: Given) -> tuple[_Refusal, ...]:
    """What decides which model it is."""
    of_files = {*["--seed"] * asked.is_timed, *["--img-size"] * asked.verifies_files}
    named = f"({', '.join(map(str, asked.recipes))})"
    file = asked.files[0] if asked.files else ""
    return (
        (
            _GRID - {"--gpu"},
            asked.traces,
            "has no effect on a trace; remove it, or add --runtime to record a trace",
        ),
        (["--gpu"], asked.traces and "--engine" not in given, "needs --engine, whose layers are predicted"),
        (
            ["--engine"],
            bool(asked.runtimes) and not asked.traces,
            _excludes("--runtime", "what is recorded has its own engine"),
        ),
        (_GRID, asked.stored, _excludes("--from", "stored results are not timed again")),
        (
            ["--pretrained"],
            "--checkpoint" in given,
            _excludes("--checkpoint", "the weights come from one of them"),
        ),
        (
            ["--sparsity-method"],
            bool(asked.recipes) and not any(recipe.sparse for recipe in asked.recipes),
            _no_effect(f"recipes that prune nothing {named}"),
        ),
        (
            # Without --data, errors are measured on the images of --calib.
            ["--calib-samples"] + ["--calib"] * (not asked.measures_errors or "--data" in given),
            bool(asked.recipes)
            and not any(needs_calibration(recipe, asked.sparsity_method) for recipe in asked.recipes),
            _no_effect(f"recipes that take no calibration images {named}"),
        ),
        (
            [*_WEIGHTS, "--precision", *_STRUCTURE],
            asked.lints == "graph",
            _no_effect(f"{file}, whose layers and precisions are fixed"),
        ),
        (_WEIGHTS, asked.lints == "model", _no_effect(f"{file}, of which only the structure is checked")),
        (["--precision"], asked.lints == "recipe", _no_effect(f"a recipe {named}")),
        (
            ["--shape"],
            bool(asked.recipes) and not asked.files and not asked.is_dynamic,
            _no_effect(f"recipes {named}, whose shapes are static"),
        ),
        (["--shape"], asked.lints == "model", _no_effect(f"{file}, whose shape --batch and --img-size give")),
        (
            _MODEL - of_files,
            bool(asked.files) and not asked.recipes and not asked.lints,
            _no_effect(f"{file}, whose model and shape are fixed"),
        ),
        (
            _DATA,
            bool(asked.files) and not asked.recipes and not asked.verifies_files,
            _no_effect(f"{file}, which has no FP32 model to be compared with"),
        ),
        (
            [*_MODEL, "--profile"],
            asked.builds_store,
            _no_effect("exported models, whose model and shape are fixed") + ", or name a recipe",
        ),
        (
            ["--batch", "--img-size"],
            bool(asked.files and asked.recipes) and asked.shapes > 1,
            f"has several values, and {file} has one shape; name one, or remove {file}",
        ),
    )


def _of_runs(asked: Asked, given: Given) -> tuple[_Refusal, ...]:
    """What decides how models are built, timed and judged."""
    file = asked.files[0] if asked.files else ""
    runtimes = f"runtime {', '.join(asked.runtimes)}"
    times_in = [runtime_entry(runtime) for runtime in asked.runtimes]
    no_engine = bool(times_in) and all(entry.loads != "engine" for entry in times_in)
    no_file = bool(times_in) and all(entry.loads in ("model", "script") for entry in times_in)
    no_gpu = bool(times_in) and all(entry.device != "cuda" for entry in times_in)
    no_graph = bool(times_in) and not any(entry.may_have_graph for entry in times_in)
    return (
        (
            ["--min-sqnr"],
            "--max-top1-drop" in given,
            _excludes("--max-top1-drop", "a recipe is chosen by one of them"),
        ),
        (
            ["--max-top1-drop"],
            "--data" not in given and "--data" not in given.variables,
            "needs --data, a folder with one folder of images per class; add it",
        ),
        (_BUILD | _PREDICTION, no_engine, _no_effect(f"{runtimes}, which loads no engine")),
        (_DATA, no_file, _no_effect(f"{runtimes}, which loads no exported model")),
        (
            _BUILD | _PREDICTION if asked.runtimes else _BUILD,
            _nothing_to_build(asked, given),
            _no_effect(f"{file}, from which nothing is built"),
        ),
        (["--trust"], no_engine, _no_effect(f"{runtimes}, which loads no engine")),
        (["--exclusive"], no_gpu, _no_effect(f"{runtimes}, which runs on no GPU")),
        (["--no-graph"], no_graph, _no_effect(f"{runtimes}, which never has a CUDA graph")),
        (
            ["--rebuilds"],
            asked.shares_timings,
            _excludes("--timing-cache shared", "builds that share timings choose the same tactics"),
        ),
        (["--rebuilds"], asked.aa, _excludes("--aa", "one engine is compared with itself")),
        (
            ["--img-size"],
            "--tokens" in given,
            _excludes("--tokens", "the size of an image sets its number of tokens"),
        ),
        (
            ["--batch", "--img-size"],
            asked.aa and asked.shapes > 1,
            _excludes("--aa", f"it compares one arm with itself, and these are {asked.shapes} shapes"),
        ),
    )


def _no_effect(what: str) -> str:
    return f"has no effect with {what}; remove it"


def _excludes(other: str, why: str) -> str:
    return f"and {other} exclude each other: {why}"


def _nothing_to_build(asked: Asked, given: Given) -> bool:
    """Whether no file is a model; only looked up where it matters, for it verifies artifacts."""
    if not asked.files or asked.recipes or asked.lints or (_BUILD | _PREDICTION).isdisjoint(given):
        return False
    if not asked.builds_files:
        return True
    return not any(file.is_model for file in open_files([Path(path) for path in asked.files]))
