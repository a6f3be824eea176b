"""Shapes, types and convolutions."""

from collections import Counter
from collections.abc import Iterator

from trtbench.audit.precision import QUANTIZED
from trtbench.errors import Code
from trtbench.lint.subject import Convolution, LintSubject
from trtbench.lint.wording import count, names, places
from trtbench.results import Finding

_SHOWN = 3
_LARGEST_FP8_KERNEL = 32
"""Elements of the kernel of an FP8 convolution, height times width."""


def dynamic_shape(subject: LintSubject) -> Iterator[Finding]:
    """An input without a static shape: it needs an optimization profile, which ``build`` alone takes.

    Source: the compiler, which says "no optimization profile has been defined". With a profile, a dynamic
    batch compiles to the same kernels (FP8 attention included), a dynamic number of tokens does not: FP8
    attention is no longer fused.
    """
    if subject.dynamic_inputs:
        shown = ", ".join(f"{name} {shape}" for name, shape in subject.dynamic_inputs[:_SHOWN])
        yield Finding(
            code=Code.DYNAMIC_SHAPE,
            severity="error",
            message=f"{count(subject.dynamic_inputs, 'input')} of dynamic shape ({shown}): it does not build",
            hint=(
                "export with a static batch, or build it with --profile; all else here is judged at "
                + (f"a batch of {subject.batch}" if subject.batch else "the shapes that are known")
            ),
            numbers={"inputs": len(subject.dynamic_inputs)},
        )


def foreign_type(subject: LintSubject) -> Iterator[Finding]:
    """An input or constant of a type that the parser does not import.

    Source: the parser, which says "cannot be imported" or "unsupported datatype" of all ONNX types but
    float, float16, bfloat16, double, int4, int8, uint8, int32, int64, bool, float8e4m3fn and float4e2m1.
    """
    if subject.foreign_tensors:
        types = ", ".join(sorted({kind for _, kind in subject.foreign_tensors}))
        yield Finding(
            code=Code.FOREIGN_TYPE,
            severity="error",
            message=(
                f"{count(subject.foreign_tensors, 'input or constant')} of type {types}: the parser refuses "
                "the model"
            ),
            hint="cast it in the exporter: TensorRT takes E4M3 for FP8, uint8 for the scales of MXFP8",
            numbers={"tensors": len(subject.foreign_tensors)},
            layers=tuple(name for name, _ in subject.foreign_tensors),
        )


def asymmetric_quantizer(subject: LintSubject) -> Iterator[Finding]:
    """A quantiser with a zero point other than 0, or weights in uint8.

    Source: ``NvInfer.h``, IQuantizeLayer: "the zero point must be 0"; the parser refuses the model.
    onnxruntime's quantisers are asymmetric by default.
    """
    if subject.asymmetric_quantizers:
        yield Finding(
            code=Code.ASYMMETRIC_QUANTIZER,
            severity="error",
            message=(
                f"{count(subject.asymmetric_quantizers, 'quantiser')} with a zero point other than 0 or "
                "weights in uint8: the parser refuses the model"
            ),
            hint="quantise symmetrically, to signed int8 with zero point 0",
            numbers={"quantizers": len(subject.asymmetric_quantizers)},
            layers=subject.asymmetric_quantizers,
        )


def unsigned_quantizer(subject: LintSubject) -> Iterator[Finding]:
    """A quantiser of activations to uint8 with zero point 0, or without one, which ONNX takes for uint8.

    Source: compiled layers: the parser takes it silently, and the kernel writes int8: what ONNX gives a
    code above 127 is cut off, so the engine computes something else.
    """
    if subject.unsigned_quantizers:
        yield Finding(
            code=Code.UNSIGNED_QUANTIZER,
            severity="warning",
            message=(
                f"{count(subject.unsigned_quantizers, 'quantiser')} to uint8 will run as int8: codes above "
                "127 are cut off, so results differ from the model's"
            ),
            hint="quantise to signed int8 with zero point 0, and calibrate again",
            numbers={"quantizers": len(subject.unsigned_quantizers)},
            layers=subject.unsigned_quantizers,
        )


def integer_operator(subject: LintSubject) -> Iterator[Finding]:
    """ONNX's integer operators, such as MatMulInteger.

    Source: the parser, which has none of them ("UNSUPPORTED_NODE"): TensorRT reads pairs of QuantizeLinear
    and DequantizeLinear.
    """
    if subject.integer_operators:
        yield Finding(
            code=Code.INTEGER_OPERATOR,
            severity="error",
            message=f"{count(subject.integer_operators, 'integer operator')}: the parser refuses the model",
            hint="quantise with pairs of QuantizeLinear and DequantizeLinear (onnxruntime: QuantFormat.QDQ)",
            numbers={"operators": len(subject.integer_operators)},
            layers=subject.integer_operators,
        )


