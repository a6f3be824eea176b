"""Words of a command line that are wrong, before anything is made of them."""

from pathlib import Path

import numpy as np
import pytest

from trtbench.cli.groups import Given
from trtbench.cli.options import BuildOptions, CompareOptions, CompilerOptions, GridOptions, ModelOptions
from trtbench.cli.parse import build_request, inputs_spec, parse_grid
from trtbench.cli.parse_model import checked_exports, parse_overrides
from trtbench.errors import SpecError
from trtbench.request import Shape
from trtbench.specs import MAX_SEED

NOWHERE = Path("/nowhere")


@pytest.mark.parametrize("value", ["2024-13-45", "9" * 5000, "[" * 5000], ids=["month", "digits", "brackets"])
def test_a_value_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SpecError, match=r"^--set depth=.*: expected NAME=VALUE"):
        parse_overrides([f"depth={value}"])


@pytest.mark.parametrize(
    ("recipes", "options"),
    [
        (["fp16", "int8"], {"calib": NOWHERE, "calib_samples": 3}),
        (["fp16+fp8attn"], {"calib": NOWHERE}),
        (["fp16", "fp16+sparse"], {"sparsity_method": "sparsegpt", "calib": NOWHERE, "calib_samples": 3}),
    ],
)
def test_one_recipe_that_options_change_is_enough(recipes: list[str], options: dict[str, object]) -> None:
    given = Given(f"--{name.replace('_', '-')}" for name in options)
    specs = checked_exports(recipes, ModelOptions(**options), Shape(1), given)  # type: ignore[arg-type]
    assert [str(spec.recipe) for spec in specs] == recipes


@pytest.mark.parametrize(
    ("options", "directory", "is_calibration"),
    [
        ({}, None, False),
        ({"calib": Path("/calib")}, "/calib", True),
        ({"calib": Path("/calib"), "data": Path("/val")}, "/val", False),
    ],
)
def test_errors_are_measured_on_data_else_on_the_calibration(
    options: dict[str, Path], directory: str | None, is_calibration: bool
) -> None:
    compared = CompareOptions(**options, data_samples=5, seed=3)  # type: ignore[arg-type]
    inputs = parse_grid(["fp8"], compared, Given()).inputs
    assert (inputs.directory, inputs.is_calibration) == (directory, is_calibration)
    assert (inputs.samples, inputs.seed) == (5, 3)


def test_a_grid_is_ordered_shape_by_shape() -> None:
    options = GridOptions(
        batch="1,8", img_size="32,64", rebuilds=2, no_graph=True, seed=7, backend="tensorrt"
    )
    grid = parse_grid(["fp16", "fp8"], options, Given(), ["tensorrt", "trtexec"], ["local"])
    cells = [(spec.model.img_size, spec.batch, str(spec.recipe)) for spec in grid.exports]
    assert cells == [
        (size, batch, recipe) for size in (32, 64) for batch in (1, 8) for recipe in ("fp16", "fp8")
    ]
    assert (grid.runtimes, [str(each) for each in grid.environments]) == (("tensorrt", "trtexec"), ["local"])
    assert (grid.bench.cuda_graph, grid.bench.seed) == (False, 7)
    assert (grid.build.backend, grid.build.targets) == ("tensorrt", ())


def test_files_take_the_place_of_recipes(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()
    grid = parse_grid([str(tmp_path / "a.onnx")], GridOptions(), Given(), ["fake"])
    assert (grid.exports, grid.files) == ((), (str(tmp_path / "a.onnx"),))


def test_targets_are_read_once_each() -> None:
    request = build_request(BuildOptions(target=["SM89, sm120", "sm120"], workspace_mib=2, tiling="fast"))
    assert request.targets == ("sm89", "sm120")
    assert (request.options.workspace_bytes, request.options.tiling) == (2 * 2**20, "fast")


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_that_no_generator_takes_is_refused_with_the_range(seed: int) -> None:
    bound = "less than or equal to 18446744073709551615" if seed > 0 else "greater than or equal to 0"
    words = f"^--seed {seed}: Input should be {bound}$"
    with pytest.raises(SpecError, match=words):
        checked_exports(["fp16"], ModelOptions(seed=seed), Shape(1), Given())
    with pytest.raises(SpecError, match=words):
        parse_grid(["fp16"], GridOptions(seed=seed), Given())


def test_the_greatest_seed_is_one_for_all_generators() -> None:
    torch = pytest.importorskip("torch")
    grid = parse_grid(["fp16"], GridOptions(seed=MAX_SEED), Given())
    assert grid.bench.seed == inputs_spec(None, 1, MAX_SEED).seed == MAX_SEED
    torch.Generator().manual_seed(MAX_SEED)
    np.random.default_rng((MAX_SEED, 0))


@pytest.mark.parametrize("limit_gb", [0.0, -1.0, 1e-300, 1e300, float("inf"), float("nan")])
def test_a_memory_limit_that_is_none_is_refused_with_the_range(limit_gb: float) -> None:
    with pytest.raises(SpecError, match=r"^--memory-limit-gb .*: expected more than 0 and at most 1\."):
        build_request(CompilerOptions(memory_limit_gb=limit_gb))
