"""The official Python bindings of TensorRT, loaded with empty libraries, against what our double has of them.

The runtime of TensorRT is on no public index, its bindings are: a small package, which loads as soon as
libraries of the right names are there, and can do all that needs none of their functions.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent.parent / "data" / "tensorrt-api"
BINDINGS = {"11.4.0.106": "tensorrt-cu13-bindings", "10.14.1.48.post1": "tensorrt-cu13-bindings"}

# Tells names and values of the real module, and runs what of our code needs no library behind the bindings.
LOOK = """
import json, sys
import tensorrt_bindings as trt
from trtbench.build import child

def describe(entry):
    if hasattr(entry, "__members__"):
        return {"enum": {name: int(member) for name, member in entry.__members__.items()}}
    return {"members": dir(entry)}

logger = child.open_logger(trt, __import__("pathlib").Path(sys.argv[1]))
logger.log(trt.ILogger.ERROR, "what the compiler says")
monitor = child.open_progress_monitor(trt, logger)
monitor.phase_start("Building Engine", None, 3)
assert monitor.step_complete("Building Engine", 0) is True
monitor.phase_finish("Building Engine")
print(json.dumps({
    "version": trt.__version__,
    "classes": {name: describe(entry) for name, entry in vars(trt).items() if isinstance(entry, type)},
    "functions": [name for name, entry in vars(trt).items() if callable(entry)],
    "flags": child._network_flags(trt, ("STRONGLY_TYPED",)),
    "tiling": int(child._enum_member(trt, "TilingOptimizationLevel.FULL")),
    "dims": list(trt.Dims((1, 3, 8))),
}))
"""


@pytest.fixture(scope="module", params=BINDINGS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def real(version: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the real bindings of the version say of themselves."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to make the libraries that the bindings load")
    tmp_path = tmp_path_factory.mktemp("bindings")
    _install(f"{BINDINGS[version]}=={version}", tmp_path)
    _write_empty_libraries(tmp_path / "tensorrt_bindings" / "tensorrt.so", tmp_path)
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    environment = {**os.environ, "PYTHONPATH": path, "LD_LIBRARY_PATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path / "build.log")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    log = (tmp_path / "build.log").read_text().splitlines()
    assert log == ["[ERROR] what the compiler says", "[INFO] Progress: 0/3 Building Engine"]
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def _install(package: str, folder: Path) -> None:
    uv = shutil.which("uv")
    tool = (
        [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    )
    run = subprocess.run(
        [*tool, "--quiet", "--no-deps", "--target", str(folder), package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{package} cannot be installed from the index: {run.stderr}"


def _write_empty_libraries(bindings: Path, folder: Path) -> None:
    """Make shared libraries of the names that the bindings load, with functions that do nothing."""
    content = bindings.read_bytes()
    libraries = set(re.findall(rb"lib(?:nvinfer|nvonnxparser)\w*\.so\.\d+", content))
    functions = set(
        re.findall(rb"\0(create\w+_INTERNAL|get\w+(?:Registry|Version)|initLib\w+)(?=\0)", content)
    )
    assert (len(libraries), len(functions)) >= (3, 8)
    source = folder / "empty.c"
    source.write_text("".join(f"void *{name.decode()}(void) {{ return 0; }}\n" for name in sorted(functions)))
    for name in libraries:
        subprocess.run(["cc", "-shared", "-fPIC", source, "-o", folder / name.decode()], check=True)


def test_the_double_has_the_names_and_values_of_the_real_module(version: str, real: dict[str, Any]) -> None:
    with gzip.open(DATA / f"tensorrt-{version}.json.gz", "rt", encoding="utf-8") as file:
        ours = json.load(file)
    assert real["version"] == version
    assert ours["classes"].keys() <= real["classes"].keys()
    assert set(ours["functions"]) <= set(real["functions"])
    for name, entry in ours["classes"].items():
        found = real["classes"][name]
        if "enum" in entry:
            assert entry["enum"] == found["enum"], name
        else:
            assert set(entry["members"]) <= set(found["members"]), name


def test_our_code_finds_the_values_of_the_real_module(version: str, real: dict[str, Any]) -> None:
    is_ten = version.startswith("10.")
    assert real["flags"] == (2 if is_ten else 1)
    assert real["tiling"] == 3
    assert real["dims"] == [1, 3, 8]
