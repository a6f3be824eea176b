"""One concern: an ONNX operator set that allows the types of the graph."""

import onnx
import onnx_ir
from onnxscript import version_converter

from trtbench.specs.recipe import Precision, Recipe


def with_sufficient_opset(model: onnx.ModelProto, recipe: Recipe) -> onnx.ModelProto:
    """Raise the opset where it must be; the operators themselves stay what they are.

    Convolutions take BF16 from opset 22 on. ModelOpt's conversion of INT8 graphs gives quantizers FP16 scales
    and leaves their inputs in float32, which opset 23 is the first to allow.
    """
    needed = 20
    if recipe.precision is Precision.BF16:
        needed = 22
    elif recipe.precision is Precision.INT8 and recipe.stock:
        needed = 23
    if all(entry.version >= needed for entry in model.opset_import if entry.domain == ""):
        return model
    ir_model = onnx_ir.from_proto(model)
    version_converter.convert_version(ir_model, needed)
    return onnx_ir.to_proto(ir_model)
