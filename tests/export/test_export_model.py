import argparse
import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from safetensors.torch import save_file  # noqa: E402
from timm.data import resolve_model_data_config  # noqa: E402

from trtbench.errors import ExportError, SpecError  # noqa: E402
from trtbench.export import check_model, export  # noqa: E402
from trtbench.export.checkpoint_files import weights_sha256  # noqa: E402
from trtbench.export.flops import analytic_flops  # noqa: E402
from trtbench.export.linear_layers import call_all_linear_layers, input_ranks  # noqa: E402
from trtbench.export.model import build_model, image_shape, meta_model, weight_notes  # noqa: E402
from trtbench.specs import CheckpointSpec, ExportSpec, ModelSpec, Scalar  # noqa: E402
from trtbench.specs.sized_vit import sizes_of  # noqa: E402
from trtbench.store.artifacts import Store  # noqa: E402

State = dict[str, torch.Tensor]


def tiny(**fields: Any) -> ModelSpec:
    return ModelSpec(
        **{"name": "vit_tiny_patch16_224", "overrides": (("depth", 1),), "img_size": 32, **fields}
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "vit_base_patch16_225"}, r"unknown to timm .*did you mean vit_base_patch16_224"),
        ({"name": "no such thing"}, r"unknown to timm"),
        ({"name": "resnet18"}, r"timm's ResNet: supported are .*VisionTransformer"),
        ({"name": "vit_base_r50_s16_224"}, r"convolutional network \(HybridEmbed\)"),
        ({"overrides": (("dept", 2),)}, r"no argument 'dept': did you mean depth\?"),
        ({"overrides": (("device", "cpu"),)}, r"no argument 'device'"),
        ({"overrides": (("checkpoint_path", "weights.pt"),)}, r"no argument 'checkpoint_path'"),
        (
            {"overrides": (("depth", "two"),)},
            r"field overrides\.depth: Input should be a valid integer, got 'two'",
        ),
        (
            {"overrides": (("depth", True),)},
            r"field overrides\.depth: Input should be a valid integer, got True",
        ),
        (
            {"overrides": (("global_pool", "best"),)},
            r"overrides\.global_pool: Input should be '', 'avg'.*got 'best'",
        ),
        ({"overrides": (("embed_dim", 100),)}, r"cannot be constructed with embed_dim=100"),
        ({"overrides": (("num_heads", 0),)}, r"cannot be constructed with num_heads=0"),
        ({"overrides": (("norm_layer", "mine"),)}, r"cannot be constructed with norm_layer='mine'"),
        (
            {"name": "vit8x2x64", "pretrained": True},
            r"vit8x2x64 has no pretrained weights; remove pretrained",
        ),
        ({"img_size": 50}, r"50 x 50 pixels is not made of whole patches of 16 x 16"),
        ({"img_size": 64, "overrides": (("img_size", 32),)}, r"img_size is 64 and, as an override, 32"),
    ],
)
def test_what_cannot_be_constructed_is_a_wrong_spec(fields: dict[str, Any], message: str) -> None:
    spec = ModelSpec(**{"name": "vit_tiny_patch16_224", **fields})
    with pytest.raises(SpecError, match=message) as caught:
        meta_model(spec)
    assert "\n" not in str(caught.value)


def test_a_name_of_sizes_is_a_model() -> None:
    model: Any = meta_model(ModelSpec(name="vit8x2x128", overrides=(("num_heads", 4),), img_size=32))
    assert model.patch_embed.patch_size == (8, 8)
    assert (len(model.blocks), model.embed_dim, model.blocks[0].attn.num_heads) == (2, 128, 4)
    sizes = sizes_of("vit8x2x128")
    assert sizes is not None
    assert sizes.parameters(32) == sum(parameter.numel() for parameter in model.parameters())
    assert sizes.flops(32) == sum(analytic_flops(model, 1).values())


@pytest.mark.parametrize(
    ("name", "overrides", "shape"),
    [
        ("vit_tiny_patch16_224", (("in_chans", 1),), (1, 224, 224)),
        ("deit_tiny_distilled_patch16_224", (("depth", 1),), (3, 224, 224)),
        ("eva02_tiny_patch14_224", (("swiglu_mlp", False),), (3, 224, 224)),
        ("vit_tiny_patch16_224", (("init_values", 1e-5), ("mlp_ratio", 2)), (3, 224, 224)),
    ],
)
def test_arguments_of_the_constructor_are_taken(
    name: str, overrides: tuple[tuple[str, Scalar], ...], shape: tuple[int, int, int]
) -> None:
    assert image_shape(meta_model(ModelSpec(name=name, overrides=overrides))) == shape


