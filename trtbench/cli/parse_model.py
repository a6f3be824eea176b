"""From words and options to specs of models and exports."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions
from trtbench.cli.refusals import Asked, refuse
from trtbench.errors import SpecError
from trtbench.specs import (
    CalibrationSpec,
    CheckpointSpec,
    ExportSpec,
    InputsSpec,
    ModelSpec,
    Scalar,
    Spec,
)
from trtbench.specs.recipe import Recipe, parse_recipe
from trtbench.specs.yaml_text import load_yaml, yaml_problem

S = TypeVar("S", bound=Spec)
Shape = tuple[int, int | None]
"""Batch, and image size where it is not the model's own."""

DEFAULT_PRECISIONS = ("fp8+fp8attn", "mxfp8", "nvfp4+fp8attn")
"""What models are linted for: FP8 and the block formats, with attention in FP8 where it compiles so."""

_OPTIONS = {
    (ModelSpec, "name"): "model",
    (ModelSpec, "overrides"): "set",
    (CalibrationSpec, "samples"): "calib-samples",
    (InputsSpec, "samples"): "data-samples",
}
"""Options with another name than the field that they fill."""


def checked_spec(spec_type: type[S], options: object = None, /, **fields: object) -> S:
    """Make a spec of ``fields`` and, where these lack one, of the options with its name.

    Raises:
        SpecError: a value is wrong; the text names the option.
    """
    values = {} if options is None else vars(options)
    same = {name: values[name] for name in values if name in spec_type.model_fields}
    try:
        return spec_type(**{**same, **fields})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        option = _OPTIONS.get((spec_type, field), field.replace("_", "-"))
        raise SpecError(f"--{option} {first['input']}: {first['msg']}") from error


def parse_recipes(words: Sequence[str]) -> tuple[Recipe, ...]:
    """Read recipes.

    Raises:
        SpecError: a word is no recipe, or one is named twice.
    """
    recipes = tuple(parse_recipe(word) for word in words)
    for recipe in recipes:
        if recipes.count(recipe) > 1:
            raise SpecError(f"recipe {recipe} is named more than once; name each recipe once")
    return recipes


def checked_exports(
    words: Sequence[str], options: ModelOptions, shape: Shape, given: Given
) -> tuple[ExportSpec, ...]:
    """Read one export for each recipe word.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
    """
    recipes = parse_recipes(words)
    refuse(Asked(recipes=recipes, sparsity_method=options.sparsity_method), given)
    return export_specs(recipes, options, [shape])


def export_specs(
    recipes: Sequence[Recipe], options: ModelOptions, shapes: Sequence[Shape]
) -> tuple[ExportSpec, ...]:
    """Make one export for each shape and recipe, shape by shape.

    Raises:
        SpecError: an option is wrong.
    """
    model = _model_spec(options)
    directory = None if options.calib is None else str(options.calib.resolve())
    calibration = checked_spec(
        CalibrationSpec, directory=directory, samples=options.calib_samples, seed=options.seed
    )
    return tuple(
        checked_spec(
            ExportSpec,
            model=checked_spec(ModelSpec, model, img_size=model.img_size if size is None else size),
            recipe=recipe,
            batch=batch,
            passes=_pass_names(options.passes),
            sparsity_method=options.sparsity_method,
            calibration=calibration,
        )
        for batch, size in shapes
        for recipe in recipes
    )


def lint_subject(
    word: str, precisions: Sequence[str], overrides: Sequence[str], shape: Shape, given: Given
) -> tuple[ExportSpec, ...] | Path:
    """The path ``word`` of a graph, or one export of the model ``word`` for each precision.

    Raises:
        SpecError: an option is wrong, or has no effect on a graph.
    """
    path = Path(word)
    is_name = not path.exists() and path.suffix != ".onnx" and len(path.parts) == 1
    is_model = is_name or path.suffix == ".yaml"
    refuse(Asked(graph=None if is_model else path), given)
    options = ModelOptions(model=word if is_model else ModelOptions.model, overrides=list(overrides))
    exports = export_specs(parse_recipes(precisions or DEFAULT_PRECISIONS), options, [shape])
    return exports if is_model else path


def _pass_names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return () if text == "none" else tuple(text.split(","))


def _model_spec(options: ModelOptions) -> ModelSpec:
    entry = read_model_entry(Path(options.model)) if options.model.endswith(".yaml") else None
    overrides = {**dict(entry.overrides if entry else ()), **dict(parse_overrides(options.overrides))}
    return checked_spec(
        ModelSpec,
        name=entry.name if entry else options.model,
        overrides=tuple(sorted(overrides.items())),
        img_size=entry.img_size if entry else None,
        pretrained=options.pretrained,
        checkpoint=None if options.checkpoint is None else _checkpoint_spec(options.checkpoint),
        seed=options.seed,
    )


def _checkpoint_spec(path: Path) -> CheckpointSpec:
    from trtbench.export.checkpoint_files import weights_sha256

    return CheckpointSpec(path=str(path.resolve()), sha256=weights_sha256(path))


def read_model_entry(path: Path) -> ModelSpec:
    """Read a model of ``models/``: ``name``, and where they differ from timm's ``img_size``, ``overrides``.

    Raises:
        SpecError: the file cannot be read, or a field is missing, unknown or wrong.
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


def parse_overrides(words: Sequence[str]) -> tuple[tuple[str, Scalar], ...]:
    """Read ``depth=2 class_token=false`` into sorted pairs; values are YAML scalars.

    Raises:
        SpecError: a word has no ``=``, a value is no number, boolean or word, or a name is given twice.
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


def with_sparse(word: str) -> str:
    """Add ``+sparse`` to a recipe that lacks it.

    Raises:
        SpecError: the word is no recipe.
    """
    return str(replace(parse_recipe(word), sparse=True))
