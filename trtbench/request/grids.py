"""Builds, images, protocols, and the grid of all that is compared."""

import re
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from trtbench.errors import SpecError
from trtbench.host.untrusted_files import open_untrusted
from trtbench.predict.gpus import find_gpu
from trtbench.request.arguments import (
    AnyModel,
    AnyPath,
    ArgumentError,
    BenchArguments,
    BuildArguments,
    CompareArguments,
    ExplainArguments,
    PredictArguments,
    TraceArguments,
    TuneArguments,
    checked_spec,
)
from trtbench.request.models import export_specs, parse_recipes
from trtbench.request.shapes import Shape, refuse_dynamic
from trtbench.specs import (
    MAX_BYTES,
    MAX_WORKSPACE_BYTES,
    BenchSpec,
    BuilderOptions,
    BuildRequest,
    ExportSpec,
    Grid,
    InputsSpec,
    InputValues,
    ShapeRange,
    TuneSpec,
)
from trtbench.specs.environment import parse_environments
from trtbench.specs.recipe import Precision, Recipe, parse_recipe

_GB = 1e9
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_DRAWN = re.compile(rf"(?P<low>{_NUMBER}):(?P<high>{_NUMBER})")
MAX_SIDE = 2**31 - 1
_LONGEST_SHAPE = 1000
_SHAPE = r"\d+(?:x\d+)*"
# Names are those of the ONNX file, and may hold what separates them.
_RANGE = re.compile(rf"(?P<input>.+?)=(?P<shapes>{_SHAPE}:{_SHAPE}:{_SHAPE})(?:,(?=.)|\Z)", re.DOTALL)


def grid_of(
    exports: Sequence[ExportSpec],
    files: Sequence[str],
    arguments: BenchArguments | ExplainArguments | PredictArguments | TraceArguments | CompareArguments,
    runtimes: Sequence[str] = (),
    environments: Sequence[str] = (),
    **fields: object,
) -> Grid:
    """Read what is compared or predicted: exports and files, in runtimes and environments.

    ``fields``: others of the grid.

    Raises:
        SpecError: a word or an argument is wrong.
    """
    values = cast(CompareArguments, arguments)  # the others have some of these names
    gpu = values.get("gpu")
    return checked_spec(
        Grid,
        values,
        exports=tuple(exports),
        files=tuple(files),
        environments=parse_environments(environments),
        runtimes=tuple(runtimes),
        build=build_request(values),
        bench=checked_spec(BenchSpec, values, inputs=_input_values(values.get("input", ()))),
        gpu=None if gpu is None else find_gpu(gpu),
        **fields,
    )


def tune_spec(
    model: AnyModel, shapes: Sequence[Shape], arguments: TuneArguments, **fields: object
) -> TuneSpec:
    """Read what is tuned: the first shape is searched; ``fields``: others of the spec.

    Raises:
        SpecError: an argument is wrong.
    """
    refuse_dynamic(shapes, "tune")
    values = cast(CompareArguments, arguments)  # the others have some of these names
    export, *others = export_specs([Recipe(Precision.FP16)], model, shapes, arguments)
    other_shapes = tuple((other.batch, other.model.img_size) for other in others)
    return checked_spec(TuneSpec, export=export, build=build_request(values), shapes=other_shapes, **fields)


def subjects_of(words: Sequence[str]) -> tuple[tuple[Recipe, ...], tuple[str, ...]]:
    """Read recipes and files.

    Raises:
        SpecError: a word is neither.
    """
    files = tuple(word for word in words if is_path(word))
    return parse_recipes([word for word in words if word not in files]), files


def is_path(word: str) -> bool:
    """Whether a word names an existing file or folder; otherwise it is a recipe.

    Raises:
        SpecError: it is neither.
    """
    with suppress(OSError):  # such as a name that is too long
        if Path(word).exists():
            return True
    try:
        parse_recipe(word)
    except SpecError:
        path = Path(word)
        if len(path.parts) > 1 or path.suffix:
            raise SpecError(f"{word}: neither a path nor a recipe; check the name") from None
        raise
    return False


