"""Words and options of a command line become specs: here and in ``parse_model.py``, by way of ``request``."""

import re
from collections.abc import Sequence
from pathlib import Path

from trtbench import request
from trtbench.cli.groups import Given
from trtbench.cli.options import (
    BreakEvenOptions,
    CompilerOptions,
    DataOptions,
    ExplainOptions,
    GridOptions,
    ModelOptions,
    PredictOptions,
    ShapeOptions,
    ShapesOptions,
    TraceOptions,
    TuneOptions,
)
from trtbench.cli.parse_model import arguments_of, export_specs, naming_options
from trtbench.cli.refusals import TIMING, Asked, refuse
from trtbench.compare.explain import exported_to_explain, recipes_to_explain
from trtbench.errors import SpecError
from trtbench.predict.gpus import find_gpu
from trtbench.request import Shape, parse_recipes, subjects_of
from trtbench.specs import BuildRequest, Condition, ExportSpec, GpuSpec, Grid, InputsSpec, TuneSpec
from trtbench.specs.recipe import Precision, Recipe, parse_recipe

_QUANTIZED = Recipe(Precision.FP8)
"""Stands for all that a search makes."""


def parse_grid(
    words: Sequence[str],
    options: GridOptions,
    given: Given,
    runtimes: Sequence[str] = (),
    environments: Sequence[str] = (),
    aa: bool = False,
) -> Grid:
    """Read what is compared; ``aa``: with itself.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
        ArtifactError: a file among the words is damaged.
    """
    recipes, files = subjects_of(words)
    shapes = _shapes(options)
    asked = Asked(
        recipes=recipes,
        files=files,
        runtimes=tuple(runtimes) or ((options.backend,) if options.backend else ()),
        aa=aa,
        shapes=len(shapes),
        sparsity_method=options.sparsity_method,
        shares_timings=options.timing_cache == "shared",
        measures_errors=isinstance(options, DataOptions),
    )
    refuse(asked, given)
    exports = export_specs(recipes, options, shapes) if recipes else ()
    inputs = {}
    if isinstance(options, DataOptions):
        inputs["inputs"] = inputs_spec(options.data, options.data_samples, options.seed, options.calib)
    with naming_options():
        return request.grid_of(
            exports,
            files,
            arguments_of(options),
            runtimes,
            environments,
            files_first=words[0] in files,
            **inputs,
        )


@naming_options()
def parse_conditions(words: Sequence[str], given: Given) -> tuple[Condition, ...]:
    """Read what fails a comparison.

    Raises:
        SpecError: a word is wrong, or nothing that is asked for gives the accuracy or the baseline that it
            needs.
    """
    conditions = request.parse_conditions(words)
    for each in conditions:
        if each.kind == "top1_drop" and not {"--data", "--from"} & set(given):
            raise SpecError(
                f"--fail-on {each.word} needs --data, a folder with one folder of images per class; add it"
            )
        if each.needs_baseline and "--baseline" not in (*given, *given.variables):
            raise SpecError(
                f"--fail-on {each.word} needs --baseline, a stored comparison to judge against; add it"
            )
    return conditions


def parse_predicted(words: Sequence[str], options: PredictOptions, given: Given) -> Grid:
    """Read what is predicted: recipes at some shapes, or artifacts.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
        ArtifactError: a file among the words is damaged.
    """
    recipes, files = subjects_of(words)
    shapes = _shapes(options)
    asked = Asked(recipes, files, is_timed=False, shapes=len(shapes), sparsity_method=options.sparsity_method)
    refuse(asked, given)
    exports = export_specs(recipes, options, shapes) if recipes else ()
    with naming_options():
        return request.grid_of(exports, files, arguments_of(options), files_first=words[0] in files)


def parse_break_even(words: Sequence[str], options: BreakEvenOptions, given: Given) -> Grid:
    """Read recipes at some shapes, both models of which are predicted, or timed in runtimes.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
    """
    parse_recipes(words)  # files have no model without reduction beside them
    idle = [option for option in given if option in TIMING and not options.runtime]
    if idle:
        raise SpecError(f"{idle[0]} has no effect without --runtime, as nothing is timed; remove it")
    return parse_grid(words, options, given, options.runtime)


def parse_recorded(
    words: Sequence[str], options: TraceOptions, given: Given, runtimes: Sequence[str]
) -> Grid:
    """Read what is recorded: subjects of one shape, each in each runtime.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
        ArtifactError: a file among the words is damaged.
    """
    recipes, files = subjects_of(words)
    asked = Asked(recipes, files, runtimes=tuple(runtimes), sparsity_method=options.sparsity_method)
    refuse(asked, given)
    shape = static_shape_of(options, "trace")
    exports = export_specs(recipes, options, [shape]) if recipes else ()
    with naming_options():
        return request.grid_of(exports, files, arguments_of(options), runtimes, files_first=words[0] in files)


