"""Words and options of a command line become specs: here and in ``parse_model.py``, and nowhere else."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from trtbench.cli.groups import Given
from trtbench.cli.options import (
    CompilerOptions,
    ExplainOptions,
    GridOptions,
    ModelOptions,
    PredictOptions,
    ShapesOptions,
    TimingOptions,
    TuneOptions,
)
from trtbench.cli.parse_model import Shape, checked_spec, export_specs, parse_recipes
from trtbench.cli.refusals import Asked, refuse
from trtbench.errors import SpecError
from trtbench.predict.gpus import find_gpu
from trtbench.specs import (
    MAX_BYTES,
    MAX_WORKSPACE_BYTES,
    BenchSpec,
    BuilderOptions,
    BuildRequest,
    ExportSpec,
    GpuSpec,
    Grid,
    InputsSpec,
    ShapeRange,
    TuneSpec,
)
from trtbench.specs.environment import parse_environments
from trtbench.specs.recipe import Precision, Recipe, parse_recipe

_GB = 1e9
_BASELINE, _QUANTIZED = Recipe(Precision.FP16), Recipe(Precision.FP8)
"""What a search compares with, and what stands for all that it makes."""
_SHAPE = r"\d+(?:x\d+)*"
# Names are those of the ONNX file, and may hold what separates them.
_RANGE = re.compile(rf"(?P<input>.+?)=(?P<shapes>{_SHAPE}:{_SHAPE}:{_SHAPE})(?:,(?=.)|\Z)", re.DOTALL)


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
    recipes, files = _subjects(words)
    shapes = _shapes(options)
    asked = Asked(
        recipes=recipes,
        files=files,
        runtimes=tuple(runtimes) or ((options.backend,) if options.backend else ()),
        aa=aa,
        shapes=len(shapes),
        sparsity_method=options.sparsity_method,
        shares_timings=options.timing_cache == "shared",
    )
    refuse(asked, given)
    return checked_spec(
        Grid,
        options,
        exports=export_specs(recipes, options, shapes) if recipes else (),
        files=files,
        environments=parse_environments(environments),
        runtimes=tuple(runtimes),
        build=build_request(options),
        bench=bench_spec(options, options.seed),
        gpu=_gpu(getattr(options, "gpu", None)),
    )


def parse_predicted(words: Sequence[str], options: PredictOptions, given: Given) -> Grid:
    """Read what is predicted: recipes at some shapes, or artifacts.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
        ArtifactError: a file among the words is damaged.
    """
    recipes, files = _subjects(words)
    refuse(Asked(recipes, files, is_timed=False, sparsity_method=options.sparsity_method), given)
    return checked_spec(
        Grid,
        options,
        exports=export_specs(recipes, options, _shapes(options)) if recipes else (),
        files=files,
        build=build_request(options),
        gpu=_gpu(options.gpu),
    )


def _gpu(name: str | None) -> GpuSpec | None:
    return None if name is None else find_gpu(name)


def parse_roofline(
    model: str, overrides: Sequence[str], precisions: str, shapes: ShapesOptions, tokens: str, given: Given
) -> tuple[tuple[ExportSpec, ...], tuple[int, ...]]:
    """Read what to put under the roofs: one export for each shape and recipe, and lengths of sequences.

    Raises:
        SpecError: a word or an option is wrong, or two options set the number of tokens.
    """
    refuse(Asked(), given)
    lengths = _integers("--tokens", tokens) if tokens else ()
    if lengths and min(lengths) < 1:
        raise SpecError(f"--tokens {tokens}: expected at least 1")
    # A comma also separates the roles of a recipe: nvfp4:qkv=fp8,head=fp16.
    recipes = parse_recipes(re.split(r",(?!\w+=)", precisions))
    options = ModelOptions(model=model, overrides=list(overrides))
    return export_specs(recipes, options, _shapes(shapes)), lengths


def parse_explained(recipes: Sequence[Recipe], options: ExplainOptions, given: Given) -> Grid:
    """Read what is explained: the first of the recipes, and those that it is compared with.

    Raises:
        SpecError: an option is wrong, or has no effect on any of the recipes.
    """
    refuse(Asked(recipes=recipes, sparsity_method=options.sparsity_method), given)
    exports = export_specs(recipes, options, [(options.batch, options.img_size)])
    return Grid(exports=exports, build=build_request(options))


def parse_tuned(options: TuneOptions, given: Given, **asked: object) -> TuneSpec:
    """Read what is tuned; ``asked``: fields of the spec that are no options of a model or a compiler.

    Raises:
        SpecError: an option is wrong, or has no effect.
    """
    refuse(Asked(recipes=(_QUANTIZED,)), given)
    exports = export_specs([_BASELINE], options, [(options.batch, options.img_size)])
    return checked_spec(TuneSpec, export=exports[0], build=build_request(options), **asked)


def _shapes(options: ShapesOptions) -> list[Shape]:
    """All combinations of batches and image sizes."""
    sizes = (None,) if options.img_size is None else _integers("--img-size", options.img_size)
    return [(batch, size) for size in sizes for batch in _integers("--batch", options.batch)]


def _subjects(words: Sequence[str]) -> tuple[tuple[Recipe, ...], tuple[str, ...]]:
    """Recipes, or files."""
    files = tuple(word for word in words if is_path(word))
    if not files:
        return parse_recipes(words), ()
    if len(files) < len(words):
        raise SpecError("recipes and files do not mix; export the recipes and name their folders")
    return (), files


def is_path(word: str) -> bool:
    """Whether a word names a file or a folder; a word that is also a recipe is the recipe.

    Raises:
        SpecError: it is neither.
    """
    try:
        parse_recipe(word)
    except SpecError:
        path = Path(word)
        with suppress(OSError):  # such as a name that is too long
            if path.exists():
                return True
        if len(path.parts) > 1 or path.suffix:
            raise SpecError(f"{word}: neither a path nor a recipe") from None
        raise
    return False


def _integers(option: str, text: str) -> tuple[int, ...]:
    """Read ``1,8,64``."""
    try:
        numbers = tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise SpecError(f"{option} {text}: expected an integer, or several separated by commas") from error
    if len(set(numbers)) < len(numbers):
        raise SpecError(f"{option} {text}: name each number once")
    return numbers


def bench_spec(options: TimingOptions, seed: int) -> BenchSpec:
    """Read the protocol of a measurement.

    Raises:
        SpecError: an option is out of range.
    """
    return checked_spec(BenchSpec, options, cuda_graph=not options.no_graph, seed=seed)


def inputs_spec(data: Path | None, samples: int, seed: int) -> InputsSpec:
    """Read which images to verify on.

    Raises:
        SpecError: the number of images or the seed is out of range.
    """
    directory = None if data is None else str(data.resolve())
    return checked_spec(InputsSpec, directory=directory, samples=samples, seed=seed)


def build_request(
    options: CompilerOptions, sparsity: bool = False, profiles: Sequence[str] = ()
) -> BuildRequest:
    """Read how engines are built.

    Args:
        options: of the builder.
        sparsity: allow kernels for 2:4 sparse weights.
        profiles: words such as ``x=1x3:8x3:64x3``, an optimization profile each.

    Raises:
        SpecError: an option is out of range.
    """
    words = getattr(options, "target", ())
    limit_gb, mib = options.memory_limit_gb, options.workspace_mib
    if limit_gb is not None and not 1 <= limit_gb * _GB <= MAX_BYTES:
        raise SpecError(
            f"--memory-limit-gb {limit_gb}: expected more than 0 and at most {MAX_BYTES / _GB:g} gigabytes"
        )
    if mib is not None and not 0 < mib <= MAX_WORKSPACE_BYTES // 2**20:
        raise SpecError(f"--workspace-mib {mib}: expected 1 to {MAX_WORKSPACE_BYTES // 2**20}")
    return checked_spec(
        BuildRequest,
        options,
        targets=tuple(dict.fromkeys(name.strip().lower() for word in words for name in word.split(","))),
        sparsity=sparsity,
        memory_limit_bytes=None if limit_gb is None else int(limit_gb * _GB),
        options=checked_spec(
            BuilderOptions,
            options,
            workspace_bytes=None if mib is None else mib * 2**20,
            profiles=tuple(map(parse_profile, profiles)),
        ),
    )


def parse_profile(word: str) -> tuple[ShapeRange, ...]:
    """Read an optimization profile such as ``x=1x3:8x3:64x3,mask=1x5:8x5:64x5``.

    Raises:
        SpecError: the word has another form, or names an input twice.
    """
    profile: list[ShapeRange] = []
    position = 0
    while position < len(word) or not profile:
        match = _RANGE.match(word, position)
        if match is None:
            raise SpecError(
                f"--profile {word}: expected NAME=MIN:OPT:MAX, such as "
                "x=1x3x224x224:8x3x224x224:64x3x224x224; separate inputs by commas"
            )
        least, best, most = (tuple(map(int, shape.split("x"))) for shape in match["shapes"].split(":"))
        try:
            profile.append(ShapeRange(input=match["input"], min_shape=least, opt_shape=best, max_shape=most))
        except ValidationError as error:
            raise SpecError(f"--profile {word}: {error.errors()[0]['msg']}") from error
        position = match.end()
    names = [entry.input for entry in profile]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"--profile {word}: {name} comes twice; give one range for each input")
    return tuple(profile)
