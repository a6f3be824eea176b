"""Plans as people write them: what is read, and one line for each fault."""

from pathlib import Path

import pytest
from support.sweeps import write

from trtbench.errors import SpecError, SpecErrors
from trtbench.request.plans import packaged_plans, read_plan

GOOD = "patch: [16, 8]\ndepth: 2\nwidth: 64\nrecipe: [fp16]\n"


def test_packaged_plans_are_read_by_name():
    assert "vit39" in packaged_plans()
    plan = read_plan("vit39")
    assert len({cell.model for cell in plan.cells()}) == 39
    assert len(list(plan.cells())) == 78


def test_one_value_stands_for_a_list(tmp_path: Path):
    plan = read_plan(write(tmp_path / "mine.yaml", GOOD + "gpu: RTX 5090\nheads: [1, 2]\n"))
    assert (plan.name, plan.depth, plan.gpu) == ("mine", (2,), ("rtx-5090",))
    assert [cell.key for cell in plan.cells()][:2] == [
        "vit16x2x64 1 heads 224px b8 fp16 for rtx-5090",
        "vit16x2x64 2 heads 224px b8 fp16 for rtx-5090",
    ]


def test_cells_that_are_named_twice_come_once(tmp_path: Path):
    text = GOOD.replace("[fp16]", "[fp16, nvfp4, 'nvfp4:fc1=nvfp4']").replace("[16, 8]", "[16, 8, 16]")
    plan = read_plan(write(tmp_path / "p.yaml", text))
    keys = [cell.key for cell in plan.cells()]
    assert len(keys) == len(set(keys)) == 4
    assert (plan.combinations, plan.distinct) == (9, 4)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (GOOD + "widht: 3\n", [":5: widht: unknown key; did you mean width?"]),
        (GOOD + "depth: 3\n", [":5: depth: comes twice; list all its values once"]),
        (GOOD + "batch: [0, 8]\n", [":5: batch: 0: expected a whole number from 1 to 65536"]),
        (GOOD + "batch: true\n", [":5: batch: True: expected a whole number from 1 to 65536"]),
        (GOOD + "batch:\n", [":5: batch: has no value; give at least one, or remove the key"]),
        (GOOD + "image: 225\n", [":5: image: 225: is not a multiple of patch 16", "patch 8"]),
        (GOOD + "heads: 3\n", [":5: heads: 3: does not divide width 64; choose another number"]),
        (GOOD + "skip: vit8x9x64\n", [":5: skip: vit8x9x64: is not a model of this plan; remove it"]),
        (GOOD + "skip: [vit8x2x64, vit16x2x64]\n", [":5: skip: leaves no model; remove some"]),
        (GOOD + "stages: [predict, fly]\n", [":5: stages: 'fly': expected predict, verify, bench, trace"]),
        (GOOD + "gpu: abacus\n", [":5: gpu: GPU 'abacus' is not in the table of the cost model"]),
        (GOOD + "runtime: fake\n", [":5: runtime: fake: takes script files, not recipes"]),
        (
            GOOD + "runtime: torch\nstages: predict\n",
            [":5: runtime: has no effect with stages predict; add bench or trace, or remove it"],
        ),
        (GOOD.replace("64", "200"), [":3: width: 200: is not a multiple of the 3 heads it gets; name heads"]),
        ("patch: 8\n", [": depth: is missing; add it", ": width: is missing", ": recipe: is missing"]),
        ("a: &a [1]\nb: [*a, *a]\n", [": line 2, column 5: alias *a is not supported; write the value"]),
        ("- 1\n", [": invalid YAML: expected keys with values, such as depth: [6, 12]"]),
        ("patch: [8,\n", [": line 2, column 1: expected the node content"]),
        ("{a: " * 5000 + "1" + "}" * 5000, [": invalid YAML: lists and mappings are nested too deeply"]),
        ("patch: 2026-13-45\n", [": line 1, column 8: '2026-13-45' cannot be read as timestamp"]),
    ],
)
def test_each_fault_is_a_line_with_its_place_and_remedy(tmp_path: Path, text: str, lines: list[str]):
    path = write(tmp_path / "p.yaml", text)
    with pytest.raises(SpecError) as caught:
        read_plan(path)
    error = caught.value
    found = error.texts if isinstance(error, SpecErrors) else (str(error),)
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        assert line.startswith(str(path))
        assert expected in line


def test_a_plan_of_too_many_cells_is_refused_before_they_are_made(tmp_path: Path):
    numbers = ", ".join(map(str, range(1, 990)))
    text = f"patch: [{numbers}]\ndepth: [{numbers}]\nwidth: [{numbers}]\nrecipe: fp16\n"
    with pytest.raises(SpecError, match="967361669 cells; a plan has at most 1000000: remove values"):
        read_plan(write(tmp_path / "p.yaml", text))


def test_many_faults_are_cut_short(tmp_path: Path):
    text = GOOD + f"batch: [{', '.join(['x'] * 500)}]\n"
    with pytest.raises(SpecError, match="490 more faults"):
        read_plan(write(tmp_path / "p.yaml", text))


def test_a_file_that_is_missing_large_or_binary_is_one_line(tmp_path: Path):
    with pytest.raises(SpecError, match="no such file; name a YAML file, or one of the plans vit39"):
        read_plan(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="a plan has at most 1000000"):
        read_plan(write(tmp_path / "large.yaml", "#" * 1_000_001))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="is not text in UTF-8"):
        read_plan(tmp_path / "binary.yaml")
