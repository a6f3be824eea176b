"""The published JSON Schemas are those of the code, describe numbers, and hold for all stored results."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.spec_examples import EXAMPLES
from support.stored_examples import ENGINE_DIFFERENCE

from trtbench.results import KINDS, Result
from trtbench.store.results import load_any

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "docs" / "schemas"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json"))
H200 = ROOT / "docs" / "benchmarks" / "h200"
STORED = [*ROOT.glob("tests/golden/*/*.json"), *H200.glob("*.json"), *ROOT.glob("tests/data/schema1/*.json")]
RESULTS = {
    str(path.relative_to(ROOT)): path
    for path in sorted(STORED)
    if isinstance(raw := json.loads(path.read_bytes()), dict) and "schema_version" in raw and "kind" in raw
}


@pytest.fixture
def written(monkeypatch):
    monkeypatch.syspath_prepend(str(SCHEMAS))
    import write

    return write


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_bytes()))


def problems(name: str, value: object) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator(name).iter_errors(value)]


def test_the_files_are_those_of_the_code(written):
    texts = written.schemas()
    assert {f"{name}.schema.json" for name in NAMES} == set(texts)
    old = [name for name, text in texts.items() if (SCHEMAS / name).read_text() != text]
    assert old == [], "python docs/schemas/write.py writes them"


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_schema_whose_numbers_are_described(name):
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    for title, model in {name: schema, **schema.get("$defs", {})}.items():
        for key, found in model.get("properties", {}).items():
            kinds = {found.get("type"), *(each.get("type") for each in found.get("anyOf", ()))}
            assert not kinds & {"integer", "number"} or found.get("description"), f"{title}.{key}"


def test_every_kind_has_one():
    assert set(KINDS) < set(NAMES)


@pytest.mark.parametrize("path", RESULTS.values(), ids=RESULTS)
def test_stored_results_fit(path):
    result = load_any(path)
    assert problems(result.kind, json.loads(result.model_dump_json())) == []
    raw = json.loads(path.read_bytes())
    if raw["kind"] == result.kind and raw["schema_version"] == result.schema_version:
        assert problems(result.kind, raw) == []


def test_examples_of_every_kind_fit():
    examples = [ENGINE_DIFFERENCE.diff, *(each for each in EXAMPLES if isinstance(each, Result))]
    assert {each.kind for each in examples} == set(KINDS)
    assert [problems(each.kind, json.loads(each.model_dump_json())) for each in examples] == [[]] * len(
        examples
    )


def test_lines_of_examples_and_of_a_journal_fit(written):
    lines = {model: name for name, model in (written.JOURNALS | {"run": written.DOCUMENTS["run"]}).items()}
    examples = [each for each in EXAMPLES if type(each) in lines]
    assert {type(each) for each in examples} == set(lines)
    for each in examples:
        assert problems(lines[type(each)], json.loads(each.model_dump_json())) == []
    for journal in H200.glob("bench-*/*.jsonl"):
        first = json.loads(journal.read_text().splitlines()[0])
        assert problems("line_timed_block", first) == []


def test_what_is_wrong_is_refused():
    raw = json.loads((ROOT / "tests" / "golden" / "compare" / "comparison.json").read_bytes())
    assert problems("comparison", {**raw, "invented": 1})
    assert problems("comparison", {**raw, "rows": []})
    raw["rows"][0]["batch"] = "8"
    assert problems("comparison", raw)[0].startswith("$.rows[0].batch")
