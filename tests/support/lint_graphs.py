"""Small ONNX graphs that keep or break one design rule each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

E2M1, E4M3 = ml_dtypes.float4_e2m1fn, ml_dtypes.float8_e4m3fn
Shape = tuple[int | str, ...]
Draw = Callable[["Sketch"], None]


class Sketch:
    """Collects the nodes and constants of a graph with one output, ``y``."""

    def __init__(self, dtype: Any = np.float16) -> None:
        self.dtype = np.dtype(dtype)
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._inputs: dict[str, tuple[int, Shape]] = {}

    def input(self, name: str, *shape: int | str, kind: int | None = None) -> str:
        self._inputs[name] = (kind or helper.np_dtype_to_tensor_dtype(self.dtype), shape)
        return name

    def constant(self, name: str, value: Any, dtype: Any = None) -> str:
        self._constants[name] = numpy_helper.from_array(np.asarray(value).astype(dtype or self.dtype), name)
        return name

    def node(
        self,
        kind: str,
        inputs: list[str],
        output: str,
        name: str | None = None,
        domain: str = "",
        **attrs: Any,
    ) -> str:
        outputs = output.split()
        node = helper.make_node(kind, inputs, outputs, name or f"/{output}/{kind}", domain=domain, **attrs)
        self._nodes.append(node)
        return outputs[0]

    def save(self, path: Path, opset: int = 23) -> Path:
        inputs = [helper.make_tensor_value_info(name, *spec) for name, spec in self._inputs.items()]
        output = helper.make_tensor_value_info("y", self._kind_of_output(), None)
        graph = helper.make_graph(self._nodes, "graph", inputs, [output], list(self._constants.values()))
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("trt", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path

    def _kind_of_output(self) -> int:
        integer = self._nodes[-1].op_type in ("MatMulInteger", "ConvInteger")
        return TensorProto.INT32 if integer else helper.np_dtype_to_tensor_dtype(self.dtype)

    def random(self, name: str, *shape: int, dtype: Any = None) -> str:
        values = np.random.default_rng(len(self._constants)).normal(size=shape)
        return self.constant(name, values, dtype)

    def quantized(
        self, x: str, precision: str, axis: int = -1, block: int | None = None, scale: float = 0.01
    ) -> str:
        """``x`` quantised and dequantised, as ModelOpt exports it."""
        if precision in ("fp8", "int8"):
            kind = E4M3 if precision == "fp8" else np.int8
            scales = [self.constant(f"{x}_scale", scale), self.constant(f"{x}_zero", 0, kind)]
            self.node("QuantizeLinear", [x, *scales], f"{x}_q")
            return self.node("DequantizeLinear", [f"{x}_q", *scales], f"{x}_dq")
        if precision == "nvfp4":
            return self._nvfp4(x, axis, block or 16)
        if precision == "mxfp8":
            return self._mxfp8(x, axis, block or 32)
        return x

    def _nvfp4(self, x: str, axis: int, block: int) -> str:
        scale = self.constant("input_scale", 0.01, np.float32)
        blocks = {"axis": axis, "block_size": block}
        quantize = "TRT_FP4DynamicQuantize"
        self.node(quantize, [x, scale], f"{x}_q {x}_s", domain="trt", scale_type=17, **blocks)
        self.node("DequantizeLinear", [f"{x}_s", scale], f"{x}_s32")
        self.node("DequantizeLinear", [f"{x}_q", f"{x}_s32"], f"{x}_dq32", **blocks)
        return self.node("Cast", [f"{x}_dq32"], f"{x}_dq", to=helper.np_dtype_to_tensor_dtype(self.dtype))

    def _mxfp8(self, x: str, axis: int, block: int) -> str:
        quantize, blocks = "TRT_MXFP8DynamicQuantize", {"axis": axis, "block_size": block}
        self.node(quantize, [x], f"{x}_q {x}_s", domain="trt", output_dtype=17, **blocks)
        dequantize = "TRT_MXFP8DequantizeLinear"
        return self.node(dequantize, [f"{x}_q", f"{x}_s"], f"{x}_dq", domain="trt", output_dtype=10, **blocks)

    def weight(self, k: int, n: int, precision: str) -> str:
        """A weight (K, N), quantised in the file."""
        if precision in ("fp8", "int8"):
            kind = E4M3 if precision == "fp8" else np.int8
            values = self.constant("w8", np.random.default_rng(0).integers(-100, 100, (k, n)), kind)
            return self.node("DequantizeLinear", [values, self.constant("w_scale", 0.01)], "w")
        if precision == "nvfp4":
            values = self.constant("w4", np.random.default_rng(0).integers(-2, 3, (n, k)), E2M1)
            scales = self.random("w8", n, max(1, k // 16), dtype=E4M3)
            self.node("DequantizeLinear", [scales, self.constant("w_scale", 0.01, np.float32)], "w_s32")
            self.node("DequantizeLinear", [values, "w_s32"], "w32", axis=-1, block_size=16)
            self.node("Cast", ["w32"], "w16", to=helper.np_dtype_to_tensor_dtype(self.dtype))
            return self.node("Transpose", ["w16"], "w", perm=[1, 0])
        if precision == "mxfp8":
            values = self.random("w8", n, k, dtype=E4M3)
            scales = self.constant("w_scale", np.full((n, max(1, k // 32)), 124), np.uint8)
            blocks = {"axis": -1, "block_size": 32, "output_dtype": 10}
            self.node("TRT_MXFP8DequantizeLinear", [values, scales], "w16", domain="trt", **blocks)
            return self.node("Transpose", ["w16"], "w", perm=[1, 0])
        return self.random("w", k, n)


def linear(precision: str, shape: Shape, n: int = 256, **quantizer: int) -> Sketch:
    """One Linear layer; ``quantizer`` sets axis or block of its activation's."""
    sketch = Sketch()
    x = sketch.quantized(sketch.input("x", *shape), precision, **quantizer)
    sketch.node("MatMul", [x, sketch.weight(int(shape[-1]), n, precision)], "y", "/blocks.0/mlp/fc1/MatMul")
    return sketch


