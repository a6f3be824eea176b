"""Numbers as one line of bars."""

import pytest

from trtbench.report.text.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([1.0], "▁"),
        ([0.0, 0.0], "▁▁"),
        ([1.0, 2.0], "▁█"),
        ([2.0, 1.0, 1.5], "█▁▅"),
        ([-1.0, 1.0], "▁█"),
        ([1.0, 1.001], "▁▁"),
    ],
)
def test_bars(values, bars):
    assert sparkline(values, 10) == bars


def test_digits_where_bars_cannot_be_printed():
    assert sparkline([1.0, 2.0, 3.0], 10, ascii_only=True) == "158"


def test_many_values_become_medians_of_neighbours():
    assert sparkline([1.0] * 500 + [2.0] * 500, 10) == "▁" * 5 + "█" * 5
    assert sparkline([*range(1000)], 8) == "▁▂▃▄▅▆▇█"
