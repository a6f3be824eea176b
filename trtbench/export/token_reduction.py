"""Vision Transformers with fewer tokens from block to block.

Both methods reduce between attention and MLP, as their papers do. Patches are merged by a product with a
matrix of zeros and ones, not by scattering: compilers have kernels for it, and no sum depends on an order.
"""

from typing import Any

import torch
from timm.layers import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize, scaled_dot_product_attention

from trtbench.errors import SpecError
from trtbench.specs.token_reduction import TokenReduction, Tome

_PARTS = ("norm1", "attn", "ls1", "drop_path1", "norm2", "mlp", "ls2", "drop_path2")
_PARTS_OF_ATTENTION = ("qkv", "q_norm", "k_norm", "norm", "proj", "proj_drop")


def reduce_tokens(model: Any, reduction: TokenReduction) -> None:
    """Change the blocks of ``model`` so that they reduce tokens; weights and their names stay.

    Raises:
        SpecError: the model has other blocks than timm's own, no class token, or fewer blocks than are named.
    """
    _check(model, reduction)
    prefix, patches, blocks = model.num_prefix_tokens, model.patch_embed.num_patches, list(model.blocks)
    device = next(model.parameters()).device
    for number, block in enumerate(blocks):
        left = reduction.after(number, patches)
        if isinstance(reduction, Tome):
            blocks[number] = MergingBlock(block, MergeSimilar(prefix, patches, patches - left, device))
        elif left < patches:
            blocks[number] = DroppingBlock(block, MostAttended(prefix, left))
        patches = left
    model.blocks = (MergingBlocks if isinstance(reduction, Tome) else nn.Sequential)(*blocks)


def _check(model: Any, reduction: TokenReduction) -> None:
    if type(model) is not VisionTransformer or not all(map(_is_plain, model.blocks)):
        raise SpecError(
            f"token reduction {reduction}: needs the blocks of timm's VisionTransformer (ViT, DeiT), and "
            f"this {type(model).__name__} has others"
        )
    if isinstance(reduction, Tome):
        return
    last = len(model.blocks) - 1
    if model.cls_token is None:
        raise SpecError(f"token reduction {reduction}: evit ranks by the class token, which the model lacks")
    if reduction.at[-1] > last:
        raise SpecError(
            f"token reduction {reduction}: no block {reduction.at[-1]}: the model has blocks 0 to {last}"
        )


def _is_plain(block: Any) -> bool:
    return type(block) is Block and type(block.attn) is Attention and block.attn.gate is None


class ScoredAttention(nn.Module):
    """timm's ``Attention``, which also returns queries and keys: (B, N, C) -> (B, N, C), 2 x (B, H, N, D)."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.num_heads, self.head_dim = attention.num_heads, attention.head_dim
        _take_parts(self, attention, _PARTS_OF_ATTENTION)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """``bias`` is added to the scores."""
        parts: Any = self
        batch, tokens, _ = x.shape
        qkv = parts.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        query, key = parts.q_norm(query), parts.k_norm(key)
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=bias)
        mixed = parts.norm(mixed.transpose(1, 2).reshape(batch, tokens, self.num_heads * self.head_dim))
        return parts.proj_drop(parts.proj(mixed)), query, key


class DroppingBlock(nn.Module):
    """A block that goes on with the patches to which the class token attends most."""

    def __init__(self, block: Any, reduction: "MostAttended") -> None:
        super().__init__()
        _take_parts(self, block, _PARTS)
        self.attn, self.token_reduction = ScoredAttention(block.attn), reduction

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, fewer, C)."""
        parts: Any = self
        attended, query, key = self.attn(parts.norm1(x))
        x = x + parts.drop_path1(parts.ls1(attended))
        x = self.token_reduction(x, query, key)
        out: Tensor = x + parts.drop_path2(parts.ls2(parts.mlp(parts.norm2(x))))
        return out