def normed_linear(precision: str, to_float: bool = False, flat: bool = False) -> Sketch:
    """LayerNorm in front of a Linear layer; between them a cast to FP32, or a reshape to 2 dimensions."""
    batch, tokens, width = 8, 256, 256
    sketch = Sketch()
    x = sketch.input("x", batch, tokens, width)
    operands = [x, sketch.random("g", width), sketch.random("b", width)]
    x = sketch.node("LayerNormalization", operands, "n", axis=-1)
    if to_float:
        x = sketch.node("Cast", [x], "n32", to=TensorProto.FLOAT)
    if flat:
        x = sketch.node("Reshape", [x, sketch.constant("rows", [batch * tokens, width], np.int64)], "n2")
    x = sketch.quantized(x, precision)
    product = sketch.node(
        "MatMul", [x, sketch.weight(width, width, precision)], "p", "/blocks.0/mlp/fc1/MatMul"
    )
    if flat:
        product = sketch.node(
            "Reshape", [product, sketch.constant("s", [batch, tokens, width], np.int64)], "p3"
        )
    sketch.node("Add", [product, "x"], "y")
    return sketch


def attention(
    precisions: str | tuple[str, str, str, str] = "fp16",
    shape: tuple[int, ...] = (2, 3, 197, 64),
    keys: int | None = None,
    dtype: Any = np.float16,
    scale_behind: bool = False,
    bias: bool = False,
) -> Sketch:
    """``softmax(Q K^T) V``; precisions of Q, K, V and P. The scale is Q's, or behind the product."""
    q, k, v, p = (precisions,) * 4 if isinstance(precisions, str) else precisions
    *lead, tokens, width = shape
    key_shape, path = (*lead, keys or tokens, width), "/blocks.0/attn"
    sketch = Sketch(dtype)
    for name, dims in {"q": shape, "k": key_shape, "v": key_shape}.items():
        sketch.input(name, *dims)
    scale = sketch.constant("scale", 0.125)
    query = "q" if scale_behind else sketch.node("Mul", ["q", scale], "qs")
    last = (*range(len(lead)), len(lead) + 1, len(lead))
    key = sketch.node("Transpose", [sketch.quantized("k", k)], "kt", perm=last)
    scores = sketch.node("MatMul", [sketch.quantized(query, q), key], "s", f"{path}/MatMul")
    if scale_behind:
        scores = sketch.node("Mul", [scores, scale], "s_scaled")
    if bias:
        scores = sketch.node("Add", [scores, sketch.random("bias", 1, shape[1], tokens, tokens)], "s_biased")
    softmax = sketch.node("Softmax", [scores], "p", f"{path}/Softmax", axis=-1)
    weights = sketch.quantized(softmax, p, scale=1 / 448)
    sketch.node("MatMul", [weights, sketch.quantized("v", v, axis=-2)], "y", f"{path}/MatMul_1")
    return sketch


def attention_operator(
    width: int = 64, dtype: Any = np.float16, precision: str = "fp16", tokens: int = 197
) -> Sketch:
    """ONNX's operator Attention."""
    sketch = Sketch(dtype)
    operands = [sketch.quantized(sketch.input(name, 2, 3, tokens, width), precision) for name in "qkv"]
    sketch.node("Attention", operands, "y", "/blocks.0/attn/Attention")
    return sketch


