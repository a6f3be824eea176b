"""The layout that CONTRIBUTING.md describes is the layout of the code."""

import ast
from pathlib import Path

import pytest
from support.layout import ROOT, imports, in_order, table

CONTRIBUTING = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
FACES = {"report", "request", "api", "cli"}
"""Rooms that show results or read words: no stage may know them."""


def test_the_table_of_imports_is_true_and_one_way():
    rooms = imports()
    assert table(rooms) in CONTRIBUTING, f"python tests/support/layout.py prints the table:\n{table(rooms)}"
    assert in_order(rooms)[-1] == "cli"


def test_a_circle_is_found():
    with pytest.raises(ValueError, match=r"a circle among \['a', 'b'\]"):
        in_order({"a": {"b"}, "b": {"a"}, "c": set()})


def test_stages_know_neither_the_command_line_nor_how_results_are_shown():
    rooms = imports()
    assert {room for room, imported in rooms.items() if imported & FACES} <= FACES
    assert not {"api", "cli"} & (rooms["report"] | rooms["request"])


def test_the_top_level_holds_what_everything_uses():
    files = {path.stem for path in ROOT.glob("*.py")}
    assert files == {"__init__", "codes", "errors", "progress", "stats", "units", "vit"}


def test_files_and_functions_stay_small():
    for path in ROOT.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 600, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 80, f"{path}: {node.name}"
