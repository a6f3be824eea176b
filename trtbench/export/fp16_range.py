"""What of a float32 model FP16 cannot hold: activations and weights beyond 65504, weights near zero."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from trtbench.errors import Code, ExportError
from trtbench.export.fp16 import FP16_MAX
from trtbench.results import Finding

_TOLERATED_ERROR = 0.01  # relative, of a whole tensor: 40 dB; a tensor of normal numbers is at 2e-4
_HINT = "use bf16, which has the range of FP32"
_SHOWN = 3


@contextmanager
def recorded_magnitudes(model: nn.Module) -> Iterator[dict[str, float]]:
    """Record the largest magnitude that each module gives while the block lasts, by name, in their order."""
    largest: dict[str, float] = {}

    def record(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                largest[name] = max(largest.get(name, 0.0), _magnitude(output))

        return hook

    handles = [module.register_forward_hook(record(name)) for name, module in model.named_modules() if name]
    try:
        yield largest
    finally:
        for handle in handles:
            handle.remove()


def activation_findings(largest: Mapping[str, float]) -> tuple[Finding, ...]:
    """A warning if any of the magnitudes, by name of the module, is infinite in FP16."""
    beyond = [name for name, magnitude in largest.items() if magnitude > FP16_MAX]
    if not beyond:
        return ()
    first, others = beyond[0], len(beyond) - 1
    more = f"; so are those of {others} more modules" if others else ""
    return (
        Finding(
            code=Code.ACTIVATION_BEYOND_FP16,
            severity="warning",
            message=f"the output of {first} reaches {largest[first]:.6g}, beyond FP16's {FP16_MAX:.0f}, "
            f"and is infinite in this model{more}",
            hint=_HINT,
            numbers={"largest": largest[first]},
            layers=tuple(beyond),
        ),
    )


def weight_findings(model: nn.Module) -> tuple[Finding, ...]:
    """A warning if FP16 rounds a weight of a Linear layer by over 1 %, since its numbers are close to zero.

    Raises:
        ExportError: a weight is infinite in FP16.
    """
    for name, parameter in model.named_parameters():
        largest = _magnitude(parameter)
        if largest > FP16_MAX:
            raise ExportError(f"weight {name} reaches {largest:.6g}, beyond FP16's {FP16_MAX:.0f}: {_HINT}")
    lost = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and _is_lost(layer.weight)
    ]
    if not lost:
        return ()
    shown = ", ".join(lost[:_SHOWN]) + (", ..." if len(lost) > _SHOWN else "")
    return (
        Finding(
            code=Code.WEIGHT_BELOW_FP16,
            severity="warning",
            message=f"the weights of {shown} are so close to zero that FP16 rounds them by more than "
            f"{_TOLERATED_ERROR:.0%}",
            hint=_HINT,
            layers=tuple(lost),
        ),
    )


def _magnitude(tensor: Tensor) -> float:
    """The largest, without a copy of the tensor; infinite if any is."""
    low, high = tensor.detach().aminmax()
    return max(-float(low), float(high))


def _is_lost(weight: Tensor) -> bool:
    weight = weight.detach()
    return bool((weight.half().float() - weight).norm() > _TOLERATED_ERROR * weight.norm())
