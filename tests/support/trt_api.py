"""TensorRT's Python API as its bindings declare it, version by version, to run code against without TensorRT.

``data/tensorrt-api`` holds the names, enum values and call signatures of the official bindings, one file a
version, as read out of the published packages. ``load_api`` makes a module of them that has these names and
no others: an attribute, an argument or an enum member that a version lacks fails as it would there. What
calls do is scripted with plain classes.
"""

import enum
import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_FOLDER = Path(__file__).parents[1] / "data" / "tensorrt-api"


def _by_number(name: str) -> list[str | int]:
    """Sort 10.8 before 10.11."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


VERSIONS = tuple(
    sorted((path.name.removesuffix(".json.gz") for path in _FOLDER.glob("*.json.gz")), key=_by_number)
)
"""Such as ``tensorrt-10.11.0.33`` and ``tensorrt_rtx-1.7.1.116``, those of each product oldest first."""

_SEVERITIES = {"INTERNAL_ERROR": 0, "ERROR": 1, "WARNING": 2, "INFO": 3, "VERBOSE": 4}  # NvInferRuntimeBase.h
_BUFFERS = ("buffer", "typing_extensions.Buffer", "collections.abc.Buffer")
_REQUIRED = object()


@dataclass(frozen=True)
class Parameter:
    """Of a signature; ``default`` is ``_REQUIRED`` where there is none."""

    name: str
    annotation: str
    default: object


@dataclass(frozen=True)
class Signature:
    """One overload, without ``self``."""

    parameters: tuple[Parameter, ...]
    returns: str


@dataclass
class Api:
    """The module, and ``(class, method, arguments)`` of every call so far."""

    module: ModuleType
    calls: list[tuple[str, str, tuple[Any, ...]]] = field(default_factory=list)

    def called(self, method: str) -> list[tuple[Any, ...]]:
        """Arguments of all calls of a method."""
        return [arguments for _, name, arguments in self.calls if name == method]


def load_api(
    version: str,
    scripts: Mapping[str, Callable[..., Any]] | None = None,
    change: Callable[[dict[str, Any]], None] = lambda description: None,
) -> Api:
    """Make the module of a version.

    Args:
        version: one of ``VERSIONS``.
        scripts: by name of an API class, what makes the object that acts for it: the class that our code may
            call with the arguments of its constructor, with methods and attributes of the API's names. An
            object that a method returns acts for the class that its ``api_class`` names.
        change: changes the description first, to show what a test makes of another API.
    """
    with gzip.open(_FOLDER / f"{version}.json.gz", "rt", encoding="utf-8") as file:
        description = json.load(file)
    change(description)
    module = ModuleType(description["module"])
    module.__spec__ = ModuleSpec(module.__name__, None)
    module.__dict__["__version__"] = description["version"]
    api = Api(module)
    for name, entry in description["classes"].items():
        setattr(module, name, _make_class(api, name, entry, dict(scripts or {})))
    for name in description["functions"]:
        setattr(module, name, _make_function(api, name))
    return api


def script_of(instance: Any) -> Any:
    """Find the scripted object that acts for an object of the API."""
    return instance._script


def _make_class(api: Api, name: str, entry: dict[str, Any], scripts: dict[str, Callable[..., Any]]) -> type:
    where = f"{api.module.__name__} {api.module.__version__}"
    if "enum" in entry:
        return enum.Enum(name, entry["enum"], type=_IntConvertible, module=where)
    members: dict[str, Any] = {"__slots__": ("_script",), "__module__": where}
    signatures = entry.get("signatures", {})
    if "Severity" in entry["members"]:
        severity = enum.Enum("Severity", _SEVERITIES, type=_IntConvertible, module=where)
        exported = {name: severity[name] for name in _SEVERITIES if name in entry["members"]}
        members |= {"Severity": severity, **exported}
    for member in entry["members"]:
        if member in signatures:
            members[member] = _make_method(api, name, member, signatures[member])
        elif member not in members:
            members[member] = _make_attribute(api, name, member)
    if name == "Dims":
        return type(name, (tuple,), {"MAX_DIMS": 8, "__module__": where})
    if name == "IHostMemory":
        return type(name, (bytes,), {"nbytes": property(len), "__module__": where})

    def initialise(self: Any, *arguments: Any) -> None:
        script = scripts.get(name)
        object.__setattr__(self, "_script", None if script is None else script(*arguments))

    return type(name, (), {**members, "__init__": initialise})


def _make_function(api: Api, name: str) -> Callable[..., Any]:
    """A function of the module, without a signature in the bindings: its calls are kept."""

    def function(*arguments: Any) -> None:
        api.calls.append(("", name, arguments))

    return function


class _IntConvertible:
    """Members of a pybind11 enum convert to their values, but are no integers."""

    value: int

    def __int__(self) -> int:
        return self.value


def _make_method(api: Api, class_name: str, name: str, texts: list[str]) -> Callable[..., Any]:
    overloads = [_parse(text) for text in texts if not text.endswith("(*args, **kwargs)")]

    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        for signature in overloads:
            bound = _bind(api, signature, arguments, keywords)
            if bound is not None:
                api.calls.append((class_name, name, bound))
                result = _scripted(self, class_name, name)(*bound)
                return _returned(api, signature, result, f"{class_name}.{name}")
        raise TypeError(f"{class_name}.{name}{arguments}{keywords or ''}: incompatible with {texts}")

    return method


def _make_attribute(api: Api, class_name: str, name: str) -> Any:
    """A property, or a method without a signature in the bindings; either is what the script has."""

    def read(self: Any) -> Any:
        return _wrapped(api, _scripted(self, class_name, name))

    def write(self: Any, value: Any) -> None:
        if not hasattr(self._script, name):
            raise NotImplementedError(f"{class_name}.{name} is not scripted")
        setattr(self._script, name, value)

    return property(read, write)


def _scripted(instance: Any, class_name: str, name: str) -> Any:
    if not hasattr(instance._script, name):
        raise NotImplementedError(f"{class_name}.{name} is not scripted")
    return getattr(instance._script, name)


def _bind(
    api: Api, signature: Signature, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...] | None:
    """Values of all parameters that were given, in order; None when the overload does not take them."""
    names = [parameter.name for parameter in signature.parameters]
    if len(arguments) > len(names) or set(keywords) - set(names[len(arguments) :]):
        return None
    given = {**dict(zip(names, arguments, strict=False)), **keywords}
    for parameter in signature.parameters:
        if parameter.name not in given:
            if parameter.default is _REQUIRED:
                return None
        elif not _accepts(api, parameter.annotation, given[parameter.name], parameter.default == "None"):
            return None
    return tuple(given[name] for name in names if name in given)


def _accepts(api: Api, annotation: str, value: Any, is_optional: bool) -> bool:
    if annotation in ("int", "typing.SupportsInt"):
        return hasattr(value, "__int__") and not isinstance(value, str | float)
    if annotation in ("float", "typing.SupportsFloat"):
        return isinstance(value, int | float)
    if annotation in _BUFFERS:
        return isinstance(value, bytes | bytearray | memoryview)
    if annotation in ("str", "bool", "tuple", "list"):
        return isinstance(value, {"str": str, "bool": bool, "tuple": tuple, "list": list}[annotation])
    if re.match(r"(typing\.)?(List|list|collections\.abc\.Sequence)\[", annotation):
        return isinstance(value, list | tuple)
    known = _api_class(api, annotation)
    return known is None or isinstance(value, known) or (value is None and is_optional)


def _api_class(api: Api, annotation: str) -> type | None:
    found: Any = api.module
    for part in annotation.replace("nvinfer1::", "").split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _returned(api: Api, signature: Signature, result: Any, what: str) -> Any:
    """Check the script against the declared type."""
    is_value = signature.returns in ("Dims", "IHostMemory") and result is not None
    wrapped = getattr(api.module, signature.returns)(result) if is_value else _wrapped(api, result)
    if signature.returns == "None":
        matches = wrapped is None
    else:
        matches = _accepts(api, signature.returns, wrapped, _api_class(api, signature.returns) is not None)
    if not matches:
        raise TypeError(f"the script of {what} returns {result!r}, the bindings declare {signature.returns}")
    return wrapped


def _wrapped(api: Api, result: Any) -> Any:
    if not hasattr(result, "api_class"):
        return result
    api_class = getattr(api.module, result.api_class)
    instance = api_class.__new__(api_class)
    object.__setattr__(instance, "_script", result)
    return instance


def _parse(text: str) -> Signature:
    """Read ``2. name(self: T, a: int, b: T2 = <T2.X: 0>) -> R``."""
    match = re.fullmatch(r"(?:\d+\. )?\w+\((?P<parameters>.*)\)(?: -> (?P<returns>.+))?", text)
    if match is None:
        raise ValueError(f"signature {text!r} cannot be read")
    parameters = [_parse_parameter(part) for part in _split(match["parameters"])]
    own = parameters[1:] if parameters and parameters[0].name == "self" else parameters
    return Signature(tuple(own), match["returns"] or "object")


def _split(text: str) -> list[str]:
    """Split at commas that no bracket holds."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[(<{") - (character in "])>}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _parse_parameter(text: str) -> Parameter:
    declared, _, default = text.partition(" = ")
    name, _, annotation = declared.partition(": ")
    return Parameter(name, annotation or "object", default if default else _REQUIRED)
