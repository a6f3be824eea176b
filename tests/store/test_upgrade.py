"""Comparisons of schema 1, as four kinds of results were stored, read as one grid.

``tests/data/schema1``: one file of each kind and use, as it was written, but for the environment of some.
"""

import copy
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trtbench.errors import IncompatibleResults
from trtbench.results import Comparison, Measurement
from trtbench.store.results import load_result

ROOT = Path(__file__).parents[2]
STORED = sorted((ROOT / "tests" / "data" / "schema1").glob("*.json"))
MEASURED = sorted((ROOT / "docs" / "benchmarks" / "h200").glob("compare_b*.json"))
SHAPES = {path.stem: json.loads(path.read_text()) for path in STORED}


def parts(old):
    """What was one comparison, or one measurement, of schema 1."""
    return old["points"] if old["kind"] == "sweep" else [old]


def old_rows(old):
    rows = [row for part in parts(old) for row in part.get("rows", part.get("measurements", []))]
    assert rows
    return rows


def old_measurements(old):
    rows = old_rows(old)
    return [m for row in rows if (m := row if row.get("kind") == "measurement" else row.get("measured"))]


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """Read JSON as a stored result."""
    path = tmp_path_factory.mktemp("schema1") / "old.json"

    def write_and_read(old):
        path.write_text(json.dumps(old))
        return load_result(path)

    return write_and_read


@pytest.mark.parametrize("path", [*STORED, *MEASURED], ids=lambda path: path.stem)
class TestEveryFile:
    def test_has_the_same_rows(self, path):
        old, new = json.loads(path.read_text()), load_result(path)
        assert isinstance(new, Comparison)
        assert new.schema_version == 2
        assert len(new.rows) == len(old_rows(old))
        for before, after in zip(old_rows(old), new.rows, strict=True):
            assert str(after.recipe) == before.get("recipe", before.get("arm", {}).get("recipe"))
            assert (after.status, after.reason) == (before["status"], before["reason"])
            assert after.environment == (before.get("environment") or "local")
            for name in ("engine", "compiled"):
                assert (getattr(after, name) is None) == (before.get(name) is None)

    def test_has_the_same_times(self, path):
        old, new = json.loads(path.read_text()), load_result(path)
        timed = [row.measured for row in new.rows if row.measured]
        assert timed == [Measurement.model_validate(each) for each in old_measurements(old)]

    def test_has_its_shapes(self, path):
        old, new = json.loads(path.read_text()), load_result(path)
        if old["kind"] != "arms_comparison":
            shapes = [(part["batch"], part.get("img_size")) for part in parts(old) for _ in part["rows"]]
            assert [(row.batch, row.img_size) for row in new.rows] == shapes

    def test_has_the_same_verdicts_on_keys_of_rows(self, path):
        old, new = json.loads(path.read_text()), load_result(path)
        keys = [row.key for row in new.rows]
        assert len(set(keys)) == len(keys)
        before = [verdict for part in parts(old) for verdict in part.get("verdicts", [])]
        assert len(new.verdicts) == len(before)
        for each, verdict in zip(before, new.verdicts, strict=True):
            assert {verdict.arm, verdict.baseline} <= {*keys}
            assert verdict.arm.startswith(each["arm"])
            assert verdict.baseline.startswith(each["baseline"])
            assert (verdict.verdict, verdict.reason, verdict.ratio) == (
                each["verdict"],
                each["reason"],
                each["ratio"],
            )

    def test_reads_back_as_it_is_written(self, path, tmp_path):
        new = load_result(path)
        again = tmp_path / path.name
        again.write_text(new.model_dump_json())
        assert load_result(again) == new


def test_targets_and_compilers_are_kept(load):
    rows = load(SHAPES["versions"]).rows
    assert {row.targets for row in rows if row.engine} == {("sm120",)}
    assert {row.targets for row in rows if not row.engine} == {()}
    assert load(SHAPES["comparison"]).rows[0].targets == ("sm120",)


def test_differences_refer_to_rows_with_the_engines_that_differ(load):
    new = load(SHAPES["versions"])
    rows = {row.key: row for row in new.rows}
    assert len(new.differences) == len(SHAPES["versions"]["differences"])
    for each in new.differences:
        assert rows[each.before].engine.sha256 == each.diff.before.sha256
        assert rows[each.after].engine.sha256 == each.diff.after.sha256


def test_a_sweep_has_every_reason_for_no_times_once(load):
    old = copy.deepcopy(SHAPES["compiled_sweep"])
    reason = old["points"][0]["not_timed"]
    assert load(old).not_timed == reason
    old["points"][1]["not_timed"] = "another reason"
    assert load(old).not_timed == f"{reason}; another reason"


