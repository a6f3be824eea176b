"""Groups of options: a command takes a dataclass, and typer sees its fields as options."""

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any

from typer import Context

from trtbench.cli.help import with_whole_examples

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


class Given(tuple[str, ...]):
    """The options on the command line, such as ``--batch``, whether or not their values are the defaults.

    ``variables``: those that environment variables set, as defaults: these are never refused.
    """

    variables: frozenset[str] = frozenset()


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """Make the callback of a command for typer.

    A parameter annotated with a dataclass becomes the options of its fields, and one annotated with ``Given``
    is filled in. Annotations are not to be strings.
    """
    parameters = inspect.signature(command).parameters
    groups: dict[str, Any] = {
        name: each.annotation for name, each in parameters.items() if is_dataclass(each.annotation)
    }
    wants_given = [name for name, each in parameters.items() if each.annotation is Given]

    def callback(context: Context, **values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values, **{name: _given(context) for name in wants_given})

    own = [each for name, each in parameters.items() if name not in (*groups, *wants_given)]
    shared = [option for group in groups.values() for option in _options(group)]
    flat = [inspect.Parameter("context", _KEYWORD, annotation=Context), *own, *shared]
    callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=_KEYWORD) for each in flat]
    )
    callback.__annotations__ = {each.name: each.annotation for each in flat}
    callback.__doc__ = with_whole_examples(command.__doc__)
    return callback


def option_names(*groups: Any) -> frozenset[str]:
    """The options of these groups, such as ``--batch``."""
    return frozenset(_name(each) for group in groups for each in _options(group))


def words_of(group: Any, given: Given) -> list[str]:
    """The options of a group as they were given, to be pasted: ``--batch 8 --set depth=2``."""
    words = []
    for option in _options(type(group)):
        name, value = _name(option), getattr(group, option.name)
        for each in value if isinstance(value, list) else [value]:
            words += ([name] if each is True else [name, str(each)]) if name in given else []
    return words


def _name(option: inspect.Parameter) -> str:
    # Until typer reads the annotation, the first word of Option("--set") is where a default would be.
    declared = option.annotation.__metadata__[0].default
    return declared if isinstance(declared, str) else f"--{option.name.replace('_', '-')}"


def _given(context: Context) -> Given:
    sources = [
        (each.opts[0], source.name)
        for each in context.command.params
        if (source := context.get_parameter_source(each.name or ""))
    ]
    given = Given(option for option, source in sources if source == "COMMANDLINE")
    given.variables = frozenset(option for option, source in sources if source == "ENVIRONMENT")
    return given


def _options(group: Any) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            field.name,
            _KEYWORD,
            annotation=_under_heading(field.type, _panel_of(group, field.name)),
            default=field.default if field.default_factory is MISSING else field.default_factory(),
        )
        for field in fields(group)
    ]


def _panel_of(group: Any, name: str) -> str:
    """The heading of the class that declares the option, or that it inherits."""
    owner = next(base for base in group.__mro__ if name in vars(base).get("__annotations__", {}))
    panel: str = owner.PANEL
    return panel


def _under_heading(annotation: Any, panel: str) -> Any:
    """The annotation of an option, whose help stands under this heading."""
    kind, declared = annotation.__origin__, copy(annotation.__metadata__[0])
    declared.rich_help_panel = panel
    return Annotated[kind, declared]
