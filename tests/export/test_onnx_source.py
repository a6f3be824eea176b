import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("onnxruntime")

import timm  # noqa: E402
from support.grids import install_no_gpu  # noqa: E402
from support.tunings import install_work  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torchvision.models import VisionTransformer  # noqa: E402

from trtbench.errors import ExportError, SpecError  # noqa: E402
from trtbench.export import resolve  # noqa: E402
from trtbench.export.attention_ranges import attention_ranges  # noqa: E402
from trtbench.export.onnx_source import import_model, original_graph, structure_of  # noqa: E402
from trtbench.export.onnx_source.layers import find_layers  # noqa: E402
from trtbench.export.onnx_source.read import load_model  # noqa: E402
from trtbench.request import Shape, export_specs  # noqa: E402
from trtbench.specs import SourceSpec  # noqa: E402
from trtbench.specs.recipe import parse_recipe  # noqa: E402
from trtbench.vit import block_of  # noqa: E402

SIZE = 16
BLOCK = ["attn.proj", "attn.qkv", "mlp.act", "mlp.fc1", "mlp.fc2", "norm1", "norm2"]


class Block(nn.Module):
    """A block of 8 channels; ``mask`` adds to the scores, ``turn`` scales every head of Q and K."""

    def __init__(self, mask: bool = False, turn: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.q, self.k, self.v, self.proj = (nn.Linear(8, 8) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 8)
        self.mask = nn.Parameter(torch.randn(1, 2, 4, 4)) if mask else None
        self.turn = nn.Parameter(torch.randn(1, 1, 4, 4)) if turn else None

    def forward(self, x: Any) -> Any:
        tokens = self.norm1(x)
        q, k, v = (part(tokens).unflatten(-1, (2, 4)).transpose(1, 2) for part in (self.q, self.k, self.v))
        if self.turn is not None:
            q, k = q * self.turn, k * self.turn
        scores = q @ k.transpose(-1, -2) * 0.5
        scores = scores if self.mask is None else scores + self.mask
        x = x + self.proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class Small(nn.Module):
    """4 tokens of 8 channels, one block, features of the mean token."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.embed, self.block = nn.Conv2d(3, 8, 8, 8), block

    def forward(self, x: Any) -> Any:
        return self.block(self.embed(x).flatten(2).transpose(1, 2)).mean(1)


class Segmenter(nn.Module):
    """A block of 4 tokens, whose map a decoder makes an image of."""

    def __init__(self, *decoder: nn.Module) -> None:
        super().__init__()
        self.embed, self.block, self.decoder = nn.Conv2d(3, 8, 8, 8), Block(), nn.Sequential(*decoder)

    def forward(self, x: Any) -> Any:
        tokens = self.block(self.embed(x).flatten(2).transpose(1, 2))
        return self.decoder(tokens.transpose(1, 2).unflatten(2, (2, 2)))


DECODERS = {
    "deconvolution": lambda: [
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 1, 3, padding=1),
        nn.Upsample(size=(15, 15), mode="bilinear"),
        nn.Sigmoid(),
    ],
    "bicubic": lambda: [nn.Upsample(scale_factor=2, mode="bicubic", align_corners=True), nn.Conv2d(8, 2, 1)],
    "nearest": lambda: [nn.Upsample(scale_factor=4), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 8, 3, groups=4)],
    "shuffled": lambda: [nn.PixelShuffle(2), nn.Conv2d(2, 1, (1, 3), stride=(2, 1), padding=(0, 1))],
    "pooled": lambda: [nn.Conv2d(8, 4, 3, padding=2, dilation=2), nn.AdaptiveAvgPool2d(1)],
}


def torchvision_vit() -> nn.Module:
    return VisionTransformer(
        image_size=SIZE, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5
    )


def timm_vit(name: str = "vit_tiny_patch16_224", **options: Any) -> nn.Module:
    sizes = {"img_size": SIZE, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
    model: nn.Module = timm.create_model(name, **{**sizes, "num_classes": 5, **options})
    return model


def exported(
    model: nn.Module, path: Path, opset: int = 17, batch: int = 1, dynamic: tuple[int, ...] = (0,)
) -> Path:
    torch.backends.mha.set_fastpath_enabled(False)
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter.detach(), std=0.5)
    model.eval()
    images = torch.zeros((batch, 3, SIZE, SIZE), dtype=next(model.parameters()).dtype)
    write(model, (images,), path, opset, dynamic)
    return path


def write(
    model: nn.Module, inputs: tuple[Any, ...], path: Path, opset: int, dynamic: tuple[int, ...]
) -> None:
    axes = {"x": {axis: f"axis{axis}" for axis in dynamic}, "y": {0: "axis0"}} if dynamic else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer has one for every shape that a model checks
        torch.onnx.export(
            model,
            inputs,
            str(path),
            input_names=["x", "scale"][: len(inputs)],
            output_names=["y"],
            opset_version=opset,
            dynamic_axes=axes,
            dynamo=False,
        )


def names_in_block(model: nn.Module, block: int) -> list[str]:
    prefix = f"blocks.{block}."
    leaves = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.LayerNorm | nn.GELU)
    ]
    return sorted(name.removeprefix(prefix) for name in leaves if name.startswith(prefix))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (torchvision_vit, {"opset": 14}),  # LayerNorm and GELU in operators, tokens in front of images
        (torchvision_vit, {"opset": 20, "batch": 2, "dynamic": ()}),
        (timm_vit, {"opset": 17}),
        (lambda: timm_vit("vit_base_patch16_siglip_gap_224"), {"opset": 17}),  # GELU by tanh
        (lambda: Small(Block()), {"opset": 14}),
    ],
    ids=["torchvision-14", "torchvision-static", "timm-17", "tanh", "separate-qkv"],
)
def test_layers_have_timms_names_whatever_they_are_written_in(model, options, tmp_path):
    imported, notes = import_model(exported(model(), tmp_path / "m.onnx", **options), None)
    assert not notes
    assert names_in_block(imported, 0) == BLOCK
    assert isinstance(imported.get_submodule("blocks.0.attn"), timm.layers.Attention)
    assert imported.image_shape == (3, SIZE, SIZE)
    assert imported(torch.zeros(3, 3, SIZE, SIZE)).shape[0] == 3


def test_a_classifier_ends_in_a_linear_layer_with_a_bias(tmp_path):
    assert import_model(exported(torchvision_vit(), tmp_path / "c.onnx"), None)[0].num_classes == 5
    assert import_model(exported(Small(Block()), tmp_path / "f.onnx"), None)[0].num_classes == 0


def test_attention_with_something_done_to_q_and_k_is_calibrated(tmp_path):
    path = exported(Small(Block(turn=True)), tmp_path / "m.onnx")
    model, notes = import_model(path, None)
    assert not notes
    assert names_in_block(model, 0) == sorted({*BLOCK, "attn.q", "attn.k", "attn.v"} - {"attn.qkv"})
    assert len(attention_ranges(model, [torch.ones(1, 3, SIZE, SIZE)])) == 1


def test_attention_with_a_mask_is_noted(tmp_path):
    model, notes = import_model(exported(Small(Block(mask=True)), tmp_path / "m.onnx"), None)
    assert len(notes) == 1
    assert notes[0].startswith("blocks.0.attn (")
    assert "left in FP16" in notes[0]
    assert not attention_ranges(model, [torch.ones(1, 3, SIZE, SIZE)])


def test_a_pooling_head_is_no_block(tmp_path):
    model = timm_vit("vit_base_patch16_siglip_224")
    imported, _ = import_model(exported(model, tmp_path / "m.onnx"), None)
    assert len(list(imported.get_submodule("blocks").children())) == 2
    assert {"attn_pool.proj", "attn_pool.mlp.fc1", "attn_pool.mlp.fc2", "head"} <= {
        name for name, _ in imported.named_modules()
    }


def test_a_model_in_fp16_is_widened(tmp_path):
    model, _ = import_model(exported(Small(Block()).half(), tmp_path / "m.onnx"), None)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


class Mixing(nn.Module):
    """A block of which every image sees all others."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()

    def forward(self, x: Any) -> Any:
        return self.block(x - x.mean(0, keepdim=True) / 2)


class Inputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = Small(Block())

    def forward(self, x: Any, scale: Any) -> Any:
        return self.model(x) * scale


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_behind_the_blocks_is_taken_along(name, tmp_path):
    model = Segmenter(*DECODERS[name]())
    imported, notes = import_model(exported(model, tmp_path / "m.onnx"), None)
    images = torch.randn(3, 3, SIZE, SIZE)
    assert not notes
    torch.testing.assert_close(imported(images), model(images), rtol=1e-3, atol=1e-3)
    assert names_in_block(imported, 0) == BLOCK
    assert [name for name, _ in imported.named_modules() if name.startswith("patch_embed.")] == [
        "patch_embed.proj"
    ]


@pytest.mark.parametrize(
    ("model", "options", "size", "message"),
    [
        (lambda: Small(Mixing()), {}, None, "gives other numbers than the file"),
        (lambda: Small(nn.Identity()), {}, None, "no transformer blocks found"),
        (lambda: Small(Block()), {}, 32, "takes images of 16 pixels, not 32; remove --img-size"),
        (
            lambda: Small(Block()),
            {"dynamic": (0, 2, 3)},
            None,
            "image size is dynamic; give one with --img-size",
        ),
        (
            lambda: Small(nn.Sequential(Block(), nn.Softplus())),
            {},
            None,
            r"m\.onnx: operator Softplus .* is not known",
        ),
        (
            lambda: Segmenter(nn.MaxPool2d(2, ceil_mode=True)),
            {},
            None,
            r"m\.onnx: MaxPool .* has a form that is not known",
        ),
    ],
    ids=["mixes-images", "no-blocks", "other-size", "dynamic-size", "operator", "pool"],
)
def test_what_cannot_be_taken_is_refused(model, options, size, message, tmp_path):
    path = exported(model(), tmp_path / "m.onnx", **options)
    with pytest.raises(ExportError, match=message):
        import_model(path, size)


def test_another_input_than_images_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    images = torch.zeros(1, 3, SIZE, SIZE)
    write(Inputs(), (images, torch.ones(1)), path, 17, ())
    with pytest.raises(ExportError, match=r"has the inputs x, scale; expected one"):
        import_model(path, None)


def test_a_quantised_file_is_refused(tmp_path):
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 19]> g (float[1,3,16,16] x) => (float[1,3,16,16] y)'
        "<float s = {1.0}> { q = QuantizeLinear(x, s) y = DequantizeLinear(q, s) }"
    )
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"is quantised .*give the FP32 or FP16 model"):
        load_model(tmp_path / "m.onnx", None)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("h = Mul(x, a) e = Erf(h) t = Add(one, e) u = Mul(t, half) y = Mul(u, x)", "Gelu"),
        ("h = Mul(x, a) e = Erf(h) t = Add(one, e) u = Mul(x, t) y = Mul(half, u)", "Gelu"),
        (
            "h = Mul(x, a) e = Erf(h) t = Add(half, e) u = Mul(x, t) y = Mul(half, u)",
            "Mul",
        ),  # another function
    ],
)
def test_gelu_is_judged_by_its_values(body, found):
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 20]> g (float[1,4] x) => (float[1,4] y)'
        f"<float one = {{1.0}}, float half = {{0.5}}, float a = {{{0.5**0.5}}}> {{ {body} }}"
    )
    graph = ir.from_proto(model).graph
    find_layers(graph)
    producer = graph.outputs[0].producer()
    assert producer is not None
    assert producer.op_type == found


