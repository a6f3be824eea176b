"""One concern: from a graph with a symbolic batch to one in which every shape is a number."""

import onnx
import onnx_ir
from onnx_ir.passes import common as passes
from onnxscript import optimizer

from trtbench.export.graph.trt_operators import known_to_onnx

_FOLDED_ELEMENTS = 1 << 20  # a table of rotary position embeddings is folded, a weight matrix is not
_ROUNDS = 2  # what the first round folds may be the shape that another node waits for


def with_static_batch(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """Set the first dimension of every input to ``batch`` and compute all that follows from it.

    What is left of the arithmetic on shapes, and of arithmetic on small constants such as the scale of
    attention, are initializers. Names of nodes stay.
    """
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    ir_model = onnx_ir.from_proto(model)
    passes.IdentityEliminationPass()(ir_model)
    with known_to_onnx():
        for _ in range(_ROUNDS):
            optimizer.fold_constants_ir(
                ir_model,
                onnx_shape_inference=True,
                input_size_limit=_FOLDED_ELEMENTS,
                output_size_limit=_FOLDED_ELEMENTS,
                should_fold=_should_fold,
            )
            passes.RemoveUnusedNodesPass()(ir_model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(ir_model)
    return onnx_ir.to_proto(ir_model)


def _should_fold(node: onnx_ir.Node) -> bool | None:
    """Shapes are computed here; the class token is repeated for each image by the engine, not in the file."""
    if node.op_type == "ConstantOfShape":
        return True
    return False if node.op_type == "Expand" else None
