"""How far recipes are from FP32, in words: on which weights and images, and what a number of dB means."""

from trtbench.specs import InputsSpec
from trtbench.specs.model import Weights

_WEIGHTS: dict[Weights, str] = {
    "random": "random weights",
    "pretrained": "pretrained weights",
    "checkpoint": "weights of a checkpoint",
    "file": "the model's own weights",
    "function": "weights as the function gives them",
}
_SHOWN_DB = (40, 20, 8)


def fidelity_basis(inputs: InputsSpec, samples: int, weights: Weights | None) -> str:
    """Which weights and images an error is of, and what it says: ``random weights, 8 synthetic images: ...``.

    ``weights`` are None in results of older versions.
    """
    images = format_images(inputs, samples)
    named = f"{_WEIGHTS[weights]}, {images}" if weights else images
    is_real = weights != "random" and inputs.directory is not None
    return named if is_real else f"{named}: compares recipes, says nothing of accuracy"


def format_images(inputs: InputsSpec, samples: int) -> str:
    """``8 synthetic images``, or how many of which folder."""
    if inputs.directory is None:
        return f"{samples} synthetic images"
    folder = "the calibration folder " * inputs.is_calibration + inputs.directory
    return f"{samples} images of {folder}"


def sqnr_scale() -> str:
    """What some SQNRs mean: the error's RMS is ``10^(-dB/20)`` times that of the signal."""
    first, *others = (f"{10 ** (-db / 20):.0%}" for db in _SHOWN_DB)
    rest = (f"{db} dB of {share}" for db, share in zip(_SHOWN_DB[1:], others, strict=True))
    return f"SQNR scale: {_SHOWN_DB[0]} dB is an RMS error of {first} of the output, {', '.join(rest)}"


def format_sqnr(sqnr_db: float | None) -> str:
    """``31.4``, or ``exact`` where there is no error."""
    return "exact" if sqnr_db is None else f"{sqnr_db:.1f}"


def format_share(share: float | None) -> str:
    """``99.4%``, or a dash where it is not known."""
    return "-" if share is None else f"{share:.1%}"
