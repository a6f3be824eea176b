import re

import pytest

from trtbench.specs.recipe import LINEAR_ROLES
from trtbench.vit import PRODUCT_ROLES, block_of, role_of


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("patch_embed.proj", "patch_embed"),
        ("/patch_embed/proj/Conv", "patch_embed"),
        ("/patch_embed/backbone/stages/stages.0/blocks/blocks.0/conv1/Conv", "patch_embed"),
        ("embeds.proj", "patch_embed"),
        ("blocks.0.attn.qkv", "qkv"),
        ("blocks.0.attn.qkv.weight", "qkv"),
        ("/blocks/blocks.0/attn/qkv/MatMul", "qkv"),
        ("/blocks/blocks.0/attn/qkv/Add", "qkv"),
        ("/blocks/blocks.0/attn/q/MatMul", "qkv"),
        ("/blocks/blocks.0/attn/qkv/v/MatMul", "qkv"),
        ("/blocks.3/attn/k_proj/MatMul", "qkv"),
        ("blocks.0.in_proj", "qkv"),
        ("blocks.0.attn.gate", "qkv"),
        ("attn_pool.q", "qkv"),
        ("/attn_pool/kv/MatMul", "qkv"),
        ("/blocks/blocks.0/attn/MatMul", "attention"),
        ("/blocks/blocks.0/attn/MatMul_1", "attention"),
        ("/blocks/blocks.0/attn/Softmax", "attention"),
        ("/blocks/blocks.0/attn/Mul", "attention"),
        ("/attn_pool/MatMul_1", "attention"),
        ("blocks.0.attn.proj_l", "attention"),
        ("/blocks/blocks.3/token_reduction/TopK", "token_reduction"),
        ("/blocks/blocks.3/token_reduction/Softmax", "token_reduction"),
        ("/blocks/blocks.3/token_reduction/GatherElements", "token_reduction"),
        ("blocks.11.attn.proj", "proj"),
        ("blocks.0.attn_out_proj", "proj"),
        ("blocks.0.out_proj", "proj"),
        ("attn_pool.proj", "proj"),
        ("/blocks/blocks.0/mlp/fc1/MatMul", "fc1"),
        ("blocks.0.mlp.fc1_g", "fc1"),
        ("blocks.0.mlp.fc1_x", "fc1"),
        ("blocks.0.mlp.w12", "fc1"),
        ("blocks.0.mlp.gate", "fc1"),
        ("attn_pool.mlp.fc1", "fc1"),
        ("/blocks/blocks.0/mlp/fc2/MatMul", "fc2"),
        ("blocks.0.mlp.w3", "fc2"),
        ("blocks.0.mlp_out_proj", "fc2"),
        ("/blocks/blocks.0/mlp/act/Gelu", "gelu"),
        ("/blocks/blocks.0/mlp/act/Sigmoid", "gelu"),
        ("/blocks/blocks.0/mlp_act/Gelu", "gelu"),
        ("/blocks/blocks.0/norm1/LayerNormalization", "norm"),
        ("/blocks/blocks.0/norm2/ReduceMean", "norm"),
        ("blocks.0.attn.q_norm", "norm"),
        ("blocks.0.in_norm", "norm"),
        ("blocks.0.mlp.norm", "norm"),
        ("patch_embed.norm", "norm"),
        ("norm_pre", "norm"),
        ("fc_norm", "norm"),
        ("norm", "norm"),
        ("head", "head"),
        ("/head/Gemm", "head"),
        ("head_dist", "head"),
        ("head.fc", "head"),
        ("/blocks/blocks.0/attn/qkv/input_quantizer/TRT_FP4DynamicQuantize", "quantize"),
        ("/blocks/blocks.0/attn/qkv/input_quantizer/Cast", "quantize"),
        ("/head/weight_quantizer/TRT_MXFP8DequantizeLinear", "quantize"),
        ("blocks.0.attn.qkv.weight_DequantizeLinear", "quantize"),
        ("blocks.0.attn.qkv.weight_DequantizeLinear_1", "quantize"),
        ("/blocks/blocks.0/attn/Softmax/QuantizeLinear", "quantize"),
        ("blocks.0.mlp.fc1.input_quantizer", "quantize"),
        ("/blocks/blocks.0/attn/Transpose_2", "reformat"),
        ("/blocks/blocks.0/attn/qkv/Transpose", "reformat"),
        ("/Concat", "reformat"),
        ("/blocks/blocks.0/Add_1", "other"),
        ("/blocks/blocks.0/ls1/Mul", "other"),
        ("reg_token", "other"),
        ("onnx::MatMul_1028", "other"),
        ("", "other"),
    ],
)
def test_role(path: str, role: str) -> None:
    assert role_of(path) == role


@pytest.mark.parametrize(
    ("path", "block"),
    [
        ("blocks.0.attn.qkv", 0),
        ("/blocks/blocks.11/mlp/fc2/MatMul", 11),
        ("/blocks.3/attn/k_proj/MatMul", 3),
        ("blocks.10.attn.qkv.weight_DequantizeLinear", 10),
        ("blocks_token_only.1.attn.q", 1),
        ("blocks.7", 7),
        ("/head/Gemm", None),
        ("attn_pool.mlp.fc1", None),
        ("patch_embed.proj", None),
    ],
)
def test_block(path: str, block: int | None) -> None:
    assert block_of(path) == block


@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224",
        "vit_base_patch16_siglip_224",
        "deit_tiny_distilled_patch16_224",
        "eva02_tiny_patch14_224",
        "vit_base_patch14_reg4_dinov2",
        "vit_giant_patch14_reg4_dinov2",
        "vit_base_patch16_dinov3",
        "beit_base_patch16_224",
        "naflexvit_base_patch16_gap",
        "vit_base_patch16_xp_224",
        "vit_dpwee_patch16_reg1_gap_256",
    ],
)
def test_every_linear_of_timm_has_the_role_of_a_product(name: str) -> None:
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        model = timm.create_model(name, depth=2)
    linears = {path for path, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    roles = {path: role_of(path) for path in linears}
    assert {path: role for path, role in roles.items() if role not in (*LINEAR_ROLES, "patch_embed")} == {}
    in_blocks = {path for path in linears if re.match(r"blocks\.", path)}
    assert {block_of(path) for path in in_blocks} == {0, 1}
    assert {block_of(path) for path in linears - in_blocks} <= {None}
    assert set(roles.values()) <= set(PRODUCT_ROLES)
