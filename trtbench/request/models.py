"""Models, recipes and shapes."""

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from trtbench.errors import SpecError
from trtbench.host.installation import needing
from trtbench.host.untrusted_files import TEXT_BYTES, read_untrusted
from trtbench.request.arguments import AnyModel, ArgumentError, ModelArguments, checked_spec
from trtbench.request.shapes import Shape
from trtbench.specs import CalibrationSpec, CheckpointSpec, ExportSpec, ModelSpec, PreparationSpec, SourceSpec
from trtbench.specs.recipe import Recipe, parse_recipe
from trtbench.specs.yaml_text import load_yaml, yaml_problem

if TYPE_CHECKING:
    from torch import nn

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_UNSAFE = re.compile(r"[^\w.-]+")

DEFAULT_PRECISIONS = ("fp8+fp8attn", "mxfp8", "nvfp4+fp8attn")
"""What models are linted for: FP8 and the block formats, with attention in FP8 where it compiles so."""


def parse_recipes(words: Sequence[str]) -> tuple[Recipe, ...]:
    """Read recipes.

    Raises:
        SpecError: a word is not a recipe, or one is named twice.
    """
    recipes = tuple(parse_recipe(word) for word in words)
    for recipe in recipes:
        if recipes.count(recipe) > 1:
            raise SpecError(f"recipe {recipe} is named more than once; name each recipe once")
    return recipes


def export_specs(
    recipes: Sequence[Recipe], model: AnyModel, shapes: Sequence[Shape], arguments: ModelArguments
) -> tuple[ExportSpec, ...]:
    """Make one export for each shape and recipe, shape by shape.

    Args:
        recipes: the precisions.
        model: a timm name, a ``.yaml`` file such as those of ``models/``, a model that timm made, an ONNX
            file, a folder of Hugging Face's, or a function that makes a model: ``package.module:function``.
        shapes: batches and image sizes; the file of a model may have an image size, too.
        arguments: of the model and its calibration.

    Raises:
        SpecError: the file of the model, the object or an argument is wrong.
        ExportError: the checkpoint is missing or cannot be read.
    """
    spec = _model_spec(model, arguments).model_copy(update={"preparation": _preparation_spec(arguments)})
    values: dict[str, object] = {**arguments}
    directory, seed = arguments.get("calib"), arguments.get("seed", spec.seed)
    calibration = checked_spec(
        CalibrationSpec,
        {"samples": arguments["calib_samples"]} if "calib_samples" in arguments else {},
        directory=None if directory is None else str(Path(directory).resolve()),
        seed=seed,
    )
    return tuple(
        checked_spec(
            ExportSpec,
            values,
            model=checked_spec(ModelSpec, vars(spec), img_size=shape.img_size or spec.img_size),
            recipe=recipe,
            batch=shape.batch,
            batch_range=shape.batch_range,
            calibration=calibration,
        )
        for shape in shapes
        for recipe in recipes
    )


def _preparation_spec(arguments: ModelArguments) -> PreparationSpec | None:
    """What is asked for; None where nothing is."""
    asked = checked_spec(PreparationSpec, {**arguments})
    return None if asked == PreparationSpec() else asked


def is_model(word: str) -> bool:
    """Whether a word names a model, and not an ONNX file or an artifact."""
    path = Path(word)
    is_name = not path.exists() and path.suffix != ".onnx" and len(path.parts) == 1
    return is_name or path.suffix == ".yaml"


