"""What the target and the backend have no kernels for."""

from collections.abc import Iterator

from trtbench.errors import Code
from trtbench.lint.subject import LintSubject
from trtbench.lint.wording import count, names, places
from trtbench.results import Finding

_FIRST_TARGET = {"fp8": 89, "mxfp8": 89, "fp4": 120}
"""Compute capability from which a type exists (FP8: Ada; FP4: Blackwell)."""


def target_lacks_type(subject: LintSubject) -> Iterator[Finding]:
    """A target without the number format: the compiler refuses the whole model.

    Source: the compiler, which says "Cannot compile for target(s) sm89, because the model contains
    HW-specific datatypes: fp4_e2m1"; FP8 and MXFP8 need sm89, NVFP4 needs sm120.
    """
    for precision in sorted(subject.precisions & _FIRST_TARGET.keys()):
        lacking = [name for name in subject.targets if int(name[2:]) < _FIRST_TARGET[precision]]
        if lacking:
            yield Finding(
                code=Code.TARGET_LACKS_TYPE,
                severity="error",
                message=f"{', '.join(lacking)} cannot compute in {precision}: the compiler refuses the model",
                hint=f"build for sm{_FIRST_TARGET[precision]} or later, or use another precision",
                numbers={"first_target": _FIRST_TARGET[precision]},
            )


def mxfp8_emulated(subject: LintSubject) -> Iterator[Finding]:
    """MXFP8 on TensorRT-RTX: quantised, dequantised, and multiplied in 16 bits.

    Source: compiled layers of TensorRT-RTX 1.5 to 1.7, sm89 to sm121: no MXFP8 GEMM in any layout.
    """
    layers = tuple(layer for layer in subject.block_layers if layer.precision == "mxfp8")
    if layers:
        share = subject.linear_share(layers)
        yield Finding(
            code=Code.MXFP8_EMULATED,
            severity="warning",
            message=(
                f"{count(layers, 'Linear layer')} ({places(layers)}; {share:.1%} of the FLOPs of Linear "
                "layers) in MXFP8 will multiply in 16 bits: TensorRT-RTX has no MXFP8 kernels"
            ),
            hint=(
                "use fp8 or nvfp4, or build with standard TensorRT 10.12 or later, which is said to have "
                "MXFP8 kernels"
            ),
            numbers={"layers": len(layers), "linear_flops_share": share},
            layers=names(layers),
        )


def sparsity_ignored(subject: LintSubject) -> Iterator[Finding]:
    """2:4 sparse weights: TensorRT-RTX takes the flag and compiles the dense kernels.

    Source: the compiler: same kernels and same size with and without the flag, no "(Sparsity)" lines.
    """
    if subject.recipe is not None and subject.recipe.sparse:
        yield Finding(
            code=Code.SPARSITY_IGNORED,
            severity="warning",
            message="2:4 sparse weights compile to the same kernels as dense ones with TensorRT-RTX",
            hint="drop +sparse with TensorRT-RTX: pruning costs accuracy and gains nothing here",
        )


RULES = (target_lacks_type, mxfp8_emulated, sparsity_ignored)
