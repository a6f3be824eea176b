"""What leaves for a terminal or a file shows what others wrote, and does not do it."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from trtbench.errors import ArtifactError
from trtbench.report.text.console import VisibleConsole
from trtbench.results.rows import csv_text, html_table, markdown_table
from trtbench.units import one_line, shortened, visible, visible_json

HOSTILE = "a\x1b]0;owned\x07\x9b31m\u202egnp.exe\r[/b]"
SHOWN = r"a\x1b]0;owned\x07\x9b31m\u202egnp.exe\r[/b]"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_text_tables_and_titles_are_shown_as_they_are(is_terminal: bool) -> None:
    console = VisibleConsole(file=io.StringIO(), width=200, force_terminal=is_terminal, color_system=None)
    table = Table(HOSTILE)
    table.add_row(HOSTILE)
    for each in (HOSTILE, Text(HOSTILE, "bold"), table):
        console.print(each)
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert written.count(SHOWN) == 3
    assert written.count(SHOWN.replace(r"\x07", "").replace(r"\r", "")) == 1, "rich drops two of a Text"
    assert not set("\x1b\x07\x9b\u202e\r") & set(written)


def test_styles_of_our_own_reach_a_terminal() -> None:
    console = VisibleConsole(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text("warning", "yellow"))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "\x1b[33mwarning\x1b[0m\n"


def test_tables_in_files_hold_no_controls_either() -> None:
    rows = [{"name": HOSTILE, "ms": 1.5}]
    for text in (markdown_table(rows, ()), csv_text(rows), html_table(HOSTILE, rows, ())):
        assert SHOWN in text
    assert not set("\x1b\x07\x9b\u202e\r") & set(markdown_table(rows, ()) + csv_text(rows))


@pytest.mark.parametrize("formula", ["=cmd|'/c calc'!A0", "@SUM(1)", "+HYPERLINK(1)", "-A1!B(2)", "\t=F(1)"])
def test_no_spreadsheet_runs_a_cell(formula: str) -> None:
    assert csv_text([{"name": formula}]).splitlines()[1].lstrip('"').startswith("'")


@pytest.mark.parametrize("value", ["==10.8.0", "-", "-1.5", "+", "f(x)", -1.5, None])
def test_other_cells_stay_as_they_are(value: str | float | None) -> None:
    assert csv_text([{"a": "x", "name": value}]).splitlines()[1] == f"x,{'' if value is None else value}"


def test_what_is_printable_stays() -> None:
    for text in ("", "vit_base: 3.2 ms", "größe 画像 é", "two\nlines\tand a tab"):
        assert visible(text) == text


def test_json_keeps_its_value() -> None:
    assert visible_json('{"a": "\u202e\x9b"}') == r'{"a": "\u202e\u009b"}'


def test_undecodable_names_are_shown() -> None:
    assert visible("caf\udce9.onnx") == r"caf\udce9.onnx"


def test_errors_are_one_line_with_both_ends() -> None:
    error = str(ArtifactError(f"m.onnx: {'x' * 200_000}\n{HOSTILE}: export it again"))
    assert len(error) <= 500
    assert error.startswith("m.onnx: xxx")
    assert error.endswith(f"{SHOWN}: export it again")
    assert "\n" not in error


def test_a_long_line_loses_its_middle_alone() -> None:
    assert shortened("x" * 500) == "x" * 500
    assert shortened("a" * 300 + "b" * 300) == "a" * 248 + "..." + "b" * 248
    assert one_line("  two \n lines ") == "two lines"