def test_a_sweep_of_one_arm_is_rows_of_its_batches(load):
    points = [copy.deepcopy(SHAPES["arms"]["measurements"][0]) for _ in range(2)]
    points[1]["batch"] = 64
    new = load({"schema_version": 1, "kind": "sweep", "points": points})
    assert [row.key for row in new.rows] == ["fp16 b8", "fp16 b64"]
    assert new.model == "vit_base_patch16_224"


def test_recipes_in_several_runtimes_have_keys_with_them():
    assert [row.key for row in load_result(MEASURED[0]).rows][:2] == ["fp16 on torch-eager", "fp16 on torch"]


def replaced(value, where, new):
    """A copy of JSON with something else at a place in it; ``...`` is nothing."""
    changed = copy.deepcopy(value)
    *above, last = where
    inner = changed
    for step in above:
        inner = inner[step]
    if new is ...:
        del inner[last]
    else:
        inner[last] = new
    return changed


@pytest.mark.parametrize(
    ("name", "where", "new", "words"),
    [
        ("comparison", ["rows"], ..., "field rows: Field required"),
        ("comparison", ["rows"], [], "field rows: List should have at least 1 item"),
        ("comparison", ["rows"], {"fp16": {}}, "field rows: Input should be a valid list"),
        ("comparison", ["rows", 1, "recipe"], ..., "field rows.1.recipe: Field required"),
        ("comparison", ["rows", 1], [], "field rows.1: Input should be a valid dict"),
        ("comparison", ["rows", 1, "recipe"], "fp5", "recipe 'fp5'"),
        ("comparison", ["rows", 1, "status"], ..., "field rows.1.status: Field required"),
        ("comparison", ["rows", 1, "engine", "size_bytes"], "big", "field rows.1.engine.size_bytes: "),
        ("comparison", ["target"], "sm120", "field target: Input should be a valid dict"),
        ("comparison", ["environment"], ..., "field environment: Field required"),
        ("comparison", ["environment", "cpu_count"], ..., "field environment.cpu_count: Field required"),
        ("comparison", ["environment"], [], "field environment: Input should be an object"),
        ("comparison", ["schema_version"], 3, "schema_version 3, this trtbench reads 1 to 2"),
        ("comparison", ["schema_version"], "1", "schema_version 1, this trtbench reads"),
        ("timed_comparison", ["verdicts", 0, "arm"], ..., "field verdicts.0.arm: Field required"),
        (
            "timed_comparison",
            ["verdicts", 0, "arm"],
            "int8",
            "field verdicts.0.arm: no row has the key 'int8'",
        ),
        ("timed_comparison", ["rows", 0, "measured", "arm"], [], "field rows.0.measured.arm: Input should"),
        ("timed_comparison", ["rows", 0, "measured", "blocks"], "many", "field rows.0.measured.blocks: "),
        ("versions", ["build_spec", "targets"], ..., "field build_spec.targets: Field required"),
        ("versions", ["rows", 2, "environment"], ..., "field rows.2.environment: Field required"),
        ("versions", ["differences", 0, "before"], "local", "field differences.0.before: no row has the key"),
        ("versions", ["differences", 0, "diff"], ..., "field differences.0.diff: Field required"),
        ("arms", ["measurements", 0, "arm", "label"], 1, "field measurements.0.arm.label: Input should be a"),
        ("arms", ["schema_version"], 2, "schema_version 2, this trtbench reads 1 to 1"),
        ("timed_sweep", ["points"], {}, "field points: Input should be a valid list"),
        ("timed_sweep", ["points", 0], [], "field points.0: "),
        ("timed_sweep", ["points", 0, "kind"], "sweep", "field points.0: "),
        ("timed_sweep", ["points", 1, "batch"], ..., "field points.1.comparison.batch: Field required"),
    ],
)
def test_damage_is_one_line_with_the_file_and_the_field(load, name, where, new, words):
    with pytest.raises(IncompatibleResults) as caught:
        load(replaced(SHAPES[name], where, new))
    path, _, problem = str(caught.value).partition(".json: ")
    assert path.endswith("old")
    assert problem.startswith(words)
    assert "\n" not in problem


def places(value, where=()):
    """Every place in JSON."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for step, entry in entries:
        yield (*where, step)
        yield from places(entry, (*where, step))


PLACES = [(name, where) for name, old in SHAPES.items() for where in places(old)]
OTHERS = st.sampled_from(
    [..., None, True, 0, -1, 1.5, 10**400, "", "fp16", "\ud800", [], {}, [[]], [{}], {"": 0}]
)


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), new=OTHERS)
@example(place=("comparison", ("rows", 0)), new="fp16")
def test_a_field_that_was_removed_or_replaced_is_refused_or_read(load, place, new):
    name, where = place
    with suppress(IncompatibleResults):
        assert isinstance(load(replaced(SHAPES[name], where, new)), Comparison)
