"""Optimization profiles against the inputs of a model: which shapes a dynamic input may have."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from trtbench.build.dimensions import Dimensions, is_dynamic, shown
from trtbench.errors import SpecError
from trtbench.specs import BuildSpec, ShapeRange
from trtbench.store.artifacts import OnnxArtifact

_EXAMPLE_BATCHES = (1, 8, 64)


def check_profiles(
    model: Path, inputs: Mapping[str, Dimensions], profiles: Sequence[Sequence[ShapeRange]]
) -> None:
    """Refuse what TensorRT would refuse after it has read the model, and what trtexec would guess.

    Without a profile trtexec builds an engine for dynamic sides of 1 (``samples/common/sampleEngines.cpp``).

    Args:
        model: path of the ONNX file.
        inputs: dimensions of all its inputs, by name.
        profiles: one range for each dynamic input in each.

    Raises:
        SpecError: a dynamic input has no range, a static model has a profile, or a range does not fit.
    """
    dynamic = {name: dims for name, dims in inputs.items() if is_dynamic(dims)}
    if not profiles and dynamic:
        raise SpecError(_advice(model, dynamic))
    if profiles and not dynamic:
        raise SpecError(f"--profile has no effect on {model.name}, which has no dynamic input; remove it")
    for profile in profiles:
        _check_profile(model, inputs, profile)
        ranges = {entry.input for entry in profile}
        missing = [f"{name} {shown(dims)}" for name, dims in dynamic.items() if name not in ranges]
        if missing:
            raise SpecError(
                f"--profile {profile_word(profile)}: no range for {', '.join(missing)}, a dynamic input of "
                f"{model.name}"
            )


def with_own_profile(spec: BuildSpec, onnx: OnnxArtifact | Path) -> BuildSpec:
    """Take the range of batches that a model was exported with, unless profiles are given."""
    batches = None if isinstance(onnx, Path) else onnx.manifest.spec.batch_range
    if spec.options.profiles or isinstance(onnx, Path) or batches is None:
        return spec
    profile = tuple(
        ShapeRange(input=record.name, min_shape=least, opt_shape=best, max_shape=most)
        for record in onnx.manifest.inputs
        for least, best, most in [[(batch, *record.shape[1:]) for batch in batches.batches]]
    )
    options = spec.options.model_copy(update={"profiles": (profile,)})
    return spec.model_copy(update={"options": options})


def profile_word(profile: Sequence[ShapeRange]) -> str:
    """Write ``x=1x3:8x3:64x3,mask=1x5:8x5:64x5``, as the command line reads it."""
    return ",".join(_range_word(e.input, (e.min_shape, e.opt_shape, e.max_shape)) for e in profile)


def _check_profile(model: Path, inputs: Mapping[str, Dimensions], profile: Sequence[ShapeRange]) -> None:
    for entry in profile:
        if entry.input not in inputs:
            raise SpecError(
                f"--profile {profile_word(profile)}: {model.name} has no input {entry.input}, only "
                f"{', '.join(inputs)}"
            )
        dims = inputs[entry.input]
        for shape in (entry.min_shape, entry.opt_shape, entry.max_shape):
            if not _fits(shape, dims):
                raise SpecError(
                    f"--profile {profile_word(profile)}: {_joined(shape)} does not fit {entry.input} "
                    f"{shown(dims)}"
                )


def _fits(shape: Sequence[int], dims: Dimensions) -> bool:
    return len(shape) == len(dims) and all(
        isinstance(wanted, str) or side == wanted for side, wanted in zip(shape, dims, strict=True)
    )


def _advice(model: Path, dynamic: Mapping[str, Dimensions]) -> str:
    """Name the inputs and an example for them: a dynamic first side is a batch, others keep their names."""
    example = ",".join(
        _range_word(
            name,
            [dims if isinstance(dims[0], int) else (batch, *dims[1:]) for batch in _EXAMPLE_BATCHES],
        )
        for name, dims in dynamic.items()
    )
    inputs = ", ".join(f"{name} {shown(dims)}" for name, dims in dynamic.items())
    return (
        f"{model.name} has dynamic inputs, {inputs}: give their shapes by trtbench build {model} --profile "
        f"{example} (MIN:OPT:MAX) and name the engine that it prints, or export it with static ones"
    )


def _range_word(name: str, shapes: Sequence[Dimensions]) -> str:
    return f"{name}={':'.join(map(_joined, shapes))}"


def _joined(shape: Dimensions) -> str:
    return "x".join(map(str, shape))
