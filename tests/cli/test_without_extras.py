"""Without the optional packages every command ends in one line that says how to install them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trtbench.host.installation import install_command

PROGRAM = """
import contextlib, importlib, io, json, sys
for name in ("torch", "timm", "modelopt", "onnxruntime", "tensorrt_rtx", "tensorrt", "cuda"):
    sys.modules[name] = None
from trtbench.cli.app import main
importlib.import_module("trtbench.export").package_versions = lambda names: {}
found = []
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            main()
        except SystemExit as ended:
            found.append((ended.code, said.getvalue()))
        except BaseException as error:
            found.append((-1, repr(error)))
print("\\n" + json.dumps(found))
"""
COMMANDS = {
    "export nvfp4": ("export", "ort"),
    "export fp16": ("export", "ort"),
    "verify fp16": ("export", "ort"),
    "verify fp16 --data images": ("export", "ort"),
    "lint vit_tiny_patch16_224": ("export",),
    "roofline vit_tiny_patch16_224": ("export",),
    "build fp16": ("rtx",),
    "compare fp16 nvfp4": ("rtx",),
    "explain nvfp4": ("rtx",),
    "predict nvfp4": ("rtx",),
    "tune vit_tiny_patch16_224 --gpu rtx-5090": ("rtx",),
}


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    folder: Path = tmp_path_factory.mktemp("bare")
    (folder / "images" / "0").mkdir(parents=True)
    (folder / "images" / "0" / "a.png").touch()
    words = json.dumps([command.split() for command in COMMANDS])
    program = [sys.executable, "-c", PROGRAM, words]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=True)
    return dict(zip(COMMANDS, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize(("command", "extras"), COMMANDS.items())
def test_the_remedy_is_one_line(
    ends: dict[str, tuple[int, str]], command: str, extras: tuple[str, ...]
) -> None:
    code, said = ends[command]
    assert (code, said.count("\n")) == (1, 1), said
    assert install_command(*extras) in said