def test_nodes_of_the_original_are_named_by_block(tmp_path):
    path = exported(torchvision_vit(), tmp_path / "m.onnx", opset=14)
    model = original_graph(path, None, 3)
    blocks = {block_of(node.name) for node in model.graph.node if node.op_type == "Softmax"}
    assert blocks == {0, 1}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 3
    structure = structure_of(load_model(path, None), path)
    assert not structure.notes


def test_the_original_with_a_static_batch_has_no_other(tmp_path):
    path = exported(torchvision_vit(), tmp_path / "m.onnx", batch=2, dynamic=())
    with pytest.raises(ExportError, match="static batch of 2; use --batch 2"):
        original_graph(path, None, 4)


def source_of(word: str | Path, **arguments: Any) -> Any:
    (spec,) = export_specs([parse_recipe("fp16")], word, [Shape(2)], arguments)  # type: ignore[arg-type]
    return resolve(spec)[0].model.source


def test_a_file_is_known_by_its_content(tmp_path):
    first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
    exported(Small(Block()), first)
    second.write_bytes(first.read_bytes())
    assert source_of(first).sha256 == source_of(second).sha256
    onnx.save(onnx.load(first), second, save_as_external_data=True, location="b.data", size_threshold=0)
    before = source_of(second).sha256
    weights = np.fromfile(tmp_path / "b.data", np.float32)
    (weights + 1).tofile(tmp_path / "b.data")
    assert source_of(second).sha256 != before


