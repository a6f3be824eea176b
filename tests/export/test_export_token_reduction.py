import pytest
import torch
from torch import Tensor

from trtbench.errors import SpecError
from trtbench.export.flops import analytic_flops
from trtbench.export.model import build_model, meta_model
from trtbench.export.token_reduction import MergeSimilar, MostAttended
from trtbench.specs import ModelSpec
from trtbench.specs.token_reduction import parse_token_reduction

TINY = ModelSpec(
    name="vit_tiny_patch16_224",
    overrides=(("depth", 3), ("embed_dim", 32), ("num_classes", 10), ("num_heads", 2)),
    img_size=80,  # 25 patches, an odd number
)
CPU = torch.device("cpu")


def reduced(word: str, **update: object) -> ModelSpec:
    return TINY.model_copy(update={"token_reduction": parse_token_reduction(word), **update})


def sample(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def test_the_patches_that_stay_have_the_largest_class_attention() -> None:
    x, query, key = sample(2, 26, 32), sample(2, 4, 26, 8), sample(2, 4, 26, 8) + 1
    kept = MostAttended(prefix=1, kept=7)(x, query, key)
    attention = torch.softmax(query @ key.transpose(-2, -1) / 8**0.5, dim=-1)
    for image in range(2):
        of_class = attention[image, :, 0, 1:].mean(0)
        best = sorted(range(25), key=lambda patch: -float(of_class[patch]))[:7]
        expected = torch.cat([x[image, :1], x[image, 1:][best]])
        torch.testing.assert_close(kept[image], expected)


def test_patches_merge_into_their_most_similar_ones() -> None:
    x, key = sample(2, 10, 4), sample(2, 2, 10, 8)
    sizes = 1 + torch.arange(20.0).view(2, 10, 1) % 3
    merged, new_sizes = MergeSimilar(prefix=1, patches=9, merged=3, device=CPU)(x, key, sizes)
    for image in range(2):
        expected = _merged_one_by_one(x[image], key[image].mean(0), sizes[image], 3)
        torch.testing.assert_close(_sorted(merged[image]), _sorted(expected))
    torch.testing.assert_close(new_sizes.sum(1), sizes.sum(1))
    torch.testing.assert_close((merged * new_sizes).sum(1), (x * sizes).sum(1))


def _sorted(x: Tensor) -> Tensor:
    return x[x[:, 0].argsort()]


def _merged_one_by_one(x: Tensor, key: Tensor, sizes: Tensor, count: int) -> Tensor:
    """By loops: token 0 stays; tokens 1, 3, 5... look for their partners in 2, 4, 6..."""
    partners = []
    for even in range(1, len(x), 2):
        likeness = {
            odd: float(torch.cosine_similarity(key[even], key[odd], dim=0)) for odd in range(2, len(x), 2)
        }
        partner = max(likeness, key=likeness.__getitem__)
        partners.append((likeness[partner], even, partner))
    sums, weights = x * sizes, sizes.clone()
    gone = set()
    for _, even, partner in sorted(partners, reverse=True)[:count]:
        sums[partner] += sums[even]
        weights[partner] += weights[even]
        gone.add(even)
    stay = [index for index in range(len(x)) if index not in gone]
    return (sums / weights)[stay]


@pytest.mark.parametrize(
    ("word", "tokens"), [("evit:keep=0.5,at=0+2", 8), ("tome:r=4", 14), ("tome:r=100", 5)]
)
def test_later_blocks_see_fewer_tokens(word: str, tokens: int) -> None:
    model = build_model(reduced(word))
    images = sample(2, 3, 80, 80)
    with torch.inference_mode():
        assert model.get_submodule("blocks")(sample(2, 26, 32)).shape == (2, tokens, 32)
        both = model(images)
        torch.testing.assert_close(model(images[1:]), both[1:])  # images do not mix


def test_merging_equal_patches_changes_nothing() -> None:
    """Attention counts a merged patch as often as it has patches."""
    one = sample(1, 1, 32)
    x = torch.cat([one, one[:, :, torch.randperm(32)].expand(1, 25, 32)], 1)
    with torch.inference_mode():
        expected = build_model(TINY).get_submodule("blocks")(x)[:, 0]
        found = build_model(reduced("tome:r=5")).get_submodule("blocks")(x)[:, 0]
    torch.testing.assert_close(found, expected)


def test_weights_and_their_names_stay() -> None:
    expected, found = (build_model(spec).state_dict() for spec in (TINY, reduced("tome:r=4")))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_flops_are_those_of_the_tokens_that_are_left() -> None:
    """The second block of two MLPs has 13 of 26 tokens, the third 13."""
    full, half = (analytic_flops(meta_model(spec), 2) for spec in (TINY, reduced("evit:keep=0.48,at=1")))
    assert half["fc1"] * 3 * 26 == full["fc1"] * (26 + 13 + 13)
    assert half["qkv"] * 3 * 26 == full["qkv"] * (26 + 26 + 13)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (reduced("evit:keep=0.5,at=1+3"), "no block 3: the model has blocks 0 to 2"),
        (
            reduced("evit:keep=0.5,at=1", overrides=(("class_token", False), ("global_pool", "avg"))),
            "ranks by the class token, which the model lacks",
        ),
        (
            reduced("tome:r=4", name="eva02_tiny_patch14_224", overrides=(), img_size=None),
            "this Eva has others",
        ),
    ],
)
def test_a_model_that_cannot_reduce_is_refused(spec: ModelSpec, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        meta_model(spec)
