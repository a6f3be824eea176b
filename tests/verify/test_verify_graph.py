"""Graphs that are given another batch, and where blocks end; each graph is run before and after."""

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto, helper

from trtbench.errors import ArtifactError
from trtbench.verify.blocks import block_outputs
from trtbench.verify.rebatch import with_batch
from trtbench.verify.standard_graph import Array, Network, StandardGraph

TOKENS, HEADS, WIDTH = 4, 2, 6


def node(
    op_type: str, inputs: Sequence[str], outputs: str, name: str = "", **attributes: object
) -> NodeProto:
    return helper.make_node(op_type, inputs, outputs.split(), name=name or outputs.split()[0], **attributes)


def graph(batch: int, nodes: Sequence[NodeProto], constants: dict[str, Array]) -> StandardGraph:
    return StandardGraph(tuple(nodes), constants, "x", (batch, 3, 4, 4), "y", 20)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def vit(batch: int) -> StandardGraph:
    """Patches, a class token, Q, K and V by one product, flattened rows, and the class token again."""
    rng = np.random.default_rng(0)
    tokens, depth = TOKENS + 1, WIDTH // HEADS
    constants: dict[str, Array] = {
        "patch": rng.standard_normal((WIDTH, 3, 2, 2)).astype(np.float32),
        "cls": rng.standard_normal((1, 1, WIDTH)).astype(np.float32),
        "qkv": rng.standard_normal((WIDTH, 3 * WIDTH)).astype(np.float32),
        "proj": rng.standard_normal((WIDTH, WIDTH)).astype(np.float32),
        "flat_patches": ints(batch, WIDTH, TOKENS),
        "cls_shape": ints(batch, 1, WIDTH),
        "heads": ints(batch, tokens, 3, HEADS, depth),
        "rows": ints(batch * tokens, WIDTH),
        "back": ints(batch, tokens, -1),
        "first": np.array(0, np.int64),
        "axes": ints(0),
    }
    nodes = [
        node("Conv", ["x", "patch"], "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", ["p", "flat_patches"], "pf"),
        node("Transpose", ["pf"], "pt", perm=[0, 2, 1]),
        node("Expand", ["cls", "cls_shape"], "ce"),
        node("Concat", ["ce", "pt"], "t", axis=1),
        node("MatMul", ["t", "qkv"], "m"),
        node("Reshape", ["m", "heads"], "mh"),
        node("Transpose", ["mh"], "ms", perm=[2, 0, 3, 1, 4]),
        node("Split", ["ms"], "q1 k1 v1", axis=0, num_outputs=3),
        node("Squeeze", ["q1", "axes"], "q"),
        node("Squeeze", ["k1", "axes"], "k"),
        node("Squeeze", ["v1", "axes"], "v"),
        node("Transpose", ["k"], "kt", perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "kt"], "s"),
        node("Softmax", ["s"], "sm", axis=-1),
        node("MatMul", ["sm", "v"], "a"),
        node("Transpose", ["a"], "at", perm=[0, 2, 1, 3]),
        node("Reshape", ["at", "rows"], "ar"),
        node("MatMul", ["ar", "proj"], "o"),
        node("Reshape", ["o", "back"], "ob"),
        node("Add", ["t", "ob"], "r"),
        node("Gather", ["r", "first"], "y", axis=1),
    ]
    return graph(batch, nodes, constants)


def run(source: StandardGraph, images: Array) -> Array:
    return Network(source, ["y"]).run(images)["y"]


@pytest.mark.parametrize("old", [1, 2, 6, 64])
@pytest.mark.parametrize("new", [1, 2, 3, 8])
def test_each_image_is_computed_as_before(old: int, new: int) -> None:
    images = np.random.default_rng(1).standard_normal((max(old, new) + 1, 3, 4, 4)).astype(np.float32)
    source = vit(old)
    changed = with_batch(source, new)
    assert changed is not None
    assert changed.input_shape[0] == new
    np.testing.assert_allclose(run(changed, images), run(source, images), rtol=1e-6, atol=1e-6)


