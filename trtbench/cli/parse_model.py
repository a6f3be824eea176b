"""From options to arguments, and from words and options to exports of models."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from trtbench import request
from trtbench.cli.groups import Given
from trtbench.cli.options import ModelOptions
from trtbench.cli.refusals import Asked, refuse
from trtbench.errors import SpecError
from trtbench.request import DEFAULT_PRECISIONS, ArgumentError, Shape, is_model, parse_recipes
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
        SpecError: a word of ``--set`` is wrong.
    """
    arguments = dict(vars(options))
    if "overrides" in arguments:
        arguments["overrides"] = dict(parse_overrides(arguments["overrides"]))
        arguments["passes"] = _pass_names(arguments["passes"])
    if "no_graph" in arguments:
        arguments["cuda_graph"] = not arguments["no_graph"]
    return arguments


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
def export_specs(
    recipes: Sequence[Recipe], options: ModelOptions, shapes: Sequence[Shape]
) -> tuple[ExportSpec, ...]:
    """Make one export for each shape and recipe, shape by shape.

    Raises:
        SpecError: an option is wrong.
    """
    return request.export_specs(recipes, options.model, shapes, arguments_of(options))


def lint_subject(
    word: str, precisions: Sequence[str], overrides: Sequence[str], shape: Shape, given: Given
) -> tuple[ExportSpec, ...] | Path:
    """The path ``word`` of a graph, or one export of the model ``word`` for each precision.

    Raises:
        SpecError: an option is wrong, or has no effect on a graph.
    """
    path = None if is_model(word) else Path(word)
    refuse(Asked(graph=path), given)
    options = ModelOptions(model=word if path is None else ModelOptions.model, overrides=list(overrides))
    exports = export_specs(parse_recipes(precisions or DEFAULT_PRECISIONS), options, [shape])
    return exports if path is None else path


def _pass_names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return () if text == "none" else tuple(text.split(","))


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
