"""Files that the commands of the documentation read, small: models, images, traces."""

import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import onnx
import timm
import torch
from onnx import TensorProto, helper, numpy_helper
from support.own_model import draw_images
from support.traces import eager, graphed, write_nsys, write_torch


def write_files(root: Path) -> None:
    """Write all that pages name and no command of theirs makes."""
    draw_images(root / "photos", seed=2)
    for name in ("vit.sqlite", "fp16.sqlite"):
        write_nsys(root / name, eager())
    write_nsys(root / "nvfp4.sqlite", graphed())
    write_torch(root / "profile.json", eager())
    _write_vit(root / "model.onnx")
    for name in ("own.onnx", "fp32.onnx"):
        shutil.copy(root / "model.onnx", root / name)
    _write_folder(root / "dinov2")
    _write(root / "dynamic.onnx", {"x": ("n", 3, 224, 224)}, [helper.make_node("Relu", ["x"], ["y"])])
    nodes = [
        helper.make_node("ReduceMax", ["mask"], ["m"], axes=[1]),
        helper.make_node("Mul", ["x", "m"], ["y"]),
    ]
    _write(root / "masked.onnx", {"x": ("n", 3), "mask": ("n", 5)}, nodes)
    _write_text_model(root / "text.onnx")
    np.save(root / "mask.npy", np.ones((2, 8), np.int64))


def _write_vit(path: Path) -> None:
    model = timm.create_model("vit_tiny_patch16_224", depth=1, img_size=64).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (torch.zeros(2, 3, 64, 64),), path, dynamo=False, opset_version=17)


def _write_folder(folder: Path) -> None:
    from transformers import Dinov2Config, Dinov2Model

    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 56}
    Dinov2Model(Dinov2Config(**sizes, patch_size=14)).save_pretrained(folder)


def _write(path: Path, inputs: dict[str, tuple[str | int, ...]], nodes: list[onnx.NodeProto]) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", values, [output])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def _write_text_model(path: Path) -> None:
    words = numpy_helper.from_array(np.arange(4000, dtype=np.float32).reshape(1000, 4), "words")
    values = [helper.make_tensor_value_info(name, TensorProto.INT64, (2, 8)) for name in ("ids", "mask")]
    nodes = [
        helper.make_node("Mul", ["ids", "mask"], ["kept"]),
        helper.make_node("Gather", ["words", "kept"], ["y"]),
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 8, 4))
    graph = helper.make_graph(nodes, "text", values, [output], [words])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def resolved(word: str, root: Path) -> str:
    """A placeholder of the pages as what it stands for in this folder; other words as they are."""
    if word == "3f9a2c71":
        return _newest(root, "models/*-*").name.rpartition("-")[2][:8]
    if word in ("engines/BEFORE", "engines/AFTER"):
        precision = "fp16" if word.endswith("BEFORE") else "nvfp4"
        return str(_newest(root, f"engines/vit_tiny*-{precision}-b2-*").relative_to(root))
    if word == "FOLDER" or (word.startswith("engines/") and not (root / word).exists()):
        return str(_newest(root, "engines/*nvfp4-b*-*").relative_to(root))
    if word in ("results/MONDAY.json", "results/TUESDAY.json"):
        shutil.copy(next(root.glob("results/bench-*.json")), root / word)
    if "/NAME" in word:
        return str(_newest(root, word.replace("NAME", "*")).relative_to(root))
    if "$(git" in word:
        return re.sub(r"\$\(.*?\)", "1f1f1f1", word)
    if word == "main.json":
        shutil.copy(root / "gate.json", root / word)
    return word


def _newest(root: Path, pattern: str) -> Path:
    return max(root.glob(pattern), key=lambda path: path.stat().st_mtime)
