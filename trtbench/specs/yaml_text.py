"""YAML: whatever is wrong with a text that users write is one kind of error, and one line of words."""

from importlib import resources
from typing import Any, cast

import yaml

_QUOTED = 40
_MOST_VALUES = 100_000
_DEEPEST = 20
"""Lists and mappings in each other, beyond which no text that people write goes."""


class _Loader(yaml.SafeLoader):
    """Reports which value is wrong, and where; PyYAML omits what Python reports about a 13th month."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _count_values(node, {}, ())
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            kind = node.tag.rpartition(":")[2]
            problem = f"{node.value!r:.{_QUOTED}} cannot be read as {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _count_values(node: yaml.Node, counts: dict[int, int], above: tuple[int, ...]) -> int:
    """Values of a node, those behind an alias as often as it stands: a few hundred bytes may stand for 2**60.

    Raises:
        yaml.YAMLError: there are too many, or a value holds itself.
    """
    if id(node) in above:
        raise yaml.MarkedYAMLError(problem="a value holds itself", problem_mark=node.start_mark)
    if id(node) not in counts:
        inner = [each for pair in node.value for each in (pair if isinstance(pair, tuple) else [pair])]
        is_scalar = isinstance(node, yaml.ScalarNode)
        within = (*above, id(node))
        counts[id(node)] = 1 if is_scalar else 1 + sum(_count_values(each, counts, within) for each in inner)
    if counts[id(node)] > _MOST_VALUES:
        raise yaml.MarkedYAMLError(
            problem=f"aliases stand for more than {_MOST_VALUES} values", problem_mark=node.start_mark
        )
    return counts[id(node)]


def load_yaml(text: str) -> Any:
    """Read a document of plain values.

    Raises:
        yaml.YAMLError: it is invalid, a value in it does not exist, or it is nested too deeply.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except RecursionError as error:
        raise yaml.YAMLError("lists and mappings are nested too deeply") from error


def load_marked_yaml(text: str) -> list[tuple[str, int, Any]]:
    """Read a mapping of plain values as keys with their lines, from 1, and values; a key may come twice.

    Raises:
        yaml.YAMLError: it is invalid, no mapping, nested too deeply, or has an alias, which may stand for any
            amount of text.
    """
    try:
        depth = 0
        for event in yaml.parse(text, _Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise RecursionError
            if isinstance(event, yaml.AliasEvent):
                problem = f"alias *{event.anchor} is not supported; write the value in its place"
                raise yaml.composer.ComposerError(None, None, problem, cast(Any, event.start_mark))
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise yaml.YAMLError("expected keys with values, such as depth: [6, 12]")
        return [
            (str(loader.construct_object(key)), key.start_mark.line + 1, loader.construct_object(value, True))
            for key, value in node.value
        ]
    except RecursionError as error:
        raise yaml.YAMLError("lists and mappings are nested too deeply") from error


def load_packaged_yaml(package: str, name: str) -> Any:
    """Read a table that comes with ``package``, by libyaml where PyYAML has it: eight times as fast."""
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (both are safe)


def yaml_problem(error: Exception) -> str:
    """Where a text stops being YAML, and why."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f"invalid YAML: {' '.join(str(error).split())}"
