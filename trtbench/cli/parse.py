"""From words on a command line to checked specs."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import ValidationError

from trtbench.cli.options import (
    DEFAULT_BATCH,
    BenchOptions,
    BuildOptions,
    CompilerOptions,
    ModelOptions,
    NetworkOptions,
    ShapeOptions,
    given_options,
)
from trtbench.errors import SpecError
from trtbench.export.calibration import needs_calibration
from trtbench.specs import (
    MAX_BYTES,
    MAX_SEED,
    MAX_WORKSPACE_BYTES,
    BenchSpec,
    BuildBackend,
    BuilderOptions,
    BuildSpec,
    CalibrationSpec,
    CheckpointSpec,
    ExportSpec,
    ModelSpec,
    Scalar,
    ShapeRange,
    Spec,
)
from trtbench.specs.recipe import Recipe, parse_recipe
from trtbench.specs.yaml_text import load_yaml, yaml_problem
from trtbench.store.artifacts import file_record

if TYPE_CHECKING:
    from trtbench.specs import InputsSpec

S = TypeVar("S", bound=Spec)

_GB = 1e9
DEFAULT_TARGETS = ("sm120",)
DEFAULT_PRECISIONS = ("fp8+fp8attn", "mxfp8", "nvfp4+fp8attn")
"""What design rules are judged for: FP8 and the block formats, with attention in FP8 where it compiles so."""


def export_specs(words: Sequence[str], options: ModelOptions) -> tuple[ExportSpec, ...]:
    """One spec for each recipe word.

    Raises:
        SpecError: a word or option is wrong or has no say, or the same recipe is named twice.
    """
    recipes = [parse_recipe(word) for word in words]
    repeated = {str(r) for r in recipes if recipes.count(r) > 1}
    if repeated:
        raise SpecError(f"recipe {sorted(repeated)[0]} is named more than once: name each recipe once")
    _refuse_useless(recipes, options)
    model = _model_spec(options)
    return tuple(_export_spec(recipe, model, options) for recipe in recipes)


def _refuse_useless(recipes: Sequence[Recipe], options: ModelOptions) -> None:
    """Refuse options that change none of the recipes.

    Raises:
        SpecError: one is given.
    """
    given = given_options(options)
    takes_images = any(needs_calibration(recipe, options.sparsity_method) for recipe in recipes)
    is_sparse = any(recipe.sparse for recipe in recipes)
    for option, is_useless, why in (
        ("--sparsity-method", not is_sparse, "prune nothing"),
        ("--calib", not takes_images, "take no calibration images"),
        ("--calib-samples", not takes_images, "take no calibration images"),
    ):
        if is_useless and option in given:
            named = ", ".join(map(str, recipes))
            raise SpecError(f"{option} has no say in recipes that {why} ({named}): leave it out")


def lint_specs(word: str, words: Sequence[str], options: ModelOptions) -> tuple[ExportSpec, ...] | Path:
    """A path, if ``word`` is one; else a spec of the model ``word`` (timm's, or a file) for each recipe word.

    Raises:
        SpecError: an option is wrong, or has no say in a graph.
    """
    path = Path(word)
    is_name = not path.exists() and path.suffix != ".onnx" and len(path.parts) == 1
    if is_name or path.suffix == ".yaml":
        return export_specs(words or DEFAULT_PRECISIONS, replace(options, model=word))
    if words or options.overrides:
        option = "--precision" if words else "--set"
        raise SpecError(f"{option} has no say in {word}: a graph has its layers and precisions in it")
    export_specs(DEFAULT_PRECISIONS, options)  # checks the rest
    return path


def build_spec(
    options: CompilerOptions,
    sparsity: bool = False,
    backend: BuildBackend | None = None,
    targets: Sequence[str] | None = None,
) -> BuildSpec:
    """Read how engines are built; ``backend`` and ``targets`` stand for those that no option names.

    Raises:
        SpecError: an option is out of range.
    """
    limit_gb = options.memory_limit_gb
    if limit_gb is not None and not 1 <= limit_gb * _GB <= MAX_BYTES:
        raise SpecError(
            f"--memory-limit-gb {limit_gb}: expected a number of gigabytes above 0, up to {MAX_BYTES / _GB:g}"
        )
    return _checked(
        BuildSpec,
        backend=options.backend or backend or "tensorrt_rtx",
        targets=asked_targets(options) or (DEFAULT_TARGETS if targets is None else tuple(targets)),
        sparsity=sparsity,
        timeout_s=options.timeout_s,
        memory_limit_bytes=None if limit_gb is None else int(limit_gb * _GB),
        options=_builder_options(options),
    )


def asked_targets(options: CompilerOptions) -> tuple[str, ...]:
    """The targets that options name, each once; words may hold several with commas between."""
    words = options.target if isinstance(options, BuildOptions) else []
    return tuple(dict.fromkeys(name.strip().lower() for word in words for name in word.split(",")))


def _builder_options(options: CompilerOptions) -> BuilderOptions:
    mib = options.workspace_mib
    if mib is not None and not 0 < mib <= MAX_WORKSPACE_BYTES // 2**20:
        raise SpecError(f"--workspace-mib {mib}: expected 1 to {MAX_WORKSPACE_BYTES // 2**20}")
    return _checked(
        BuilderOptions,
        timing_cache=options.timing_cache,
        tactic_table=options.tactic_table,
        workspace_bytes=None if mib is None else mib * 2**20,
        optimization_level=options.optimization_level,
        tiling=options.tiling,
        hardware_compatibility=options.hardware_compatibility,
        version_compatible=options.version_compatible,
        max_aux_streams=options.max_aux_streams,
    )


def parse_profiles(words: Sequence[str]) -> tuple[tuple[ShapeRange, ...], ...]:
    """Read ``x=1x3:8x3:64x3,mask=1x5:8x5:64x5``, one optimization profile a word.

    Raises:
        SpecError: a word has another form, or names an input twice.
    """
    return tuple(_parse_profile(word) for word in words)


def _parse_profile(word: str) -> tuple[ShapeRange, ...]:
    profile: list[ShapeRange] = []
    position = 0
    while position < len(word) or not profile:
        match = _RANGE.match(word, position)
        if match is None:
            raise SpecError(
                f"--profile {word}: expected NAME=MIN:OPT:MAX, such as "
                "x=1x3x224x224:8x3x224x224:64x3x224x224, with commas between several inputs"
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
            raise SpecError(f"--profile {word}: {name} comes twice: one range for each input")
    return tuple(profile)


def bench_spec(options: BenchOptions, seed: int) -> BenchSpec:
    """Read the protocol of a measurement.

    Raises:
        SpecError: an option is out of range.
    """
    _check_seed(seed)
    if options.rebuilds < 0:
        raise SpecError(f"--rebuilds {options.rebuilds}: expected 0 or more engines")
    return _checked(
        BenchSpec,
        cuda_graph=not options.no_graph,
        l2=options.l2,
        regime=options.regime,
        warmup_ms=options.warmup_ms,
        processes=options.processes,
        block_ms=options.block_ms,
        duration_s=options.duration_s,
        target_half_width=options.target_half_width,
        seed=seed,
    )


def at_shapes(options: NetworkOptions, shapes: ShapeOptions) -> tuple[ModelOptions, ...]:
    """The same model at each image size and batch, all combinations.

    Raises:
        SpecError: a word is no integer above 0, or comes twice.
    """
    batches = _integers("--batch", shapes.batch) if shapes.batch is not None else (DEFAULT_BATCH,)
    sizes = _integers("--img-size", shapes.img_size) if shapes.img_size is not None else (None,)
    return tuple(
        ModelOptions(**vars(options), img_size=size, batch=batch) for size in sizes for batch in batches
    )


def at_one_shape(options: NetworkOptions, shapes: ShapeOptions, what: str) -> ModelOptions:
    """The model at the only shape; ``what`` takes no sweep.

    Raises:
        SpecError: there are several, or an option is wrong.
    """
    models = at_shapes(options, shapes)
    if len(models) > 1:
        given = shapes.batch if shapes.batch and "," in shapes.batch else shapes.img_size
        option = "--batch" if given == shapes.batch else "--img-size"
        raise SpecError(f"{option} {given}: {what} takes one batch and one image size: name one")
    return models[0]


def _integers(option: str, text: str) -> tuple[int, ...]:
    """Read ``1,8,64``."""
    try:
        numbers = tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise SpecError(f"{option} {text}: expected an integer, or several with commas between") from error
    if min(numbers) < 1:
        raise SpecError(f"{option} {text}: expected integers above 0")
    if len(set(numbers)) < len(numbers):
        raise SpecError(f"{option} {text}: name each once")
    return numbers


def _check_seed(seed: int) -> None:
    if not 0 <= seed <= MAX_SEED:
        raise SpecError(f"--seed {seed}: expected 0 to {MAX_SEED}")


def _model_spec(options: ModelOptions) -> ModelSpec:
    if options.checkpoint is not None and options.pretrained:
        raise SpecError("--checkpoint and --pretrained exclude each other: the weights come from one place")
    _check_seed(options.seed)
    entry = read_model_entry(Path(options.model)) if options.model.endswith(".yaml") else None
    overrides = {**dict(entry.overrides if entry else ()), **dict(parse_overrides(options.overrides))}
    return _checked(
        ModelSpec,
        name=entry.name if entry else options.model,
        overrides=tuple(sorted(overrides.items())),
        img_size=options.img_size or (entry.img_size if entry else None),
        pretrained=options.pretrained,
        checkpoint=None if options.checkpoint is None else _checkpoint_spec(options.checkpoint),
        seed=options.seed,
    )


def read_model_entry(path: Path) -> ModelSpec:
    """Read a model of ``models/``: ``name``, and where they differ from timm's ``img_size``, ``overrides``.

    Raises:
        SpecError: there is no such file, or a field is missing, unknown or wrong.
    """
    try:
        entry = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"--model {path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"--model {path}: cannot be read: {yaml_problem(error)}") from error
    if not isinstance(entry, dict) or not {"name"} <= entry.keys() <= {"name", "img_size", "overrides"}:
        raise SpecError(
            f"--model {path}: expected the fields name, img_size and overrides, got {entry!r:.80}"
        )
    overrides = entry.get("overrides") or {}
    if not isinstance(overrides, dict) or not all(isinstance(name, str) for name in overrides):
        raise SpecError(f"--model {path}: overrides: expected names with values, got {overrides!r:.80}")
    pairs = tuple(sorted(overrides.items()))
    try:
        return ModelSpec(name=entry["name"], img_size=entry.get("img_size"), overrides=pairs)
    except ValidationError as error:
        first = error.errors()[0]
        raise SpecError(f"--model {path}: {first['loc'][0]} {first['input']!r}: {first['msg']}") from error


def _export_spec(recipe: Recipe, model: ModelSpec, options: ModelOptions) -> ExportSpec:
    return _checked(
        ExportSpec,
        model=model,
        recipe=recipe,
        batch=options.batch,
        passes=_pass_names(options.passes),
        sparsity_method=options.sparsity_method,
        calibration=_calibration_spec(options),
    )


def _pass_names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return () if text == "none" else tuple(text.split(","))


def _calibration_spec(options: ModelOptions) -> CalibrationSpec:
    directory = None if options.calib is None else str(options.calib.resolve())
    return _checked(CalibrationSpec, directory=directory, samples=options.calib_samples, seed=options.seed)


def _checkpoint_spec(path: Path) -> CheckpointSpec:
    if not path.is_file():
        raise SpecError(f"--checkpoint {path}: no such file")
    return CheckpointSpec(path=str(path.resolve()), sha256=file_record(path).sha256)


def parse_overrides(words: Sequence[str]) -> tuple[tuple[str, Scalar], ...]:
    """Read ``depth=2 class_token=false`` into sorted pairs; values are YAML scalars.

    Raises:
        SpecError: no ``=``, a value that is not a number, a boolean or a word, or a name given twice.
    """
    pairs: dict[str, Scalar] = {}
    for word in words:
        name, equals, text = word.partition("=")
        try:
            value = load_yaml(text) if equals else None
        except yaml.YAMLError:
            value = None
        if not name.isidentifier() or not isinstance(value, bool | int | float | str):
            raise SpecError(f"--set {word}: expected NAME=VALUE with a number, true, false or a word")
        if name in pairs:
            raise SpecError(f"--set {word}: {name} is set twice")
        pairs[name] = value
    return tuple(sorted(pairs.items()))


_SHAPE = r"\d+(?:x\d+)*"
# Names are those of the ONNX file, and may hold what separates them.
_RANGE = re.compile(rf"(?P<input>.+?)=(?P<shapes>{_SHAPE}:{_SHAPE}:{_SHAPE})(?:,(?=.)|\Z)", re.DOTALL)

_OPTIONS = {"samples": "calib-samples", "name": "model", "overrides": "set"}
"""Options that are not called as the fields are that they fill."""


def _checked(spec_type: type[S], **fields: object) -> S:
    """Make a spec of what options say; an error names the option."""
    try:
        return spec_type(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        option = _OPTIONS.get(field, field.replace("_", "-"))
        raise SpecError(f"--{option} {first['input']}: {first['msg']}") from error


def inputs_spec(data: Path | None, samples: int, seed: int) -> "InputsSpec":
    """Read which images to verify on.

    Raises:
        SpecError: the number of images or the seed is out of range.
    """
    from trtbench.specs import InputsSpec

    if samples < 1:
        raise SpecError(f"--data-samples {samples}: expected 1 image or more")
    directory = None if data is None else str(data.resolve())
    return _checked(InputsSpec, directory=directory, samples=samples, seed=seed)


def with_sparse(word: str) -> str:
    """Add ``+sparse`` to a recipe word that lacks it."""
    return str(replace(parse_recipe(word), sparse=True))
