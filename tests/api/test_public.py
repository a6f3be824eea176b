"""``import trtbench``: what it shows, and what it loads."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import trtbench as tb
from trtbench import api

ROOT = Path(__file__).parents[2]
SCRIPT = """
import trtbench as tb

def show(step: tb.Step) -> None:
    print(step.subject, step.text)

comparison = tb.compare(["fp16", "nvfp4"], model="vit_small_patch16_224", batch=[1, 8], data="val")
table: list[dict[str, str | int | float | bool | None]] = comparison.to_rows()
onnx = tb.export("fp8", overrides={"depth": 2}, on_step=show)
engine = tb.build(onnx, target="sm89")
kernels: int = tb.inspect(engine).gemm_kernels
median: float = tb.bench("fp16", runtime="torch").series["gpu_compute_ms"].median
names: list[str] = [gpu.name for gpu in tb.gpus().gpus]
reveal_type(tb.load("results/a.json"))
try:
    tb.predict("nvfp4", gpu="5090")
except tb.TrtbenchError as error:
    if error.code is tb.Code.SPEC_ERROR:
        raise
"""
WRONG = {
    'tb.compare(["fp16"], duration=3)': 'Unexpected keyword argument "duration" for "compare"',
    'tb.bench("fp16", target="sm120")': 'Unexpected keyword argument "target" for "bench"',
    'tb.verify("fp8", batch=None)': 'Argument "batch" to "verify" has incompatible type "None"',
    "tb.compar()": 'Module has no attribute "compar"',
}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'torch', 'pydantic', 'tensorrt', 'tensorrt_rtx', 'onnx', 'numpy', 'yaml'}"
    assert run(f"import sys, trtbench; print({heavy} & set(sys.modules))") == "set()\n"


def test_the_import_takes_less_than_50_ms() -> None:
    code = "from time import process_time as now; start = now(); import trtbench; print(now() - start)"
    assert min(float(run(code)) for _ in range(3)) < 0.05


def test_listing_the_gpus_loads_no_torch() -> None:
    code = "import sys, trtbench as tb; print(len(tb.gpus().gpus) > 5, 'torch' in sys.modules)"
    assert run(code) == "True False\n"


def test_what_is_shown_is_what_types_and_the_api_say() -> None:
    tree = ast.parse(Path(str(tb.__file__)).read_text())
    typed = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    } - {"import_module", "ModuleType"}
    assert typed == set(tb.__all__) == set(api.__all__)
    assert set(tb.__all__) <= set(dir(tb))


@pytest.mark.parametrize("name", tb.__all__)
def test_a_room_does_not_take_the_place_of_a_function(name: str) -> None:
    if (Path(str(tb.__file__)).parent / name).is_dir():
        import_module(f"trtbench.{name}")
    assert getattr(tb, name) is getattr(api, name)


def test_rooms_are_still_found_by_their_names() -> None:
    code = (
        "import trtbench, trtbench.compare.grid\n"
        "from trtbench import results\n"
        "import trtbench.export.calibration as room\n"
        "print(trtbench.compare.grid.__name__, room.__name__, results.__name__)"
    )
    assert run(code) == "trtbench.compare.grid trtbench.export.calibration trtbench.results\n"


def test_rooms_that_are_loaded_after_a_function_are_found_too() -> None:
    code = (
        "import trtbench; function = trtbench.compare\n"
        "import trtbench.compare.timing\n"
        "print(function.timing.__name__, trtbench.compare is function)"
    )
    assert run(code) == "trtbench.compare.timing True\n"


def test_a_function_can_be_replaced_in_tests_of_others() -> None:
    with mock.patch("trtbench.compare", return_value=3):
        assert tb.compare(["fp16"]) == 3  # type: ignore[comparison-overlap]
    assert tb.compare is api.compare


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'trtbench' has no attribute 'nothing'"):
        getattr(tb, "nothing")  # noqa: B009


FUNCTIONS = [getattr(api, name) for name in api.__all__ if inspect.isfunction(getattr(api, name))]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_argument_is_documented(function: Any) -> None:
    documented = function.__doc__ or ""
    for name in inspect.signature(function).parameters:
        if (function.__name__, name) != ("load", "path"):
            assert f"\n        {name}: " in documented, name
    if function.__name__ not in ("gpus", "doctor", "ls"):
        assert "Raises:" in documented


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy, strict, says of a script that uses the API and then makes mistakes."""
    folder = tmp_path_factory.mktemp("typed")
    lines = [f"{line}  # line {number}" for number, line in enumerate(WRONG)]
    (folder / "script.py").write_text(SCRIPT + "\n".join(lines) + "\n")
    # The configuration and the cache are those of the package, so that it is not checked anew.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-color-output", str(folder / "script.py")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return done.stdout


def test_a_script_that_uses_the_api_is_typed(checked: str) -> None:
    assert 'Revealed type is "trtbench.results.base.Result"' in checked
    first = SCRIPT.count("\n")
    wrong = [line for line in checked.splitlines() if ": error:" in line]
    assert all(int(line.split(":")[1]) > first for line in wrong), checked


@pytest.mark.parametrize(("line", "message"), WRONG.items())
def test_mistakes_are_found_by_mypy(checked: str, line: str, message: str) -> None:
    number = SCRIPT.count("\n") + list(WRONG).index(line) + 1
    assert any(f"script.py:{number}: error: {message}" in each for each in checked.splitlines()), checked


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(str(tb.__file__)).parent / "py.typed").is_file()
