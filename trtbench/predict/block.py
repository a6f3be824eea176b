"""The kernels of one transformer block of an engine, with the time that each is predicted to take."""

from trtbench.results import AuditedLayer, BlockKernel, LayerPrediction, Prediction


def block_kernels(layers: tuple[AuditedLayer, ...], prediction: Prediction) -> tuple[BlockKernel, ...]:
    """The kernels of the middle block of the model, in execution order; none where no layer has a block.

    The first and the last block differ from the others at their seams.

    Args:
        layers: of an audited engine.
        prediction: of the same engine, with its layers.
    """
    blocks = sorted({layer.block for layer in layers if layer.block is not None})
    middle = blocks[len(blocks) // 2] if blocks else None
    return tuple(
        _kernel(layer, times)
        for layer, times in zip(layers, prediction.layers, strict=True)
        if layer.block is not None and layer.block == middle
    )


def _kernel(layer: AuditedLayer, times: LayerPrediction) -> BlockKernel:
    return BlockKernel(
        name=layer.name,
        role=layer.role,
        kernel=layer.op,
        precision_in=layer.precision_in,
        precision_out=layer.precision_out,
        m=layer.m,
        n=layer.n,
        k=layer.k,
        shape=layer.outputs[0].dimensions if layer.outputs else (),
        flops=layer.flops,
        bytes=layer.bytes,
        predicted_ms=times.predicted_ms,
        interval_ms=times.interval_ms,
        bound=times.bound,
    )
