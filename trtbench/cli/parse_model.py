"""From options to arguments, and from words and options to exports of models."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from trtbench import request
from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions, ShapeOptions
from trtbench.cli.refusals import Asked, refuse
from trtbench.errors import SpecError
from trtbench.request import DEFAULT_PRECISIONS, ArgumentError, Shape, is_model, is_path, parse_recipes
from trtbench.specs import ExportSpec, Scalar
from trtbench.specs.recipe import Recipe, parse_recipe
from trtbench.specs.yaml_text import load_yaml

_OPTIONS = {"overrides": "set", "min_sqnr_db": "min-sqnr"}
"""Options with another name than the argument."""


@contextmanager
def naming_options() -> Iterator[None]:
    """Name the option where an argument is wrong: ``--calib-samples`` for ``calib_samples``."""
    try:
        yield
    except ArgumentError as error:
        option = _OPTIONS.get(error.argument, error.argument.replace("_", "-"))
        raise SpecError(f"--{option} {error.problem}") from error


def arguments_of(options: object) -> Any:
    """Options as the arguments that Python takes.

    Raises:
        SpecError: a word of ``--set``, ``--mean`` or ``--std`` is wrong.
    """
    arguments = dict(vars(options))
    if "overrides" in arguments:
        arguments["overrides"] = dict(parse_overrides(arguments["overrides"]))
        arguments["passes"] = _pass_names(arguments["passes"])
        arguments["features"] = _blocks(arguments["features"])
        arguments |= {name: _numbers(name, arguments[name]) for name in ("mean", "std")}
    if "no_graph" in arguments:
        arguments["cuda_graph"] = not arguments["no_graph"]
    return arguments


def parse_subjects(
    words: Sequence[str], options: ModelOptions, shape: Shape, given: Given, builds_files: bool
) -> tuple[ExportSpec | Path, ...]:
    """Read what artifacts are asked for: existing paths, and exports of recipes, in the order of the words.

    Args:
        words: paths and recipes.
        options: the model of the recipes.
        shape: batch and image size of the recipes.
        given: the options on the command line.
        builds_files: models among the paths are built.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
        ArtifactError: a file among the words is damaged.
    """
    files = [word for word in words if is_path(word)]
    recipes = parse_recipes([word for word in words if word not in files])
    # The options of a model name its artifacts: those of its other recipes may be given, too.
    named = Given(name for name in given if not recipes or not name.startswith("--calib"))
    named.variables = given.variables
    refuse(
        Asked(
            recipes=recipes,
            files=files,
            sparsity_method=options.sparsity_method,
            is_timed=False,
            builds_files=builds_files,
            is_dynamic=shape.batch_range is not None,
        ),
        named,
    )
    exports = iter(export_specs(recipes, options, [shape]) if recipes else ())
    return tuple(Path(word) if word in files else next(exports) for word in words)


def parse_built(
    words: Sequence[str], options: ModelOptions, shape: Shape, given: Given
) -> tuple[ExportSpec | Path, ...]:
    """Read what is built; nothing stands for all exported models, on which model options have no effect.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
        ArtifactError: a file among the words is damaged.
    """
    if not words:
        refuse(Asked(builds_store=True), given)
        return ()
    return parse_subjects(words, options, shape, given, builds_files=True)


def parse_verified(
    words: Sequence[str], options: ModelOptions, shape: Shape, given: Given
) -> tuple[ExportSpec | Path, ...]:
    """Read what is verified: existing paths, and exports of recipes, in the order of the words.

    Raises:
        SpecError: a word or an option is wrong, or an option has no effect.
    """
    recipes, files = request.subjects_of(words)
    refuse(Asked(recipes, files, sparsity_method=options.sparsity_method, verifies_files=True), given)
    exports = iter(export_specs(recipes, options, [shape]) if recipes else ())
    return tuple(Path(word) if word in files else next(exports) for word in words)


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


@naming_options()
def shape_of(options: ShapeOptions) -> Shape:
    """The only shape; a dynamic batch counts at its optimum.

    Raises:
        SpecError: an option has another form.
    """
    return request.shape_of(options.batch, options.img_size)


@naming_options()
def export_specs(
    recipes: Sequence[Recipe], options: ModelOptions, shapes: Sequence[Shape]
) -> tuple[ExportSpec, ...]:
    """Make one export for each shape and recipe, shape by shape.

    Raises:
        SpecError: an option is wrong.
    """
    return request.export_specs(recipes, options.model, shapes, arguments_of(options))


def lint_subject(
    word: str, precisions: Sequence[str], options: ModelOptions, shape: Shape, given: Given
) -> tuple[ExportSpec, ...] | ExportSpec | Path:
    """What ``word`` names: the path of a graph, an export by its recipe, or a model in each precision.

    Raises:
        SpecError: an option is wrong, or has no effect on the subject.
    """
    path = Path(word)
    recipe = None if path.exists() else _recipe_or_none(word)
    if recipe is not None:
        refuse(Asked(recipes=[recipe], lints="recipe", sparsity_method=options.sparsity_method), given)
        (export,) = export_specs([recipe], options, [shape])
        return export
    refuse(Asked(files=[word], lints="model" if is_model(word) else "graph"), given)
    if not is_model(word):
        return path
    return export_specs(
        parse_recipes(precisions or DEFAULT_PRECISIONS), replace(options, model=word), [shape]
    )


def _recipe_or_none(word: str) -> Recipe | None:
    try:
        return parse_recipe(word)
    except SpecError:
        return None


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise SpecError(f"--{option} {text}: expected a number, or several separated by commas") from error


def _blocks(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(word) for word in text.split("+"))
    except ValueError as error:
        raise SpecError(f"--features {text}: expected numbers of blocks, such as 3+6+9") from error


def _pass_names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return () if text == "none" else tuple(text.split(","))


def parse_overrides(words: Sequence[str]) -> tuple[tuple[str, Scalar], ...]:
    """Read ``depth=2 class_token=false`` into sorted pairs; values are YAML scalars.

    Raises:
        SpecError: a word has no ``=``, a value is not a number, boolean or word, or a name is given twice.
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
        SpecError: the word is not a recipe.
    """
    return str(replace(parse_recipe(word), sparse=True))