def int32_bias(subject: LintSubject) -> Iterator[Finding]:
    """A bias stored in int32 behind a DequantizeLinear.

    Source: the parser, which says "input has type Int32 but must have type FP8, FP4, Int4, Int8, or UInt8".
    """
    if subject.int32_dequantizers:
        yield Finding(
            code=Code.INT32_BIAS,
            severity="error",
            message=f"{count(subject.int32_dequantizers, 'int32 bias tensor')}: the parser refuses the model",
            hint="leave biases in floating point (onnxruntime: extra_options QuantizeBias=False)",
            numbers={"biases": len(subject.int32_dequantizers)},
            layers=subject.int32_dequantizers,
        )


def convolution_precision(subject: LintSubject) -> Iterator[Finding]:
    """A convolution in FP8 with a large kernel, or with quantised weights alone: 16 bits, after dequantising.

    Source: compiled layers of TensorRT-RTX, sm89 and sm120: FP8 for kernels of up to 32 elements (5 x 6,
    4 x 8, 1 x 32), whatever channels, strides and groups; 3 x 11, 6 x 6 and 1 x 33 run in FP16, and so do
    patches of 8 and more pixels. INT8 has no such limit.
    """
    layers = [
        layer
        for layer in subject.convolutions
        if layer.weight in QUANTIZED and (layer.weight != layer.activation or _is_too_large_for_fp8(layer))
    ]
    if layers:
        kinds = " and ".join(sorted({f"{layer.activation} x {layer.weight}" for layer in layers}))
        kernels = ", ".join(sorted({f"{layer.kernel[0]} x {layer.kernel[1]}" for layer in layers}))
        yield Finding(
            code=Code.CONVOLUTION_PRECISION,
            severity="warning",
            message=(
                f"{count(layers, 'convolution')} ({places(layers)}) of {kernels} in {kinds} will multiply in "
                "16 bits, behind a kernel that dequantises its weights"
            ),
            hint="leave the convolution in 16 bits, or quantise both operands to int8",
            numbers={"convolutions": len(layers)},
            layers=names(layers),
        )


def _is_too_large_for_fp8(layer: Convolution) -> bool:
    return layer.weight == "fp8" and layer.kernel[0] * layer.kernel[1] > _LARGEST_FP8_KERNEL


def patch_embedding_in_16_bits(subject: LintSubject) -> Iterator[Finding]:
    """The convolution of the patch embedding, which no recipe quantises.

    Source: our exporter. TensorRT has no convolution in a block format, and to quantise it is what makes
    ModelOpt's export fail ("ONNX export of convolution for kernel of unknown shape").
    """
    wide = [layer for layer in subject.convolutions if layer.activation not in QUANTIZED]
    total = sum(layer.flops for layer in subject.linears) + sum(layer.flops for layer in wide)
    if wide and subject.origin == "model" and subject.precisions & QUANTIZED:
        share = sum(layer.flops for layer in wide) / total
        yield Finding(
            code=Code.PATCH_EMBEDDING_IN_16_BITS,
            severity="info",
            message=f"the patch embedding stays in {wide[0].activation} ({share:.1%} of the FLOPs of layers)",
            hint="nothing to do: no block format has a convolution",
            numbers={"flops_share": share},
            layers=names(wide),
        )


def pixels_dropped(subject: LintSubject) -> Iterator[Finding]:
    """An image that is not made of whole patches.

    Source: the shape of a convolution; the compiler takes it, and computes fewer patches. timm refuses it.
    """
    layers = [layer for layer in subject.convolutions if any(_left_over(layer))]
    for layer in layers:
        height, width = _left_over(layer)
        yield Finding(
            code=Code.PIXELS_DROPPED,
            severity="warning",
            message=(
                f"{layer.name} takes patches of {layer.kernel[0]} x {layer.kernel[1]} from an image of "
                f"{layer.image[0]} x {layer.image[1]}: {height} rows and {width} columns are never read"
            ),
            hint="choose an image size that is a multiple of the patch size",
            numbers={"rows": height, "columns": width},
            layers=(layer.name,),
        )


def _left_over(layer: Convolution) -> tuple[int, int]:
    """Rows and columns behind the last whole patch, of a convolution that cuts an image in patches."""
    if layer.kernel != layer.strides:
        return 0, 0
    return layer.image[0] % layer.kernel[0], layer.image[1] % layer.kernel[1]


def products_not_judged(subject: LintSubject) -> Iterator[Finding]:
    """Products whose shapes ONNX cannot infer, in bodies of If and Loop, or in operators of other domains.

    Source: ONNX's shape inference, which stops at operators that it does not know.
    """
    if subject.unjudged:
        kinds = Counter(subject.unjudged.values())
        shown = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        yield Finding(
            code=Code.PRODUCTS_NOT_JUDGED,
            severity="info",
            message=f"{count(subject.unjudged, 'product')} that no rule has judged ({shown})",
            hint="simplify the graph (onnxslim), or give the dynamic inputs a static shape",
            numbers={"products": len(subject.unjudged)},
            layers=tuple(subject.unjudged),
        )


RULES = (
    dynamic_shape,
    foreign_type,
    asymmetric_quantizer,
    unsigned_quantizer,
    integer_operator,
    int32_bias,
    convolution_precision,
    patch_embedding_in_16_bits,
    pixels_dropped,
    products_not_judged,
)
