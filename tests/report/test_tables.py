"""Tables without lines: what is aligned, what wraps, and how far columns stand apart."""

from io import StringIO

import pytest

from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.tables import table_of


def lines(width: int, **options: object) -> list[str]:
    console = VisibleConsole(file=StringIO(), width=width)
    table = table_of(console, "arm", "nvfp4+fp8attn", text=("arm",), **options)  # type: ignore[arg-type]
    table.add_row("a long name", "1.5")
    console.print(table)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize(("width", "gap", "blanks"), [(99, None, 1), (100, None, 2), (80, 2, 2), (120, 1, 1)])
def test_gap_and_alignment(width: int, gap: int | None, blanks: int) -> None:
    apart = " " * blanks
    assert lines(width, gap=gap) == [
        f"arm        {apart}nvfp4+fp8attn",
        f"a long name{apart}          1.5",
    ]


def test_numbers_stay_on_the_right_under_a_header_that_wraps() -> None:
    shown = lines(20, wraps=("nvfp4+fp8attn",))
    assert "".join(line[12:].strip() for line in shown) == "nvfp4+fp8attn1.5"
    assert shown[-1].endswith("1.5")