def _model_spec(model: AnyModel, arguments: ModelArguments) -> ModelSpec:
    if arguments.get("features") and arguments.get("token_reduction"):
        reason = "excludes a token reduction, with which blocks differ in their tokens; remove one of them"
        raise ArgumentError("features", reason)
    if not isinstance(model, str | PathLike):
        return _spec_of_object(model, arguments)
    word, checkpoint = str(model), arguments.get("checkpoint")
    source = _source_spec(word)
    if source is not None:
        _refuse_weights(word, arguments)
        return checked_spec(
            ModelSpec,
            {"seed": arguments.get("seed", 0), "features": arguments.get("features")},
            name=_name_of(source),
            source=source,
        )
    entry = read_model_entry(Path(word)) if word.endswith(".yaml") else ModelSpec(name=word)
    if checkpoint is not None and arguments.get("pretrained"):
        raise ArgumentError("pretrained", "True: the weights come from the checkpoint; remove one of them")
    overrides: Mapping[str, object] = {**dict(entry.overrides), **arguments.get("overrides", {})}
    return checked_spec(
        ModelSpec,
        {**arguments},
        name=entry.name,
        overrides=tuple(sorted(overrides.items())),
        img_size=entry.img_size,
        checkpoint=None if checkpoint is None else _checkpoint_spec(Path(checkpoint)),
    )


def _spec_of_object(model: "nn.Module", arguments: ModelArguments) -> ModelSpec:
    for name in ("overrides", "checkpoint", "pretrained"):
        if arguments.get(name):
            raise ArgumentError(name, f"{arguments.get(name)}: the model object has its own; remove it")
    with needing("torch", "export"):
        from trtbench.export.given import spec_of
    spec = spec_of(model)
    asked = {name: arguments.get(name) for name in ("token_reduction", "features")}
    return checked_spec(ModelSpec, vars(spec), **asked)


def _source_spec(word: str) -> SourceSpec | None:
    """Read an ONNX file, a folder or a function; None for all other words."""
    path = Path(word)
    if path.is_dir():
        return SourceSpec(kind="folder", path=str(path.resolve()))
    if path.suffix == ".onnx":
        if not path.is_file():
            raise ArgumentError("model", f"{word}: no such file")
        return SourceSpec(kind="onnx", path=str(path.resolve()))
    return SourceSpec(kind="function", path=word) if _FUNCTION.fullmatch(word) else None


def _name_of(source: SourceSpec) -> str:
    """What folders of the store are called after."""
    name = source.path.replace(":", ".") if source.kind == "function" else Path(source.path).stem
    return _UNSAFE.sub("-", name)


def _refuse_weights(word: str, arguments: ModelArguments) -> None:
    """Refuse arguments of timm's models.

    Raises:
        ArgumentError: one is given.
    """
    for argument in ("overrides", "checkpoint", "pretrained"):
        if arguments.get(argument):
            raise ArgumentError(
                argument, f"has no effect with {word}, which has weights of its own; remove it"
            )
    if arguments.get("token_reduction"):
        raise ArgumentError(
            "token_reduction", f"changes blocks of timm's, which {word} has none of; remove it"
        )


def _checkpoint_spec(path: Path) -> CheckpointSpec:
    from trtbench.export.checkpoint_files import weights_sha256

    return CheckpointSpec(path=str(path.resolve()), sha256=weights_sha256(path))


def read_model_entry(path: Path) -> ModelSpec:
    """Read a model of ``models/``: ``name``, and where they differ from timm's ``img_size``, ``overrides``.

    Raises:
        ArgumentError: the file cannot be read, or a field is missing, unknown or wrong.
    """
    try:
        entry = load_yaml(read_untrusted(path, TEXT_BYTES).decode())
    except OSError as error:
        raise ArgumentError("model", f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ArgumentError("model", f"{path}: cannot be read: {yaml_problem(error)}") from error
    if not isinstance(entry, dict) or not {"name"} <= entry.keys() <= {"name", "img_size", "overrides"}:
        raise ArgumentError(
            "model", f"{path}: expected the fields name, img_size and overrides, got {entry!r:.80}"
        )
    overrides = entry.get("overrides") or {}
    if not isinstance(overrides, dict) or not all(isinstance(name, str) for name in overrides):
        raise ArgumentError("model", f"{path}: overrides: expected names with values, got {overrides!r:.80}")
    pairs = tuple(sorted(overrides.items()))
    try:
        return ModelSpec(name=entry["name"], img_size=entry.get("img_size"), overrides=pairs)
    except ValidationError as error:
        first = error.errors()[0]
        raise ArgumentError(
            "model", f"{path}: {first['loc'][0]} {first['input']!r}: {first['msg']}"
        ) from error