def test_random_weights_follow_the_seed_and_leave_the_callers_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (build_model(tiny(seed=seed)).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_model_built_again_shares_no_weights_with_the_first() -> None:
    first = build_model(tiny())
    expected = first.state_dict()["head.weight"].clone()
    first.get_parameter("head.weight").detach().zero_()
    assert torch.equal(build_model(tiny()).state_dict()["head.weight"], expected)


def save_bare(state: State, folder: Path) -> Path:
    torch.save(state, folder / "weights.pt")
    return folder / "weights.pt"


def save_safetensors(state: State, folder: Path) -> Path:
    save_file(state, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def save_from_trainer(state: State, folder: Path) -> Path:
    wrapped = {f"module.{key}": value for key, value in state.items()}
    torch.save({"epoch": 3, "state_dict": wrapped, "loss": 0.1}, folder / "last.ckpt")
    return folder / "last.ckpt"


def save_as_deit_does(state: State, folder: Path) -> Path:
    torch.save({"model": state}, folder / "deit.pth")
    return folder / "deit.pth"


def with_checkpoint(path: Path) -> ModelSpec:
    return tiny(checkpoint=CheckpointSpec(path=str(path), sha256=weights_sha256(path)))


@pytest.mark.parametrize("save", [save_bare, save_safetensors, save_from_trainer, save_as_deit_does])
def test_checkpoints_load(save: Callable[[State, Path], Path], tmp_path: Path) -> None:
    state = build_model(tiny(seed=7)).state_dict()
    loaded = build_model(with_checkpoint(save(state, tmp_path))).state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def renamed(state: State, prefix: str) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def doubled(state: State) -> State:
    return {key: value * 2 for key, value in state.items()}


EXTRA = {"loss.weight": torch.ones(3)}
WRAPPED: dict[str, tuple[Callable[[State], Any], str]] = {
    "compiled in Lightning": (lambda s: {"state_dict": renamed(s, "model._orig_mod.")}, ""),
    "DataParallel in a compiled one": (lambda s: renamed(s, "_orig_mod.module."), ""),
    "a name of the user's": (lambda s: renamed(s, "student_net.vit."), ""),
    "Lightning with a loss": (
        lambda s: {"state_dict": {**renamed(s, "model."), **EXTRA}},
        "left out: 1 more",
    ),
    "timm's train.py": (lambda s: {"state_dict": s, "args": argparse.Namespace(lr=0.1), "epoch": 3}, ""),
    "DeepSpeed": (lambda s: {"module": s, "dtype": torch.float16}, ""),
    "EMA alone": (lambda s: {"state_dict_ema": s, "epoch": 3}, ""),
    "EMA beside plain": (
        lambda s: {"state_dict": doubled(s), "state_dict_ema": s},
        "'state_dict_ema' are taken",
    ),
    "EMA of another name": (
        lambda s: {"model": doubled(s), "ema": {"module": s}, "decay": 0.9},
        "in 'ema' are",
    ),
    "DINO": (lambda s: {"student": doubled(s), "teacher": renamed(s, "backbone.")}, "in 'teacher' are taken"),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapped_weights_are_found_and_the_choice_is_noted(name: str, tmp_path: Path) -> None:
    wrap, words = WRAPPED[name]
    state = build_model(tiny(seed=7)).state_dict()
    torch.save(wrap(state), tmp_path / "last.ckpt")
    spec = with_checkpoint(tmp_path / "last.ckpt")
    loaded = build_model(spec).state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)
    notes = " ".join(weight_notes(spec))
    assert words in notes
    assert bool(notes) == bool(words)


def save_shards(state: State, folder: Path) -> None:
    names = list(state)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, keys in shards.items():
        save_file({key: state[key] for key in keys}, folder / shard)
    index = {"weight_map": {key: shard for shard, keys in shards.items() for key in keys}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("given", ["", "model.safetensors.index.json"])
def test_shards_load(given: str, tmp_path: Path) -> None:
    state = build_model(tiny(seed=7)).state_dict()
    save_shards(state, tmp_path)
    spec = with_checkpoint(tmp_path / given)
    loaded = build_model(spec).state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)
    save_file({}, tmp_path / "b.safetensors")
    with pytest.raises(ExportError, match="the spec says"):
        build_model(tiny(checkpoint=spec.checkpoint, seed=1))
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(SpecError, match=r"b.safetensors is missing beside it"):
        weights_sha256(tmp_path / given)


def test_a_folder_of_hugging_face_brings_its_normalisation(tmp_path: Path) -> None:
    state = build_model(tiny(seed=7)).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    config = {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {"mean": [0.1, 0.2, 0.3]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    spec = with_checkpoint(tmp_path)
    assert torch.equal(build_model(spec).state_dict()["head.weight"], state["head.weight"])
    for model in (build_model(spec), meta_model(spec)):
        assert resolve_model_data_config(model)["mean"] == [0.1, 0.2, 0.3]
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "vit_small_patch16_224"}))
    with pytest.raises(ExportError, match=r"is a vit_small_patch16_224: use --model vit_small_patch16_224"):
        build_model(with_checkpoint(tmp_path))


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"holds none of model.safetensors, .*name the file itself"):
        weights_sha256(tmp_path)