def test_the_weights_of_a_file_are_its_own(tmp_path):
    path = exported(Small(Block()), tmp_path / "m.onnx")
    model = export_specs([parse_recipe("fp16")], path, [Shape(1)], {})[0].model
    assert (model.weights, model.weights_name) == ("file", "m.onnx")
    source = SourceSpec(kind="function", path="my_vit:vit")
    assert model.model_copy(update={"source": source}).weights == "function"


def test_weights_of_timm_are_refused_beside_a_file(tmp_path):
    path = exported(Small(Block()), tmp_path / "m.onnx")
    with pytest.raises(
        SpecError, match=r"overrides has no effect with .*m\.onnx, which has weights of its own"
    ):
        source_of(path, overrides={"depth": 2})
    with pytest.raises(SpecError, match=r"missing\.onnx: no such file"):
        source_of("missing.onnx")


def test_functions_are_called_with_the_seed(tmp_path, monkeypatch):
    code = "from torchvision.models import VisionTransformer\ndef vit():\n    return "
    sizes = "image_size=16, patch_size=8, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3"
    (tmp_path / "my_vit.py").write_text(f"{code}VisionTransformer({sizes})\ndef none():\n    return 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert source_of("my_vit:vit", seed=1).sha256 != source_of("my_vit:vit", seed=2).sha256
    with pytest.raises(SpecError, match="my_vit:none: returns int, not a torch model"):
        source_of("my_vit:none")
    with pytest.raises(SpecError, match="no_such_module"):
        source_of("no_such_module:vit")


def test_a_folder_without_architectures_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"architecture": "vit_tiny_patch16_224"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    from trtbench.export.torch_source import folder_model

    with pytest.raises(SpecError, match="use --model with its name and --checkpoint with the folder"):
        folder_model(tmp_path)


def test_a_file_among_the_words_is_the_model(trtbench, tmp_path):
    path = exported(Small(Block()), tmp_path / "small.onnx")
    store = ["--batch", "2", "--store", str(tmp_path / "store")]
    assert trtbench("export", str(path), "--precision", "fp16", *store)[0] == 0
    (made,) = (tmp_path / "store" / "models").glob("small-fp16-b2-*")
    assert (made / "model.onnx").is_file()
    for words in ([str(path), str(path)], [str(path), "--model", str(path)]):
        code, _, err = trtbench("export", *words, *store)
        assert (code, "more than one model is named" in err) == (2, True), err


def test_a_file_is_tuned(trtbench, tmp_path, monkeypatch):
    install_no_gpu(monkeypatch)
    work = install_work(monkeypatch)
    path = exported(Small(Block()), tmp_path / "small.onnx")
    code, out, err = trtbench(
        "tune", str(path), "--gpu", "rtx-5090", "--batch", "2", "--store", str(tmp_path)
    )
    assert (code, "small, batch 2: 486 recipes estimated" in out) == (0, True), err
    assert ("whole", "fp16") in work.seen