def test_the_graph_given_stays_as_it_was() -> None:
    source = vit(4)
    with_batch(source, 2)
    np.testing.assert_array_equal(source.constants["rows"], ints(4 * (TOKENS + 1), WIDTH))
    assert source.nodes[1].input[1] == "flat_patches"


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("ReduceMean", ["x", "axes"], "y", keepdims=1)], {"axes": ints(0)}),
        ([node("Shape", ["x"], "sh"), node("Expand", ["one", "sh"], "y")], {"one": np.ones(1, np.float32)}),
        (
            [node("Transpose", ["x"], "t", perm=[1, 0, 2, 3]), node("Reshape", ["t", "to"], "y")],
            {"to": ints(12, 16)},
        ),
        ([node("Add", ["x", "own"], "y")], {"own": np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1)}),
        ([node("Slice", ["x", "from", "to"], "y")], {"from": ints(1), "to": ints(4)}),
    ],
    ids=[
        "mean over images",
        "shape",
        "batch inside",
        "own constant per image",
        "slice of images",
    ],
)
def test_what_may_mix_images_keeps_its_batch(nodes: list[NodeProto], constants: dict[str, Array]) -> None:
    assert with_batch(graph(4, nodes, constants), 2) is None


def test_images_are_padded_to_the_batch_and_cut_again() -> None:
    images = np.random.default_rng(1).standard_normal((7, 3, 4, 4)).astype(np.float32)
    whole = run(vit(7), images)
    assert whole.shape == (7, WIDTH)
    np.testing.assert_allclose(run(vit(3), images), whole, rtol=1e-6, atol=1e-6)


def test_an_output_without_a_batch_is_refused() -> None:
    source = graph(4, [node("ReduceSum", ["x", "axes"], "y", keepdims=0)], {"axes": ints(0)})
    with pytest.raises(ArtifactError, match="dimension 0 is not made of 4 images"):
        run(source, np.zeros((4, 3, 4, 4), np.float32))


def test_a_graph_that_cannot_run_is_reported() -> None:
    source = graph(4, [node("Add", ["x", "w"], "y")], {"w": np.zeros((5, 5), np.float32)})
    with pytest.raises(ArtifactError, match=r"onnxruntime .* cannot (load|run) the graph: .*Add"):
        run(source, np.zeros((4, 3, 4, 4), np.float32))


def test_large_constants_stay_out_of_the_message() -> None:
    weight = np.random.default_rng(0).standard_normal((48, 1000)).astype(np.float32)
    nodes = [node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "y")]
    source = graph(2, nodes, {"w": weight})
    assert source.model(["y"]).ByteSize() < 1000
    images = np.random.default_rng(1).standard_normal((2, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(run(source, images), images.reshape(2, 48) @ weight, rtol=1e-4, atol=1e-4)


def test_a_block_ends_where_another_node_last_reads_it() -> None:
    block = "/blocks/blocks.{}/{}".format
    nodes = [
        node("Relu", ["x"], "stem", name="/patch_embed/Relu"),
        node("Relu", ["stem"], "h0", name=block(0, "norm1/Relu")),
        node("Cast", ["h0"], "d0", name="inserted_1", to=1),
        node("Add", ["stem", "d0"], "r0", name=block(0, "Add_1")),
        node("Cast", ["r0"], "c0", name="inserted_2", to=1),
        node("Relu", ["c0"], "h1", name=block(1, "norm1/Relu")),
        node("Add", ["r0", "h1"], "r1", name=block(1, "Add_1")),
        node("Relu", ["r1"], "y", name="/norm/Relu"),
    ]
    assert block_outputs(graph(1, nodes, {})) == {0: "r0", 1: "r1"}


def test_a_graph_without_blocks_has_no_block_outputs() -> None:
    assert block_outputs(vit(1)) == {}
