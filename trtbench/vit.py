"""What a module or an ONNX node does in a Vision Transformer, read from its name in timm's source."""

import re

PRODUCT_ROLES = ("patch_embed", "qkv", "attention", "token_reduction", "proj", "fc1", "fc2", "head")
"""Roles that hold matrix products, in the order of the data flow."""
ROLES_WITHOUT_WEIGHTS = frozenset({"attention", "token_reduction"})
"""Roles whose products are of activations alone."""

# timm: layers/attention.py, layers/attention_pool.py, layers/mlp.py, and the block classes of
# models/vision_transformer.py, eva.py, cait.py. A parallel block's in_proj also holds fc1: its name says less
# than its place, in front of attention.
_QKV = ("qkv", "q", "k", "v", "kv", "q_proj", "k_proj", "v_proj", "qkv_proj", "kv_proj", "in_proj")
_FC1 = ("fc1", "fc1_g", "fc1_x", "w1", "w2", "w12")
_FC2 = ("fc2", "w3", "mlp_out_proj")
_ROLE_OF_MODULE = {
    **dict.fromkeys(_QKV, "qkv"),
    **dict.fromkeys(("proj", "out_proj", "attn_out_proj"), "proj"),
    **dict.fromkeys(_FC1, "fc1"),
    **dict.fromkeys(_FC2, "fc2"),
    **dict.fromkeys(("act", "mlp_act"), "gelu"),
    **dict.fromkeys(("attn", "attns", "attn_pool"), "attention"),
    **dict.fromkeys(("head", "head_dist", "pre_logits"), "head"),
}
_MOVES = (
    "Cast",
    "Concat",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Pad",
    "Reshape",
    "Shape",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
)
_ROLE_OF_OPERATOR = {
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), "norm"),
    **dict.fromkeys(("Softmax", "Attention"), "attention"),
    **dict.fromkeys(("Gelu", "Swish"), "gelu"),
    **dict.fromkeys(_MOVES, "reformat"),
}
_QUANTIZER = re.compile(r"_quantizer(?:[./]|$)|(?:Quantize|quantize)(?:Linear)?(?:_\d+)?$")
_BLOCK = re.compile(r"(?:^|[./])blocks\w*\.(\d+)(?:[./]|$)")


def role_of(path: str) -> str:
    """Role of a module (``blocks.0.attn.qkv``), a parameter or an ONNX node (``/blocks/blocks.0/norm1/Add``).

    One of ``PRODUCT_ROLES``, or gelu (any activation of the MLP), norm, quantize, reformat, other.
    """
    if _QUANTIZER.search(path):
        return "quantize"
    parts = re.split(r"[./]", path)
    if "token_reduction" in parts:
        return "token_reduction"
    by_operator = _ROLE_OF_OPERATOR.get(re.sub(r"_\d+$", "", parts[-1]))
    if by_operator:
        return by_operator
    if any("norm" in part for part in parts):
        return "norm"
    if any(part.startswith("patch_embed") or part == "embeds" for part in parts):
        return "patch_embed"
    return _role_of_innermost(parts)


def _role_of_innermost(parts: list[str]) -> str:
    for index in reversed(range(len(parts))):
        if parts[index] == "gate":  # a gated MLP has one, and so has timm's gated attention
            return "fc1" if "mlp" in parts[:index] else "qkv"
        if parts[index] in _ROLE_OF_MODULE:
            return _ROLE_OF_MODULE[parts[index]]
    return "other"


def block_of(path: str) -> int | None:
    """Number of the transformer block that a module path or ONNX node name lies in."""
    match = _BLOCK.search(path)
    return int(match[1]) if match else None