def parse_traces(words: Sequence[str], gpu: str | None, given: Given) -> tuple[list[Path], GpuSpec | None]:
    """Read which traces are read, and the GPU of predictions.

    Raises:
        SpecError: an option has no effect on traces, or the GPU is unknown.
    """
    refuse(Asked(files=words, traces=True), given)
    return [Path(word) for word in words], None if gpu is None else find_gpu(gpu)


def parse_written(paths: Sequence[Path]) -> tuple[Path | None, Path | None]:
    """Read where a timeline and a report are to be written.

    Raises:
        SpecError: a name has another ending, or two have the same.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.suffix not in (".json", ".md") or path.suffix in found:
            raise SpecError(f"-o {path}: expected one .json for a timeline, one .md for a report")
        found[path.suffix] = path
    return found.get(".json"), found.get(".md")


def parse_roofline(
    model: str,
    overrides: Sequence[str],
    precisions: str,
    shapes: ShapesOptions,
    tokens: str | None,
    given: Given,
) -> tuple[tuple[ExportSpec, ...], tuple[int, ...]]:
    """Read what to put under the roofs: one export for each shape and recipe, and lengths of sequences.

    Raises:
        SpecError: a word or an option is wrong, or two options set the number of tokens.
    """
    refuse(Asked(), given)
    lengths = () if tokens is None else _integers("--tokens", tokens)
    if lengths and min(lengths) < 1:
        raise SpecError(f"--tokens {tokens}: expected at least 1")
    # A comma also separates the roles of a recipe: nvfp4:qkv=fp8,head=fp16.
    recipes = parse_recipes(re.split(r",(?!\w+=)", precisions))
    options, found = ModelOptions(model=model, overrides=list(overrides)), _shapes(shapes)
    with naming_options():
        request.refuse_dynamic(found, "roofline")
    return export_specs(recipes, options, found), lengths


def parse_explained(word: str, gpu: GpuSpec, options: ExplainOptions, given: Given) -> Grid:
    """Read what is explained, a recipe or an exported model, and the recipes that it is compared with.

    Raises:
        SpecError: the word or an option is wrong, or has no effect on any of the recipes.
        ArtifactError: the exported model is damaged.
    """
    if request.is_path(word):
        refuse(Asked(files=[word], is_timed=False), given)
        exports = exported_to_explain(Path(word), gpu)
    else:
        recipes = recipes_to_explain(parse_recipe(word), gpu)
        refuse(Asked(recipes=recipes, sparsity_method=options.sparsity_method), given)
        exports = export_specs(recipes, options, [static_shape_of(options, "explain")])
    return Grid(exports=exports, build=build_request(options))


def parse_tuned(options: TuneOptions, given: Given, **asked: object) -> TuneSpec:
    """Read what is tuned; ``asked``: fields of the spec that are no options of a model or a compiler.

    Raises:
        SpecError: an option is wrong, or has no effect.
    """
    refuse(Asked(recipes=(_QUANTIZED,)), given)
    shapes = _shapes(options)
    with naming_options():
        return request.tune_spec(options.model, shapes, arguments_of(options), **asked)


@naming_options()
def _shapes(options: ShapesOptions | TuneOptions) -> list[Shape]:
    """All combinations of batches and image sizes."""
    sizes = (None,) if options.img_size is None else options.img_size.split(",")
    return request.shapes_of(options.batch.split(","), sizes)


@naming_options()
def static_shape_of(options: ShapeOptions, command: str) -> Shape:
    """The only shape, of one batch.

    Raises:
        SpecError: an option has another form, or the batch is dynamic.
    """
    return request.static_shape_of(options.batch, options.img_size, command)


def _integers(option: str, text: str) -> tuple[int, ...]:
    """Read ``1,8,64``."""
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise SpecError(f"{option} {text}: expected an integer, or several separated by commas") from error


@naming_options()
def inputs_spec(data: Path | None, samples: int, seed: int, calibration: Path | None = None) -> InputsSpec:
    """Read which images to verify on; without any, those of the ``calibration``.

    Raises:
        SpecError: the number of images or the seed is out of range.
    """
    return request.inputs_spec(data, samples, seed, calibration)


@naming_options()
def shapes_of(words: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Read ``--shape``.

    Raises:
        SpecError: a word has another form, or an input is given twice.
    """
    return request.parse_shapes(words or ())


@naming_options()
def build_request(
    options: CompilerOptions, sparsity: bool = False, profiles: Sequence[str] = ()
) -> BuildRequest:
    """Read how engines are built; arguments as in ``request.build_request``.

    Raises:
        SpecError: an option is out of range.
    """
    return request.build_request(arguments_of(options), sparsity, profiles)
