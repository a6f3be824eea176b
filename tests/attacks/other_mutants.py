"""Mutated checkpoints and images, and names and environments that are none."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Make = Callable[[Path, Random], None]

HOSTILE_NAMES = (
    "a\x1b]0;owned\x07b",
    "x[/b]",
    "[red]x",
    "a\u202egnp",
    "a\x9b31mb",
    "a\nb",
    "a\rb",
    "-rf",
    "--",
    "=cmd|'/c calc'!A0",
    "caf\udce9",
    "n" * 300,
    "n" * 5000,
    "../../../../etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/mem",
    "/",
    "",
    " ",
    "%s%n%s",
    "$(id)",
    "a;b|c&d",
    "nvfp4:qkv=\x1b[2J",
    "fp16+" * 200,
    "x=1x" * 500,
    "http://127.0.0.1:9/x.onnx",
    "\\\\server\\share",
    "module:function\x1b[2J",
    "𝓿𝓲𝓽",
)

ENVIRONMENTS: tuple[dict[str, str], ...] = (
    {"TRTBENCH_STORE": "/dev/null"},
    {"TRTBENCH_STORE": "/proc/self"},
    {"TRTBENCH_STORE": "s\x1b[2J[/b]"},
    {"TRTBENCH_STORE": "n" * 5000},
    {"TRTBENCH_INSPECT_BATCH": "many"},
    {"TRTBENCH_INSPECT_BATCH": "9" * 100},
    {"TRTBENCH_INSPECT_JSON": "perhaps\x1b[2J"},
    {"TRTBENCH_INSPECT_SHAPE": "x"},
    {"COLUMNS": "0"},
    {"COLUMNS": "-5"},
    {"COLUMNS": "many"},
    {"COLUMNS": "1"},
    {"COLUMNS": "1000000"},
    {"LINES": "-1", "COLUMNS": "2"},
    {"TERM": "dumb"},
    {"TERM": "\x1b[2J"},
    {"HOME": "/nonexistent"},
    {"HOME": ""},
    {"XDG_CONFIG_HOME": "/dev/null"},
    {"XDG_CONFIG_HOME": "\x1b[2J"},
    {"TMPDIR": "/nonexistent"},
    {"LANG": "C", "LC_ALL": "C"},
    {"PYTHONIOENCODING": "ascii"},
    {"PATH": ""},
    {"CUDA_VISIBLE_DEVICES": "\x1b[2J"},
)


def bad_checkpoint(folder: Path, random: Random) -> None:
    """``w.pt`` or ``w.safetensors``, damaged or made to harm."""
    random.choice(_CHECKPOINTS)(folder, random)


def _safetensors(folder: Path, random: Random) -> None:
    header: dict[str, Any] = {
        "cls_token": {"dtype": "F32", "shape": [1, 1, 8], "data_offsets": [0, 32]},
        "other": {"dtype": "F16", "shape": [4], "data_offsets": [32, 40]},
    }
    entry = header[random.choice(list(header))]
    key = random.choice(("dtype", "shape", "data_offsets", "name"))
    entry[key] = random.choice(
        ("F99", [-1], [2**62, 2**62], [0, 2**62], [40, 0], None, "x" * 1000, [[1]], {"a": 1})
    )
    text = json.dumps(header).encode()
    length = random.choice((len(text), 2**62, 0, len(text) - 1, 2**31))
    (folder / "w.safetensors").write_bytes(struct.pack("<Q", length) + text + bytes(40))


def _noise(folder: Path, random: Random) -> None:
    name = random.choice(("w.pt", "w.safetensors", "w.npz", "w.npy", "w.pth"))
    (folder / name).write_bytes(random.randbytes(random.choice((0, 1, 8, 100, 5000))))


class _Runs:
    """Would leave a file, if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("pickle-ran",))


def _pickle(folder: Path, random: Random) -> None:
    content = random.choice((_Runs(), {"a": _Runs()}, [1, 2], "text", {1: {2: 3}}, None, b"x" * 100))
    (folder / "w.pt").write_bytes(pickle.dumps(content, protocol=random.choice((0, 2, 4))))


def _zip(folder: Path, random: Random) -> None:
    """The layout of torch's files, with other contents."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(
            "archive/data.pkl", random.choice((pickle.dumps(_Runs()), b"", b"\x80\x02(((((", b"." * 99))
        )
        file.writestr("archive/version", random.choice(("3", "x", "9" * 5000)))
        file.writestr("archive/byteorder", random.choice(("little", "middle")))
        if random.random() < 0.5:
            file.writestr("archive/data/0", bytes(10_000_000))
    content = data.getvalue()
    (folder / "w.pt").write_bytes(content[: random.choice((len(content), len(content) // 2))])


def _holds_itself(folder: Path, random: Random) -> None:
    import torch

    state: dict[str, Any] = {"cls_token": torch.zeros(1, 1, 8)}
    state[random.choice(("model", "state_dict", "module", "ema", "x"))] = state
    torch.save(state, folder / "w.pt")


def _nested_state(folder: Path, random: Random) -> None:
    import torch

    state: dict[str, Any] = {"cls_token": torch.zeros(1, 1, 8)}
    for _ in range(random.choice((5, 50, 200))):
        state = {"model": state}
    torch.save(state, folder / "w.pt")


def _other_tensors(folder: Path, random: Random) -> None:
    import torch

    tensor = random.choice(
        (
            torch.zeros(1, 1, 8).to_sparse(),
            torch.full((1, 1, 8), float("nan")),
            torch.zeros(0),
            torch.zeros(1, 1, 8, dtype=torch.complex64),
            torch.zeros(1).expand(2**40),
        )
    )
    torch.save({random.choice(("cls_token", "\x1b[2J", "x[/b]", "")): tensor}, folder / "w.pt")


_CHECKPOINTS: tuple[Make, ...] = (
    _safetensors,
    _noise,
    _pickle,
    _zip,
    _holds_itself,
    _nested_state,
    _other_tensors,
)


def bad_images(folder: Path, random: Random) -> None:
    """``images/``: files that are no images, or no images to resize."""
    (folder / "images").mkdir()
    for index in range(3):
        name = (
            folder / "images" / f"{index}.{random.choice(('png', 'jpg', 'gif', 'bmp', 'tif', 'webp', 'ppm'))}"
        )
        random.choice(_IMAGES)(name, random)


def _noise_image(path: Path, random: Random) -> None:
    path.write_bytes(random.randbytes(random.choice((0, 1, 100))))


def _cut_image(path: Path, random: Random) -> None:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(data, "PNG")
    path.write_bytes(data.getvalue()[: random.randrange(8, 60)])


def _narrow_image(path: Path, random: Random) -> None:
    from PIL import Image

    Image.new("L", (1, 100_000)).save(path, "PNG")


def _image_bomb(path: Path, random: Random) -> None:
    """A header of 100,000 x 100,000 pixels."""
    sides = random.choice((100_000, 2**31 - 1))
    path.write_bytes(f"P6 {sides} {sides} 255\n".encode() + bytes(100))


def _odd_file(path: Path, random: Random) -> None:
    random.choice((os.mkfifo, Path.mkdir, lambda place: place.symlink_to("/dev/zero")))(path)


_IMAGES: tuple[Make, ...] = (_noise_image, _cut_image, _narrow_image, _image_bomb, _odd_file)
