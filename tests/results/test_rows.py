"""Results as rows and as HTML."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.spec_examples import COMPARISON, EXAMPLES, VERIFICATION
from support.stored_examples import ENGINE_DIFFERENCE

from trtbench.results import KINDS, Comparison, Result
from trtbench.results.rows import aligned, flat, html_table, markdown_table
from trtbench.store.results import load_any

GOLDEN = Path(__file__).parents[1] / "golden"
STORED = [
    load_any(GOLDEN / name)
    for name in (
        *("compare/comparison.json", "compare/sweep.json", "measure/compared.json", "measure/aa.json"),
        *("measure/measurement.json", "measure/failed.json", "versions/timed.json", "predict/gpus.json"),
        *("predict/predictions.json", "predict/explanation.json", "predict/roofline.json", "trace/two.json"),
    )
]
RESULTS = [*STORED, ENGINE_DIFFERENCE.diff, *(example for example in EXAMPLES if isinstance(example, Result))]
PLAIN = {str, int, float, bool, type(None)}
UNIT = re.compile(
    r".*(_ms|_us|_s|_mhz|_w|_c|_j|_mb|_bytes|_pct|_db|_nats|_tflops|_tokens|_per_s|_share|_share_\w+)$"
)
WITHOUT_UNIT = re.compile(
    r".*(speedup|speedup_low|speedup_high|cosine|max_abs_error|top1_agreement|top1|top5|coverage|half_width)$"
    r"|m|batch|flops|bytes|intensity|ridge"
)
"""Ratios, errors in the units of the output, and what docstrings of ``to_rows`` give the unit of."""


def test_every_kind_of_result_is_tried() -> None:
    assert {type(result) for result in RESULTS} == set(KINDS.values())


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_rows_are_flat_and_have_the_same_columns(result: Result) -> None:
    rows = result.to_rows()
    assert rows
    assert len({tuple(row) for row in rows}) == 1
    assert {type(value) for row in rows for value in row.values()} <= PLAIN
    assert json.loads(json.dumps(rows)) == rows


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_tables_have_all_rows(result: Result) -> None:
    rows = result.to_rows()
    markdown, text = result.to_markdown().splitlines(), result.to_csv()
    assert len([line for line in markdown if line.startswith("| ")]) == len(rows) + 2
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in markdown if line.startswith("| ")}) == 1
    written = list(csv.DictReader(io.StringIO(text)))
    assert [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ] == written


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_names_of_numbers_have_units(result: Result) -> None:
    names = {name for row in result.to_rows() for name, value in row.items() if isinstance(value, float)}
    assert [name for name in names if not UNIT.fullmatch(name) and not WITHOUT_UNIT.fullmatch(name)] == []


def test_a_comparison_labels_the_evidence_of_every_number() -> None:
    result = load_any(GOLDEN / "measure" / "compared.json")
    first, second, *_ = result.to_rows()
    assert result.evidence == ("measured",)
    assert isinstance(result, Comparison)
    measured = result.rows[1].measured
    assert measured is not None
    assert second["measured_gpu_compute_median_ms"] == measured.series["gpu_compute_ms"].median
    assert second["verdict"] == result.verdicts[0].verdict
    assert (second["measured_speedup"], second["baseline"]) == (result.verdicts[0].ratio, first["key"])
    assert first["verdict"] is None
    kinds = ("compiled_", "measured_", "predicted_", "emulated_", "engine_", "onnx_")
    numbers = {name for name, value in second.items() if isinstance(value, float)}
    assert {name for name in numbers if not name.startswith(kinds)} == set()


def test_markdown_says_what_is_recommended_and_keeps_cells_apart() -> None:
    result = load_any(GOLDEN / "predict" / "predictions.json")
    lines = result.to_markdown().splitlines()
    assert lines[0] == "comparison; evidence: compiled, predicted"
    assert lines[2].startswith("| key | recommended | ")
    assert lines[-1].startswith("Recommended: take fp16 b8: predicted 0.0827 ms")
    assert "; accuracy is not known;" in lines[-1]
    assert (
        markdown_table([{"a": "b|c\nd", "e": 0.123456}], ())
        == "| a | e |\n| --- | --- |\n| b\\|c d | 0.1235 |\n"
    )


def test_a_failed_row_says_why() -> None:
    failed, timed = COMPARISON.to_rows()
    assert (failed["status"], failed["reason"]) == ("failed", "out of memory")
    assert failed["code"] == "BUILD_MEMORY_LIMIT"
    assert (failed["measured_gpu_compute_median_ms"], timed["compiled_gemm_flops_share_fp4"]) == (None, 1.0)
    assert COMPARISON.evidence == ("compiled", "measured", "emulated")
    assert VERIFICATION.to_rows()[0]["emulated_images"] == "synthetic"


def test_a_part_that_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="Measurement has no column"):
        flat(COMPARISON.rows[1], "measured")


def test_rows_get_the_columns_of_all() -> None:
    assert aligned([{"a": 1}, {"b": 2.0}]) == [{"a": 1, "b": None}, {"a": None, "b": 2.0}]


@pytest.mark.parametrize("name", ["measure/compared", "predict/predictions", "predict/explanation"])
def test_html(name: str) -> None:
    golden = GOLDEN / "api" / f"{Path(name).name}.html"
    assert load_any(GOLDEN / f"{name}.json")._repr_html_() + "\n" == golden.read_text()


def test_html_is_escaped_and_well_formed() -> None:
    row = COMPARISON.rows[0].model_copy(update={"reason": "<script>alert('&')</script>"})
    html = COMPARISON.model_copy(update={"rows": (row, COMPARISON.rows[1])})._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in html

    class Balanced(HTMLParser):
        stack: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.stack.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.stack.pop() == tag

    parser = Balanced()
    parser.feed(html)
    assert parser.stack == []


def test_a_long_table_ends_with_how_much_more_there_is() -> None:
    html = html_table("layers", [{"name": f"layer {number}"} for number in range(50)], ())
    assert "layer 39" in html
    assert "layer 40" not in html
    assert html.endswith("<p>10 more rows: to_rows() has all</p>")


def test_empty_columns_are_left_out() -> None:
    assert "<th>b</th>" not in html_table("few", [{"a": 1, "b": None}], ())