def qkv(precision: str, form: str) -> Sketch:
    """Attention behind one product for Q, K and V, cut in three: ``split``, ``gather`` or not at all."""
    batch, tokens, heads, width = 2, 64, 3, 192
    sketch = Sketch()
    x = sketch.quantized(sketch.input("x", batch, tokens, width), precision)
    product = sketch.weight(width, 3 * width, precision)
    if form == "whole":
        sketch.node("MatMul", [x, product], "y", "/blocks.0/attn/qkv/MatMul")
        return sketch
    sketch.node("MatMul", [x, product], "z", "/blocks.0/attn/qkv/MatMul")
    parts = _split(sketch, batch, tokens, heads) if form == "split" else _gather(sketch, batch, tokens, heads)
    key = sketch.node("Transpose", [parts[1]], "kt", perm=[0, 1, 3, 2])
    scores = sketch.node("MatMul", [parts[0], key], "s", "/blocks.0/attn/MatMul")
    sketch.node("Softmax", [scores], "p", "/blocks.0/attn/Softmax", axis=-1)
    sketch.node("MatMul", ["p", parts[2]], "y", "/blocks.0/attn/MatMul_1")
    return sketch


def _split(sketch: Sketch, batch: int, tokens: int, heads: int) -> list[str]:
    sketch.node("Split", ["z"], "q0 k0 v0", axis=2, num_outputs=3)
    shape = sketch.constant("heads", [batch, tokens, heads, -1], np.int64)
    for part in "qkv":
        sketch.node("Reshape", [f"{part}0", shape], f"{part}1")
        sketch.node("Transpose", [f"{part}1"], part, perm=[0, 2, 1, 3])
    return ["q", "k", "v"]


def _gather(sketch: Sketch, batch: int, tokens: int, heads: int) -> list[str]:
    """As timm's Attention of 2020 to 2022 exports."""
    sketch.node("Reshape", ["z", sketch.constant("five", [batch, tokens, 3, heads, -1], np.int64)], "z5")
    sketch.node("Transpose", ["z5"], "zt", perm=[2, 0, 3, 1, 4])
    for index, part in enumerate("qkv"):
        sketch.node("Gather", ["zt", sketch.constant(f"i{index}", index, np.int64)], part, axis=0)
    return ["q", "k", "v"]


def convolution(activation: str, weight: str, image: int = 64, pixels: tuple[int, int] = (16, 16)) -> Sketch:
    """A patch embedding of 3 channels and width 64, in patches of 16 x 16 pixels."""
    sketch = Sketch()
    x = sketch.quantized(sketch.input("x", 2, 3, image, image), activation)
    kernel: tuple[int, ...] = (64, 3, *pixels)
    if weight in ("fp8", "int8"):
        kind = E4M3 if weight == "fp8" else np.int8
        values = sketch.constant("w8", np.random.default_rng(0).integers(-100, 100, kernel), kind)
        sketch.node("DequantizeLinear", [values, sketch.constant("w_scale", 0.01)], "w")
    else:
        sketch.random("w", *kernel)
    sketch.node("Conv", [x, "w"], "y", "/patch_embed/proj/Conv", strides=list(pixels))
    return sketch


def int8_linear(zero_point: int = 0, kind: Any = np.int8, weight_kind: Any = np.int8) -> Sketch:
    """A Linear layer in 8-bit integers with a zero point."""
    sketch = Sketch()
    scales = [sketch.constant("x_scale", 0.01), sketch.constant("x_zero", zero_point, kind)]
    sketch.node("QuantizeLinear", [sketch.input("x", 128, 256), *scales], "x_q")
    sketch.node("DequantizeLinear", ["x_q", *scales], "x_dq")
    weight = sketch.constant("w8", np.ones((256, 256)), weight_kind)
    sketch.node("DequantizeLinear", [weight, sketch.constant("w_scale", 0.01)], "w")
    sketch.node("MatMul", ["x_dq", "w"], "y", "/blocks.0/mlp/fc1/MatMul")
    return sketch


def integer_product() -> Sketch:
    """MatMulInteger, as onnxruntime's dynamic quantisation makes it."""
    sketch = Sketch()
    x = sketch.input("x", 64, 64, kind=TensorProto.INT8)
    sketch.node("MatMulInteger", [x, sketch.constant("w", np.ones((64, 64)), np.int8)], "y")
    return sketch


def biased(bias_type: Any) -> Sketch:
    """An addition of a bias that is stored in INT8 or INT32."""
    sketch = Sketch()
    bias = sketch.constant("b", np.ones(64), bias_type)
    sketch.node("DequantizeLinear", [bias, sketch.constant("b_scale", 0.01)], "b_dq")
    sketch.node("Add", [sketch.input("x", 64, 64), "b_dq"], "y")
    return sketch


def constant_of(kind: Any) -> Sketch:
    """A constant of a type, cast and added."""
    sketch = Sketch()
    sketch.node("Cast", [sketch.constant("c", np.ones(64), kind)], "c16", to=TensorProto.FLOAT16)
    sketch.node("Add", [sketch.input("x", 64, 64), "c16"], "y")
    return sketch