def parse_shapes(words: str | Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read shapes of dynamic inputs, such as ``x=8x3x224x224``.

    Raises:
        ArgumentError: a word has another form, or an input is given twice.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for word in [words] if isinstance(words, str) else words:
        name, _, sides = word.rpartition("=")
        if not name or len(word) > _LONGEST_SHAPE or not re.fullmatch(_SHAPE, sides):
            raise ArgumentError("shape", f"{word}: expected NAME=SHAPE, such as x=8x3x224x224")
        if name in shapes:
            raise ArgumentError("shape", f"{word}: {name} is given twice")
        shapes[name] = tuple(map(int, sides.split("x")))
        if max(shapes[name]) > MAX_SIDE:
            raise ArgumentError("shape", f"{word}: a side is at most {MAX_SIDE}")
    return shapes


def _input_values(words: str | Sequence[str]) -> tuple[InputValues, ...]:
    """Read ``ids=0:999`` and ``x=FILE.npy``, each input once."""
    values = tuple(map(parse_input, [words] if isinstance(words, str) else words))
    names = [each.input for each in values]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError("input", f"{name}: is given twice")
    return values


def parse_input(word: str) -> InputValues:
    """Read where the values of an input come from: ``ids=0:999`` or ``x=FILE.npy``.

    Raises:
        ArgumentError: the word has another form, or the file cannot be read.
    """
    name, _, text = word.rpartition("=")
    drawn = _DRAWN.fullmatch(text)
    if name and drawn:
        low, high = float(drawn["low"]), float(drawn["high"])
        if low > high:
            raise ArgumentError("input", f"{word}: {drawn['low']} is more than {drawn['high']}")
        return InputValues(input=name, low=low, high=high)
    path = Path(text)
    if not name or path.suffix != ".npy":
        raise ArgumentError("input", f"{word}: expected NAME=LOW:HIGH, such as ids=0:999, or NAME=FILE.npy")
    try:
        with open_untrusted(path) as file:
            digest = sha256(file.readall()).hexdigest()
    except OSError as error:
        raise ArgumentError("input", f"{word}: cannot be read ({error.strerror})") from error
    return InputValues(input=name, path=str(path.absolute()), sha256=digest)


def inputs_spec(
    data: AnyPath | None, samples: int, seed: int, calibration: AnyPath | None = None
) -> InputsSpec:
    """Read which images to verify on; without any, those of the ``calibration``.

    Raises:
        ArgumentError: the number of images or the seed is out of range.
    """
    folder = calibration if data is None else data
    directory = None if folder is None else str(Path(folder).resolve())
    is_calibration = data is None and calibration is not None
    return checked_spec(
        InputsSpec, directory=directory, is_calibration=is_calibration, samples=samples, seed=seed
    )


def build_request(
    arguments: BuildArguments, sparsity: bool = False, profiles: Sequence[str] = ()
) -> BuildRequest:
    """Read how engines are built.

    Args:
        arguments: of the builder.
        sparsity: allow kernels for 2:4 sparse weights.
        profiles: words such as ``x=1x3:8x3:64x3``, an optimization profile each.

    Raises:
        ArgumentError: an argument is out of range.
    """
    limit_gb, mib = arguments.get("memory_limit_gb"), arguments.get("workspace_mib")
    if limit_gb is not None and not 1 <= limit_gb * _GB <= MAX_BYTES:
        most = f"{MAX_BYTES / _GB:g} gigabytes"
        raise ArgumentError("memory_limit_gb", f"{limit_gb}: expected more than 0 and at most {most}")
    if mib is not None and not 0 < mib <= MAX_WORKSPACE_BYTES // 2**20:
        raise ArgumentError("workspace_mib", f"{mib}: expected 1 to {MAX_WORKSPACE_BYTES // 2**20}")
    return checked_spec(
        BuildRequest,
        {**arguments},
        targets=_targets(arguments.get("target", ())),
        sparsity=sparsity,
        memory_limit_bytes=None if limit_gb is None else int(limit_gb * _GB),
        options=checked_spec(
            BuilderOptions,
            {**arguments},
            workspace_bytes=None if mib is None else mib * 2**20,
            profiles=tuple(map(parse_profile, profiles)),
        ),
    )


def _targets(words: str | Sequence[str]) -> tuple[str, ...]:
    """Each once: ``SM89, sm120`` gives ``sm89`` and ``sm120``."""
    several = [words] if isinstance(words, str) else words
    return tuple(dict.fromkeys(name.strip().lower() for word in several for name in word.split(",")))


def parse_profile(word: str) -> tuple[ShapeRange, ...]:
    """Read an optimization profile such as ``x=1x3:8x3:64x3,mask=1x5:8x5:64x5``.

    Raises:
        ArgumentError: the word has another form, or names an input twice.
    """
    profile: list[ShapeRange] = []
    position = 0
    while position < len(word) or not profile:
        match = _RANGE.match(word, position)
        if match is None:
            raise ArgumentError(
                "profile",
                f"{word}: expected NAME=MIN:OPT:MAX, such as "
                "x=1x3x224x224:8x3x224x224:64x3x224x224; separate inputs by commas",
            )
        least, best, most = (tuple(map(int, shape.split("x"))) for shape in match["shapes"].split(":"))
        try:
            profile.append(ShapeRange(input=match["input"], min_shape=least, opt_shape=best, max_shape=most))
        except ValidationError as error:
            raise ArgumentError("profile", f"{word}: {error.errors()[0]['msg']}") from error
        position = match.end()
    names = [entry.input for entry in profile]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError("profile", f"{word}: {name} comes twice; give one range for each input")
    return tuple(profile)