class MostAttended(nn.Module):
    """Keeps the patches with the largest class attention, mean of the heads, and the tokens before them."""

    def __init__(self, prefix: int, kept: int) -> None:
        super().__init__()
        self._prefix, self._kept = prefix, kept

    def forward(self, x: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """(B, N, C), queries and keys (B, H, N, D) -> (B, prefix + kept, C)."""
        scores = (query[:, :, :1] * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        attention = scores.softmax(-1).mean(1)[:, 0, self._prefix :]
        best = attention.topk(self._kept).indices + self._prefix
        return torch.cat([x[:, : self._prefix], rows_of(x, best)], 1)


class MergingBlocks(nn.Sequential):
    """Blocks that pass on their tokens and how many patches each token stands for."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, fewer, C)."""
        sizes = None
        for block in self:
            x, sizes = block(x, sizes)
        return x


class MergingBlock(nn.Module):
    """A block that merges similar patches; a merged one counts in attention as often as it has patches."""

    def __init__(self, block: Any, reduction: "MergeSimilar") -> None:
        super().__init__()
        _take_parts(self, block, _PARTS)
        self.attn, self.token_reduction = ScoredAttention(block.attn), reduction

    def forward(self, x: Tensor, sizes: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, N, C), sizes (B, N, 1), None if all are 1 -> (B, fewer, C), (B, fewer, 1)."""
        parts: Any = self
        bias = None if sizes is None else sizes.log().transpose(1, 2).unsqueeze(1)
        attended, _, key = self.attn(parts.norm1(x), bias)
        x = x + parts.drop_path1(parts.ls1(attended))
        x, sizes = self.token_reduction(x, key, sizes)
        return x + parts.drop_path2(parts.ls2(parts.mlp(parts.norm2(x)))), sizes


class MergeSimilar(nn.Module):
    """Merges even patches into the odd ones whose keys, mean of the heads, are most like theirs."""

    targets: Tensor

    def __init__(self, prefix: int, patches: int, merged: int, device: torch.device) -> None:
        super().__init__()
        self._prefix, self._even, self._merged = prefix, (patches + 1) // 2, merged
        targets = torch.arange(patches // 2, device=device).view(1, -1, 1)
        self.register_buffer("targets", targets, persistent=False)

    def forward(self, x: Tensor, key: Tensor, sizes: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, N, C), keys (B, H, N, D), sizes (B, N, 1) -> (B, N - merged, C), (B, N - merged, 1)."""
        if not self._merged:
            return x, sizes
        if sizes is None:
            sizes = torch.ones_like(x[..., :1])
        merge, merged, kept = self._matching(x, key)
        merged_sizes, odd_sizes = rows_of(sizes, merged), sizes[:, self._prefix + 1 :: 2]
        new_sizes = odd_sizes + merge @ merged_sizes
        sums = x[:, self._prefix + 1 :: 2] * odd_sizes + merge @ (rows_of(x, merged) * merged_sizes)
        x = torch.cat([x[:, : self._prefix], rows_of(x, kept), sums / new_sizes], 1)
        return x, torch.cat([sizes[:, : self._prefix], rows_of(sizes, kept), new_sizes], 1)

    def _matching(self, x: Tensor, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which odd patch takes which even one (B, odd, merged), and the even tokens merged and kept."""
        metric = normalize(key.mean(1), dim=-1)
        likeness = metric[:, self._prefix :: 2] @ metric[:, self._prefix + 1 :: 2].transpose(-2, -1)
        best, partner = likeness.max(-1)
        order = best.topk(self._even).indices
        partners = partner.gather(1, order[:, : self._merged]).unsqueeze(1)
        merge = (partners == self.targets).to(x.dtype)
        tokens = 2 * order + self._prefix
        return merge, tokens[:, : self._merged], tokens[:, self._merged :]


def rows_of(x: Tensor, index: Tensor) -> Tensor:
    """The tokens of ``index`` (B, K): (B, N, C) -> (B, K, C)."""
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def _take_parts(module: nn.Module, source: nn.Module, names: tuple[str, ...]) -> None:
    for name in names:
        setattr(module, name, getattr(source, name))