def test_positions_of_another_image_size_are_resampled_with_a_note(tmp_path: Path) -> None:
    state = build_model(tiny(img_size=64)).state_dict()
    spec = with_checkpoint(save_bare(state, tmp_path))
    assert build_model(spec).state_dict()["pos_embed"].shape == (1, 5, 192)
    (note,) = weight_notes(spec)
    assert note.endswith(
        "pos_embed is resampled from (1, 17, 192) to (1, 5, 192); --img-size 64 takes the weights as they are"
    )


def test_the_original_layout_of_dinov2_is_converted(tmp_path: Path) -> None:
    overrides = (("depth", 1), ("embed_dim", 64), ("num_heads", 1))
    model = ModelSpec(name="vit_small_patch14_dinov2", overrides=overrides, img_size=28)
    state = build_model(model).state_dict()
    path = save_bare({**state, "mask_token": torch.zeros(1, 64)}, tmp_path)
    checkpoint = CheckpointSpec(path=str(path), sha256=weights_sha256(path))
    loaded = build_model(model.model_copy(update={"checkpoint": checkpoint})).state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def jax_archive(state: State, classes: int = 1000) -> dict[str, Any]:
    """One block of 192 channels in the layout of Google's archives."""
    numbers = {name: tensor.numpy() for name, tensor in state.items()}
    block, ours = "Transformer/encoderblock_0/", "blocks.0."
    archive = {
        "cls": numbers["cls_token"],
        "embedding/kernel": numbers["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": numbers["patch_embed.proj.bias"],
        "Transformer/posembed_input/pos_embedding": numbers["pos_embed"],
        "head/kernel": numbers["head.weight"].T[:, :classes],
        "head/bias": numbers["head.bias"][:classes],
    }
    for theirs, name in (("Transformer/encoder_norm", "norm"), (f"{block}LayerNorm_0", f"{ours}norm1")):
        archive[f"{theirs}/scale"], archive[f"{theirs}/bias"] = (
            numbers[f"{name}.weight"],
            numbers[f"{name}.bias"],
        )
    archive[f"{block}LayerNorm_2/scale"] = numbers[f"{ours}norm2.weight"]
    archive[f"{block}LayerNorm_2/bias"] = numbers[f"{ours}norm2.bias"]
    attention = f"{block}MultiHeadDotProductAttention_1/"
    weights = numbers[f"{ours}attn.qkv.weight"].reshape(3, 192, 192)
    biases = numbers[f"{ours}attn.qkv.bias"].reshape(3, 192)
    for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
        archive[f"{attention}{part}/kernel"] = weight.T.reshape(192, 3, 64)
        archive[f"{attention}{part}/bias"] = bias.reshape(3, 64)
    archive[f"{attention}out/kernel"] = numbers[f"{ours}attn.proj.weight"].T.reshape(3, 64, 192)
    archive[f"{attention}out/bias"] = numbers[f"{ours}attn.proj.bias"]
    for i in (0, 1):
        archive[f"{block}MlpBlock_3/Dense_{i}/kernel"] = numbers[f"{ours}mlp.fc{i + 1}.weight"].T
        archive[f"{block}MlpBlock_3/Dense_{i}/bias"] = numbers[f"{ours}mlp.fc{i + 1}.bias"]
    return archive


def test_a_jax_archive_loads_whole_or_not_at_all(tmp_path: Path) -> None:
    state = build_model(tiny(seed=7)).state_dict()
    np.savez(tmp_path / "vit.npz", **jax_archive(state))
    loaded = build_model(with_checkpoint(tmp_path / "vit.npz")).state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)
    np.savez(tmp_path / "ten.npz", **jax_archive(state, classes=10))
    with pytest.raises(ExportError, match=r"head.weight.*: try --set num_classes=10"):
        build_model(with_checkpoint(tmp_path / "ten.npz"))


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        ((("depth", 1), ("num_classes", 10)), "--set num_classes=10"),
        ((("depth", 1), ("num_classes", 0)), "--set num_classes=0"),
        ((("depth", 1), ("in_chans", 1)), "--set in_chans=1"),
        ((("depth", 2), ("num_classes", 7)), "--set num_classes=7 --set depth=2"),
    ],
)
def test_arguments_that_would_fit_are_suggested(
    overrides: tuple[tuple[str, Scalar], ...], hint: str, tmp_path: Path
) -> None:
    path = save_bare(build_model(tiny(overrides=overrides)).state_dict(), tmp_path)
    with pytest.raises(ExportError, match=f": try {hint}$"):
        build_model(with_checkpoint(path))


