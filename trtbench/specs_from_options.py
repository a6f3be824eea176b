"""From words on a command line to checked specs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import ValidationError

from trtbench.artifacts import file_record
from trtbench.cli_options import BuildOptions, ModelOptions
from trtbench.errors import SpecError
from trtbench.recipes import Recipe, parse_recipe
from trtbench.specs import (
    BuildSpec,
    CalibrationSpec,
    CheckpointSpec,
    ExportSpec,
    ModelSpec,
    Scalar,
    Spec,
)

if TYPE_CHECKING:
    from trtbench.specs import InputsSpec

S = TypeVar("S", bound=Spec)


def export_specs(words: Sequence[str], options: ModelOptions) -> tuple[ExportSpec, ...]:
    """One spec for each recipe word.

    Raises:
        SpecError: a word or option is wrong, or the same recipe is named twice.
    """
    recipes = [parse_recipe(word) for word in words]
    repeated = {str(r) for r in recipes if recipes.count(r) > 1}
    if repeated:
        raise SpecError(f"recipe {sorted(repeated)[0]} is named more than once: name each recipe once")
    model = _model_spec(options)
    return tuple(_export_spec(recipe, model, options) for recipe in recipes)


def build_spec(options: BuildOptions, sparsity: bool = False) -> BuildSpec:
    """Read the build options; targets may hold comma-separated words.

    Raises:
        SpecError: an option is out of range.
    """
    targets = tuple(name.strip().lower() for word in options.target for name in word.split(","))
    limit_gb = options.memory_limit_gb
    return _checked(
        BuildSpec,
        targets=tuple(dict.fromkeys(targets)),
        sparsity=sparsity,
        timeout_s=options.timeout_s,
        memory_limit_bytes=None if limit_gb is None else int(limit_gb * 1e9),
    )


def _model_spec(options: ModelOptions) -> ModelSpec:
    if options.checkpoint is not None and options.pretrained:
        raise SpecError("--checkpoint and --pretrained exclude each other: the weights come from one place")
    return _checked(
        ModelSpec,
        name=options.model,
        overrides=parse_overrides(options.overrides),
        img_size=options.img_size,
        pretrained=options.pretrained,
        checkpoint=None if options.checkpoint is None else _checkpoint_spec(options.checkpoint),
        seed=options.seed,
    )


def _export_spec(recipe: Recipe, model: ModelSpec, options: ModelOptions) -> ExportSpec:
    return _checked(
        ExportSpec,
        model=model,
        recipe=recipe,
        batch=options.batch,
        sparsity_method=options.sparsity_method,
        calibration=_calibration_spec(options),
    )


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
        value = yaml.safe_load(text) if equals else None
        if not name.isidentifier() or not isinstance(value, bool | int | float | str):
            raise SpecError(f"--set {word}: expected NAME=VALUE with a number, true, false or a word")
        if name in pairs:
            raise SpecError(f"--set {word}: {name} is set twice")
        pairs[name] = value
    return tuple(sorted(pairs.items()))


def _checked(spec_type: type[S], **fields: object) -> S:
    try:
        return spec_type(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"{where} = {first['input']!r}: {first['msg']}") from error


def inputs_spec(data: Path | None, samples: int, seed: int) -> "InputsSpec":
    """Read which images to verify on.

    Raises:
        SpecError: the number of images or the seed is out of range.
    """
    from trtbench.specs import InputsSpec

    directory = None if data is None else str(data.resolve())
    return _checked(InputsSpec, directory=directory, samples=samples, seed=seed)


def with_sparse(word: str) -> str:
    """Add ``+sparse`` to a recipe word that lacks it."""
    return str(replace(parse_recipe(word), sparse=True))
