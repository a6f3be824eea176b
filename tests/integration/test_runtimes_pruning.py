"""The pruning of torch's runtimes is the one that exports get from ModelOpt."""

import torch
from torch import nn

from trtbench.export.model import build_model
from trtbench.export.sparsify import sparsify
from trtbench.runtimes.torch_model import prune
from trtbench.specs import ModelSpec


def test_the_same_weights_are_pruned_as_in_an_export() -> None:
    # 24 classes: a layer that ModelOpt prunes; 10 hidden units: ones that it leaves dense.
    overrides = (("depth", 1), ("mlp_ratio", 10 / 192), ("num_classes", 24))
    spec = ModelSpec(name="vit_tiny_patch16_224", overrides=overrides, img_size=64)
    ours = build_model(spec).requires_grad_(False)
    prune(ours)
    theirs, _ = sparsify(build_model(spec), "sparse_magnitude", None)
    expected = {name: layer.weight for name, layer in theirs.named_modules() if isinstance(layer, nn.Linear)}
    zeros = {name: float((weight == 0).float().mean()) for name, weight in expected.items()}
    assert {name for name, share in zeros.items() if share == 0.5} == {
        "blocks.0.attn.qkv",
        "blocks.0.attn.proj",
        "head",
    }
    assert {name for name, share in zeros.items() if share == 0} == {"blocks.0.mlp.fc1", "blocks.0.mlp.fc2"}
    for name, weight in expected.items():
        assert torch.equal(ours.get_submodule(name).weight, weight), name