@pytest.mark.parametrize(
    ("kind", "name"),
    [(torch.int8, "int8"), (torch.complex64, "complex64"), (torch.float8_e4m3fn, "float8_e4m3fn")],
)
def test_numbers_that_are_no_weights_are_refused(kind: torch.dtype, name: str, tmp_path: Path) -> None:
    state = build_model(tiny()).state_dict()
    state["blocks.0.mlp.fc1.weight"] = state["blocks.0.mlp.fc1.weight"].to(kind)
    with pytest.raises(ExportError, match=rf"blocks.0.mlp.fc1.weight is {name}, not a weight in 16 bits"):
        build_model(with_checkpoint(save_bare(state, tmp_path)))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    state = build_model(tiny()).state_dict()
    state["blocks.0.norm1.weight"][5] = value
    with pytest.raises(
        ExportError, match=r"1 of 192 values of blocks.0.norm1.weight are infinite or not a number"
    ):
        build_model(with_checkpoint(save_bare(state, tmp_path)))


def test_a_checkpoint_that_does_not_fit_says_where(tmp_path: Path) -> None:
    state = build_model(tiny()).state_dict()
    state["head.weight"] = torch.zeros(10, 192)
    state["fc.weight"] = state.pop("norm.weight")
    with pytest.raises(ExportError) as caught:
        build_model(with_checkpoint(save_bare(state, tmp_path)))
    text = str(caught.value)
    assert "1 missing (norm.weight)" in text
    assert "1 unexpected (fc.weight)" in text
    assert "head.weight is (10, 192) instead of (1000, 192)" in text


def test_many_differences_are_counted_and_the_first_ones_named(tmp_path: Path) -> None:
    path = save_bare({f"layer.{i}": torch.zeros(1) for i in range(5)}, tmp_path)
    with pytest.raises(ExportError, match=r"5 unexpected \(layer.0, layer.1, layer.2, ...\)"):
        build_model(with_checkpoint(path))


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


