"""A result is saved whole, in place of the older one, or the older one stays."""

from pathlib import Path

import pytest
from support.spec_examples import EXAMPLES
from support.stored_examples import ENGINE_DIFFERENCE
from support.timed import observe
from test_artifacts import visible_and_work

from trtbench.errors import ArtifactError, Code, IncompatibleResults
from trtbench.results import KINDS, Finding, Result
from trtbench.store.artifacts import Store
from trtbench.store.results import load_any, load_result, save_result


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_save_result_replaces_the_older_one(store: Store) -> None:
    finding = Finding(code=Code.NOISY, severity="info", message="m", hint="h")
    path = save_result(store, "compare", finding)
    assert path == store.root / "results" / "compare.json"
    assert Finding.model_validate_json(path.read_text()) == finding
    newer = finding.model_copy(update={"code": Code.THROTTLED})
    with path.open() as reader:
        assert save_result(store, "compare", newer) == path
        assert Finding.model_validate_json(reader.read()) == finding
    assert Finding.model_validate_json(path.read_text()) == newer
    assert visible_and_work(store.root / "results") == {"compare.json"}


def test_full_disk_keeps_the_older_result(small_disk: Path) -> None:
    store = Store(small_disk)
    finding = Finding(code=Code.NOISY, severity="info", message="m", hint="h")
    path = save_result(store, "compare", finding)
    with pytest.raises(ArtifactError, match="No space left on device"):
        save_result(store, "compare", finding.model_copy(update={"message": "m" * 1_000_000}))
    assert Finding.model_validate_json(path.read_text()) == finding
    assert visible_and_work(store.root / "results") == {"compare.json"}


def test_leftover_of_a_killed_save_goes(store: Store) -> None:
    results = store.root / "results"
    results.mkdir(parents=True)
    (results / ".tmp-results-0a1b2c3d").write_text("{")
    save_result(store, "compare", Finding(code=Code.NOISY, severity="info", message="m", hint="h"))
    assert visible_and_work(results) == {"compare.json"}


SAVED = [ENGINE_DIFFERENCE.diff, *(example for example in EXAMPLES if isinstance(example, Result))]


@pytest.mark.parametrize("result", SAVED, ids=lambda result: type(result).__name__)
def test_a_result_of_any_kind_is_read_back(tmp_path: Path, result: Result) -> None:
    path = result.save(tmp_path / "result.json")
    assert path == tmp_path / "result.json"
    assert load_any(path) == result
    assert visible_and_work(tmp_path) == {"result.json"}


def test_every_kind_is_read_back() -> None:
    assert {type(result) for result in SAVED} == set(KINDS.values())


def test_a_save_that_fails_keeps_the_older_file(small_disk: Path) -> None:
    path = ENGINE_DIFFERENCE.diff.save(small_disk / "diff.json")
    longer = ENGINE_DIFFERENCE.diff.model_copy(update={"changes": ENGINE_DIFFERENCE.diff.changes * 3000})
    with pytest.raises(ArtifactError, match=r"diff\.json: cannot be written: No space left on device$"):
        longer.save(path)
    assert load_any(path) == ENGINE_DIFFERENCE.diff
    with pytest.raises(ArtifactError, match=r"nowhere/diff\.json: cannot be written: No such file"):
        longer.save(small_disk / "nowhere" / "diff.json")
    with pytest.raises(ArtifactError, match=r"x\.json: cannot be written: Not a directory"):
        longer.save(path / "x.json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"kind": "song"}', "kind 'song', give a file of kind "),
        ('{"kind": "lint", "schema_version": 2}', "schema_version 2, this trtbench reads 1 to 1"),
        ('{"kind": "lint", "schema_version": 1}', "field subject: Field required"),
        ("[]", "kind None"),
        ("{", "not JSON"),
    ],
)
def test_what_is_no_result_is_refused_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(IncompatibleResults) as refused:
        load_any(path)
    assert str(refused.value).startswith(f"{path}: {problem}")
    assert "\n" not in str(refused.value)


def test_only_results_that_were_timed_are_compared(tmp_path: Path) -> None:
    path = ENGINE_DIFFERENCE.diff.save(tmp_path / "diff.json")
    with pytest.raises(IncompatibleResults, match="give a file of kind measurement, comparison, aa_report"):
        load_result(path)


NONSENSE = {
    "a version that is true": (
        '"schema_version": 1',
        '"schema_version": true',
        "schema_version True",
    ),
    "a version that is a fraction": ('"schema_version": 1', '"schema_version": 1.0', "schema_version 1.0"),
    "no images": ('"batch": 8', '"batch": 0', "batch: Input should be greater than"),
    "a number that is a text": ('"batch": 8', '"batch": "8"', "batch: Input should be a valid integer"),
    "a number that is true": (
        '"blocks": ',
        '"blocks": true, "x": ',
        "Input should be a valid integer",
    ),
    "fewer than no blocks": ('"blocks": ', '"blocks": -', "greater than or equal to 0"),
    "a name twice": ('"batch": 8', '"batch": 8, "batch": 9', "not JSON: 'batch' is named twice"),
    "NaN": ('"median": ', '"median": NaN, "x": ', "not JSON: NaN is not a number of JSON"),
    "infinity": ('"median": ', '"median": -Infinity, "x": ', "not JSON: -Infinity is not a number of JSON"),
    "a count beyond all": ('"blocks": ', '"blocks": 1' + 40 * "0" + ', "x": ', "... is too large a number"),
    "a number beyond all": (
        '"median": ',
        '"median": 1e999, "x": ',
        "1e999 is not a number of JSON",
    ),
}


@pytest.mark.parametrize(("old", "new", "words"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_named(tmp_path, old, new, words):
    path = save_result(Store(tmp_path), "x", observe("fp16", 1.5).measurement)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(IncompatibleResults) as caught:
        load_result(path)
    assert words in str(caught.value)
