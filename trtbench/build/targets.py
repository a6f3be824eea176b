"""The GPUs that TensorRT-RTX compiles for, named by compute capability: ``sm120``.

Whether a precision exists on a target is not checked here: the compiler itself refuses within a second, and
its answer is right for every version.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.host.installation import needing, rtx_remedy

TARGETS_OF_1_7 = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""``tensorrt_rtx.ComputeCapability`` of 1.5, 1.6 and 1.7, for when no TensorRT-RTX is installed."""

# Members of ComputeCapability that name no target. CURRENT would need a GPU at build time.
_NOT_TARGETS = ("NONE", "CURRENT")

_DATACENTER_GPUS = {
    "sm90": "H100, H200",
    "sm100": "B200",
    "sm103": "B300",
    "sm110": "Jetson Thor",
}


def import_tensorrt_rtx() -> Any:
    """Return the module ``tensorrt_rtx``.

    Raises:
        RuntimeUnavailable: it is not installed, or its libraries do not load.
    """
    with needing("TensorRT-RTX", remedy=rtx_remedy):
        import tensorrt_rtx
    return tensorrt_rtx


def known_targets() -> tuple[str, ...]:
    """List the targets of the installed TensorRT-RTX, or of 1.7 when there is none, oldest first."""
    try:
        members = import_tensorrt_rtx().ComputeCapability.__members__
    except RuntimeUnavailable:
        return TARGETS_OF_1_7
    return tuple(sorted((name.lower() for name in members if name not in _NOT_TARGETS), key=_number))


def parse_target(word: str, known: Sequence[str] | None = None) -> str:
    """Read a target such as ``sm120`` or ``SM120``; ``known``: those of another TensorRT-RTX than is here.

    Raises:
        SpecError: TensorRT-RTX has no such target; the text lists those it has.
    """
    target = word.strip().lower()
    known = known_targets() if known is None else known
    if target in known:
        return target
    has = f"TensorRT-RTX compiles for {', '.join(known)}"
    if target in _DATACENTER_GPUS:
        raise SpecError(f"target {word!r} ({_DATACENTER_GPUS[target]}): {has}; it needs standard TensorRT")
    raise SpecError(f"target {word!r} is unknown: {has}")


def parse_targets(words: Iterable[str], known: Sequence[str] | None = None) -> tuple[str, ...]:
    """Read several targets: each once, oldest first, because their order does not change the engine.

    Raises:
        SpecError: there is none, or TensorRT-RTX has no such target.
    """
    targets = {parse_target(word, known) for word in words}
    if not targets:
        raise SpecError(f"targets is empty: name at least one of {', '.join(known_targets())}")
    return tuple(sorted(targets, key=_number))


def _number(target: str) -> int:
    return int(target.lower().removeprefix("sm"))