def test_code_in_a_checkpoint_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malicious()}, tmp_path / "evil.pt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Malicious()))
    for name in ("evil.pt", "evil.pkl"):
        with pytest.raises(ExportError, match="its code is never run"):
            build_model(with_checkpoint(tmp_path / name))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.pt", b""),
        ("noise.pt", bytes(range(200))),
        ("text.safetensors", b"not a header at all"),
        ("short.safetensors", (1000).to_bytes(8, "little")),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ExportError, match=name) as caught:
        build_model(with_checkpoint(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_an_empty_or_truncated_checkpoint_is_reported_as_such(
    suffix: str, share: float, tmp_path: Path
) -> None:
    save = save_file if suffix == ".safetensors" else torch.save
    path = tmp_path / f"short{suffix}"
    save(build_model(tiny()).state_dict(), path)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(ExportError) as caught:
        build_model(with_checkpoint(path))
    words = "the file is empty" if share == 0 else "truncated or not a checkpoint"
    assert str(caught.value).startswith(f"checkpoint {path}: ")
    assert words in str(caught.value)
    assert str(caught.value).endswith(": save or download it again")


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {"head.weight": "text"}}])
def test_a_checkpoint_without_tensors_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(ExportError, match=r"not a dictionary of tensors|is not a tensor"):
        build_model(with_checkpoint(tmp_path / "odd.pt"))


def test_another_file_than_the_spec_knows_is_refused(tmp_path: Path) -> None:
    spec = with_checkpoint(save_bare(build_model(tiny()).state_dict(), tmp_path))
    save_bare(build_model(tiny(seed=1)).state_dict(), tmp_path)
    with pytest.raises(ExportError, match="the spec says"):
        build_model(spec)


def test_weights_out_of_reach_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr("trtbench.export.model._unreachable", {})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ExportError, match="give a file with --checkpoint") as caught:
        build_model(ModelSpec(name="vit_tiny_patch16_224", pretrained=True))
    assert "\n" not in str(caught.value)


def test_a_hub_out_of_reach_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def fail(self: object, repository: str, timeout: float) -> None:
        asked.append(timeout)
        raise OSError("Name or service not known")

    monkeypatch.setattr("trtbench.export.model.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("trtbench.export.model._unreachable", {})
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", fail)
    for seed in (0, 1):  # another spec, as that of the next recipe
        with pytest.raises(ExportError, match="could not be downloaded: Name or service not known"):
            build_model(ModelSpec(name="vit_tiny_patch16_224", pretrained=True, seed=seed))
    assert asked == [10.0]


def test_an_unknown_model_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="unknown to timm"):
        export(ExportSpec(model=ModelSpec(name="vit_nothing"), recipe="fp16"), Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_flops_of_vit_base_are_those_of_the_closed_form() -> None:
    tokens, width, depth, batch = 197, 768, 12, 64
    linear = 2 * tokens * width * width * depth
    expected = {
        "patch_embed": 2 * 196 * (3 * 16 * 16) * width,
        "qkv": 3 * linear,
        "attention": 2 * (2 * tokens * tokens * width) * depth,
        "proj": linear,
        "fc1": 4 * linear,
        "fc2": 4 * linear,
        "head": 2 * width * 1000,
    }
    assert analytic_flops(meta_model(ModelSpec()), batch) == {
        role: batch * flops for role, flops in sorted(expected.items())
    }


def test_flops_of_attention_with_rotary_embedding_and_swiglu_have_their_roles() -> None:
    tokens, width, hidden, depth = 257, 192, 512, 12
    flops = analytic_flops(meta_model(ModelSpec(name="eva02_tiny_patch14_224")), 1)
    assert flops["qkv"] == 3 * 2 * tokens * width * width * depth
    assert flops["fc1"] == 2 * 2 * tokens * width * hidden * depth  # SwiGLU has two of them
    assert flops["fc2"] == 2 * tokens * hidden * width * depth
    assert flops["attention"] == 2 * (2 * tokens * tokens * width) * depth
    assert "other" not in flops


def test_layers_that_the_model_does_not_call_are_made_to_be_called() -> None:
    spec = ModelSpec(name="eva_giant_patch14_224", overrides=(("depth", 1), ("embed_dim", 176)), img_size=28)
    model = meta_model(spec)
    assert "blocks.0.attn.qkv" not in input_ranks(model)
    call_all_linear_layers(model)
    assert input_ranks(model)["blocks.0.attn.qkv"] == 3
    plain, called = build_model(spec), build_model(spec)
    torch.nn.init.normal_(plain.blocks[0].attn.q_bias)
    called.load_state_dict(plain.state_dict())
    call_all_linear_layers(called)
    x = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(called(x), plain(x))


def test_without_the_packages_for_export_the_image_is_left_to_the_runtime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.delitem(sys.modules, "trtbench.export.model", raising=False)
    check_model(ModelSpec(name="vit_tiny_patch16_224", img_size=230))
