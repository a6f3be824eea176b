"""Words of a command line that are wrong, before anything is made of them."""

from pathlib import Path

import numpy as np
import pytest

from trtbench.cli.options import BenchOptions, CompilerOptions, ModelOptions
from trtbench.cli.parse import (
    bench_spec,
    build_spec,
    export_specs,
    inputs_spec,
    parse_overrides,
    read_model_entry,
)
from trtbench.errors import SpecError
from trtbench.specs import MAX_SEED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: vit\nimg_size: 2024-13-45", "line 2, column 11: '2024-13-45' cannot be read as timestamp"),
        (
            "name: vit\nset: {depth: 2024-02-31}",
            "line 2, column 14: '2024-02-31' cannot be read as timestamp",
        ),
        (f"name: {'1' * 5000}", f"line 1, column 7: '{'1' * 39} cannot be read as int"),
        ("[" * 5000, "no YAML: lists and mappings are nested too deeply"),
        ("name: [", "line 1, column 8: expected the node content, but found '<stream end>'"),
        ("name: vit\noverrides: {1: 2, depth: 3}", "overrides: expected names with values"),
    ],
    ids=["month", "day", "digits", "brackets", "bracket", "number"],
)
def test_a_model_file_that_cannot_be_read_is_one_line_with_the_place(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "vit.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_model_entry(tmp_path / "vit.yaml")
    told = str(caught.value)
    assert told.startswith(f"--model {tmp_path}/vit.yaml: ")
    assert words in told
    assert "\n" not in told


@pytest.mark.parametrize("value", ["2024-13-45", "9" * 5000, "[" * 5000], ids=["month", "digits", "brackets"])
def test_a_value_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SpecError, match=r"^--set depth=.*: expected NAME=VALUE"):
        parse_overrides([f"depth={value}"])


NOWHERE = Path("/nowhere")


@pytest.mark.parametrize(
    ("recipes", "options", "words"),
    [
        (
            ["fp16"],
            {"calib": NOWHERE},
            "--calib has no say in recipes that take no calibration images (fp16)",
        ),
        (["fp16", "mxfp8"], {"calib_samples": 3}, "--calib-samples has no say in .* (fp16, mxfp8)"),
        (["fp32+sparse"], {"calib": NOWHERE}, "--calib has no say in .* (fp32+sparse)"),
        (
            ["fp16", "nvfp4"],
            {"sparsity_method": "sparsegpt", "calib_samples": 3},
            "--sparsity-method has no say in recipes that prune nothing (fp16, nvfp4)",
        ),
    ],
)
def test_options_that_change_no_recipe_are_refused(
    recipes: list[str], options: dict[str, object], words: str
) -> None:
    pattern = "^" + words.replace("(", r"\(").replace(")", r"\)").replace("+", r"\+") + ": leave it out$"
    with pytest.raises(SpecError, match=pattern):
        export_specs(recipes, ModelOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipes", "options"),
    [
        (["fp16", "int8"], {"calib": NOWHERE, "calib_samples": 3}),
        (["fp16+fp8attn"], {"calib": NOWHERE}),
        (["fp16", "fp16+sparse"], {"sparsity_method": "sparsegpt", "calib": NOWHERE, "calib_samples": 3}),
        (["fp16"], {"calib_samples": 8, "sparsity_method": "sparse_magnitude"}),
    ],
)
def test_one_recipe_that_they_change_is_enough(recipes: list[str], options: dict[str, object]) -> None:
    specs = export_specs(recipes, ModelOptions(**options))  # type: ignore[arg-type]
    assert [str(spec.recipe) for spec in specs] == recipes


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_a_seed_that_no_generator_takes_is_refused_with_the_range(seed: int) -> None:
    words = f"^--seed {seed}: expected 0 to 18446744073709551615$"
    with pytest.raises(SpecError, match=words):
        export_specs(["fp16"], ModelOptions(seed=seed))
    with pytest.raises(SpecError, match=words):
        bench_spec(BenchOptions(), seed)


def test_the_greatest_seed_is_one_for_all_generators() -> None:
    torch = pytest.importorskip("torch")
    assert bench_spec(BenchOptions(), MAX_SEED).seed == inputs_spec(None, 1, MAX_SEED).seed == MAX_SEED
    torch.Generator().manual_seed(MAX_SEED)
    np.random.default_rng((MAX_SEED, 0))


@pytest.mark.parametrize("limit_gb", [0.0, -1.0, 1e-300, 1e300, float("inf"), float("nan")])
def test_a_memory_limit_that_is_none_is_refused_with_the_range(limit_gb: float) -> None:
    with pytest.raises(SpecError, match=r"^--memory-limit-gb .*: expected .* gigabytes above 0, up to 1\."):
        build_spec(CompilerOptions(memory_limit_gb=limit_gb))
