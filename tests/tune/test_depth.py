"""The layers of a deep engine, written out from those of a shallow one."""

import pytest

from trtbench.errors import BuildError
from trtbench.results import AuditedLayer, LayerTensor
from trtbench.tune.depth import PROBE_DEPTH, deepened


def tensor(name):
    return LayerTensor(name=name, dimensions=(4, 8), strides=(8, 1), dtype="Half", format="Row")


def layer(name, block, inputs, outputs, constants=()):
    return AuditedLayer(
        name=name,
        role="other",
        op="pointwise",
        block=block,
        precision_in="fp16",
        precision_out="fp16",
        inputs=tuple(map(tensor, inputs)),
        constants=tuple(map(tensor, constants)),
        outputs=tuple(map(tensor, outputs)),
    )


def engine(depth):
    """A chain of blocks: the second layer of each adds what entered the block to what the first made."""
    layers = [layer("embed", None, ["images"], ["stream 0"])]
    for block in range(depth):
        entered, made, left = f"stream {block}", f"hidden {block}", f"stream {block + 1}"
        layers.append(layer("fc", block, [entered], [made], [f"weight {block}"]))
        layers.append(layer("add", block, [entered, made], [left]))
    return [*layers, layer("head", None, [f"stream {depth}"], ["logits"])]


def renumbered(layers):
    """Tensors by the order in which they first appear, in place of their names."""
    numbers = {}
    return [
        [
            [numbers.setdefault(tensor.name, len(numbers)) for tensor in group]
            for group in (layer.inputs, layer.constants, layer.outputs)
        ]
        for layer in layers
    ]


@pytest.mark.parametrize("depth", [3, 4, 12])
def test_every_copy_reads_what_the_block_before_it_made_and_has_weights_of_its_own(depth):
    found = deepened(engine(PROBE_DEPTH), depth - PROBE_DEPTH)
    assert [each.name for each in found] == [each.name for each in engine(depth)]
    assert renumbered(found) == renumbered(engine(depth))


def test_layers_that_belong_to_no_single_block_cannot_be_repeated():
    merged = [each.model_copy(update={"block": None}) for each in engine(PROBE_DEPTH)]
    with pytest.raises(BuildError, match="cannot be extrapolated to more blocks"):
        deepened(merged, 1)
