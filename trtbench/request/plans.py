"""Plans of sweeps: YAML files that people write, and those that come with the package."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from trtbench.errors import SpecError, SpecErrors
from trtbench.predict.fitted import calibration_of
from trtbench.predict.gpus import find_gpu
from trtbench.request.arguments import AnyPath
from trtbench.runtimes import runtime_entry
from trtbench.specs import SweepPlan
from trtbench.specs.recipe import Recipe, parse_recipe
from trtbench.specs.sized_vit import SizedViT, sizes_of
from trtbench.specs.sweep import ALL_STAGES, MAX_CELLS
from trtbench.specs.yaml_text import load_marked_yaml, yaml_problem

_MOST_BYTES = 1_000_000
_MOST_FAULTS = 10
_NEEDED = ("patch", "depth", "width", "recipe")


@dataclass(frozen=True)
class _Fault:
    """Something wrong with a plan; ``line`` is 0 where a key is missing."""

    line: int
    text: str


def read_plan(path: AnyPath) -> SweepPlan:
    """Read a plan: a file, or the name of one that comes with the package, such as ``vit39``.

    Raises:
        SpecError: there is no such plan, or something is wrong with it; one line for each fault, with the
            line of the file.
    """
    shown, text = _text_of(Path(path))
    try:
        entries = load_marked_yaml(text)
    except yaml.YAMLError as error:
        raise SpecError(f"{shown}: {yaml_problem(error)}") from error
    values, faults = _values(entries)
    if not faults:
        plan = SweepPlan(name=Path(path).stem, **values)
        faults = list(_wrong_together(plan, {key: line for key, line, _ in entries}))
    if faults:
        raise SpecErrors(list(_lines(shown, faults)))
    return plan


def packaged_plans() -> list[str]:
    """Names of the plans that come with the package."""
    folder = resources.files("trtbench.sweep").joinpath("plans")
    return sorted(each.name.removesuffix(".yaml") for each in folder.iterdir() if each.name.endswith(".yaml"))


def _text_of(path: Path) -> tuple[str, str]:
    """The name that messages give a plan, and its text."""
    name = str(path)
    if not path.exists() and name in packaged_plans():
        file = resources.files("trtbench.sweep").joinpath(f"plans/{name}.yaml")
        return name, file.read_text(encoding="utf-8")
    try:
        if path.is_file() and path.stat().st_size > _MOST_BYTES:
            raise SpecError(f"{path}: {path.stat().st_size} bytes; a plan has at most {_MOST_BYTES}")
        return name, path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        plans = ", ".join(packaged_plans())
        raise SpecError(f"{path}: no such file; name a YAML file, or one of the plans {plans}") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise SpecError(f"{path}: cannot be read: {reason}") from error


def _lines(shown: str, faults: Sequence[_Fault]) -> Iterator[str]:
    for fault in faults[:_MOST_FAULTS]:
        yield f"{shown}{f':{fault.line}' if fault.line else ''}: {fault.text}"
    if len(faults) > _MOST_FAULTS:
        yield f"{shown}: {len(faults) - _MOST_FAULTS} more faults"


def _values(entries: Sequence[tuple[str, int, Any]]) -> tuple[dict[str, Any], list[_Fault]]:
    """The fields of a plan, and what is wrong with each."""
    values: dict[str, Any] = {}
    faults: list[_Fault] = []
    for key, line, value in entries:
        if key not in _READERS:
            similar = get_close_matches(key, _READERS, n=1)
            hint = f"did you mean {similar[0]}?" if similar else f"known are {', '.join(_READERS)}"
            faults.append(_Fault(line, f"{key}: unknown key; {hint}"))
        elif key in values:
            faults.append(_Fault(line, f"{key}: comes twice; list all its values once"))
        else:
            values[key], wrong = _items(key, value)
            faults += [_Fault(line, f"{key}: {text}") for text in wrong]
    faults += [_Fault(0, f"{key}: is missing; add it") for key in _NEEDED if key not in values]
    return values, faults


def _items(key: str, value: Any) -> tuple[tuple[Any, ...], list[str]]:
    """The values of one key, which may be a list or a single one."""
    items = value if isinstance(value, list) else [value]
    if not items or value is None:
        return (), ["has no value; give at least one, or remove the key"]
    read = [_read(key, item) for item in items]
    return tuple(read), [str(each) for each in read if isinstance(each, SpecError)]


def _read(key: str, item: Any) -> Any:
    """One value, or what is wrong with it."""
    try:
        return _READERS[key](item)
    except SpecError as error:
        return error


def _number(most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise SpecError(f"{value!r:.60}: expected a whole number from 1 to {most}")
        return value

    return read


def _word(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise SpecError(f"{value!r:.60}: expected {what}")
    return value


def _recipe(value: Any) -> Recipe:
    return parse_recipe(_word(value, "a recipe such as nvfp4"))


def _runtime(value: Any) -> str:
    name = _word(value, "a runtime such as torch")
    if runtime_entry(name).loads == "script":
        raise SpecError(f"{name}: takes script files, not recipes; name another runtime")
    return name


def _gpu(value: Any) -> str:
    gpu = find_gpu(str(value))
    calibration_of(gpu)
    return gpu.name


def _model(value: Any) -> str:
    if sizes_of(str(value)) is None:
        raise SpecError(f"{value!r:.60}: expected the name of a model, such as vit16x12x768")
    return str(value)


def _stage(value: Any) -> str:
    if value not in ALL_STAGES:
        raise SpecError(f"{value!r:.60}: expected {', '.join(ALL_STAGES)}")
    return str(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "patch": _number(999),
    "depth": _number(999),
    "width": _number(99_999),
    "heads": _number(9_999),
    "image": _number(16_384),
    "batch": _number(65_536),
    "recipe": _recipe,
    "runtime": _runtime,
    "gpu": _gpu,
    "skip": _model,
    "stages": _stage,
}
"""How one value of each key is read."""


def _wrong_together(plan: SweepPlan, lines: dict[str, int]) -> Iterator[_Fault]:
    """What is wrong with values that are right alone."""
    if plan.combinations > MAX_CELLS:
        yield _Fault(
            0, f"{plan.combinations} cells; a plan has at most {MAX_CELLS}: remove values or split the plan"
        )
        return
    for key, text in (*_wrong_sizes(plan), *_wrong_skips(plan), *_wrong_runtimes(plan)):
        yield _Fault(lines.get(key, 0), f"{key}: {text}")


def _wrong_sizes(plan: SweepPlan) -> Iterator[tuple[str, str]]:
    for image, patch in _pairs(plan.image, plan.patch):
        yield "image", f"{image}: is not a multiple of patch {patch}; choose another image size"
    for width, heads in _pairs(plan.width, plan.heads):
        yield "heads", f"{heads}: does not divide width {width}; choose another number"
    for width in plan.width:
        heads = width // 64 or 1
        if not plan.heads and width % heads:
            yield "width", f"{width}: is not a multiple of the {heads} heads it gets; name heads"


def _wrong_skips(plan: SweepPlan) -> Iterator[tuple[str, str]]:
    sizes = product(plan.patch, plan.depth, plan.width)
    known = {SizedViT(patch=patch, depth=depth, width=width).name for patch, depth, width in sizes}
    for name in plan.skip:
        if name not in known:
            yield "skip", f"{name}: is not a model of this plan; remove it"
    if known <= set(plan.skip):
        yield "skip", "leaves no model; remove some"


def _wrong_runtimes(plan: SweepPlan) -> Iterator[tuple[str, str]]:
    if plan.runtime and plan.stages and not {"bench", "trace"} & set(plan.stages):
        yield (
            "runtime",
            f"has no effect with stages {', '.join(plan.stages)}; add bench or trace, or remove it",
        )


def _pairs(numbers: Iterable[int], divisors: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Numbers with a divisor that leaves a rest."""
    return ((number, each) for number in numbers for each in divisors if number % each)
