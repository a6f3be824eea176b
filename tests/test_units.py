import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbench.units import format_bytes, format_count, format_flops, format_seconds


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (52_000_000, "52.0 MB"),
        (171_000_000, "171 MB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (12_500_000_000, "12.5 GB"),
        (-2_048, "-2.05 kB"),
        (5e21, "5000 EB"),
    ],
)
def test_bytes_are_decimal_with_three_digits(size_bytes: float, text: str) -> None:
    assert format_bytes(size_bytes) == text


def test_unreported_bytes_are_unknown() -> None:
    assert format_bytes(None) == "unknown"


@pytest.mark.parametrize(
    ("flops", "text"),
    [(0, "0 FLOP"), (35_127_656_448, "35.1 GFLOP"), (2.25e12, "2.25 TFLOP"), (1.5, "1.50 FLOP")],
)
def test_flops(flops: float, text: str) -> None:
    assert format_flops(flops) == text


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0, "0 s"),
        (2.5e-9, "2.50 ns"),
        (38.1e-6, "38.1 us"),
        (999.9e-6, "1.00 ms"),
        (0.0125, "12.5 ms"),
        (0.99999, "1.00 s"),
        (4.2, "4.20 s"),
        (59.4, "59.4 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (-0.5, "-500 ms"),
        (-61, "-1 min 01 s"),
        (float("inf"), "inf s"),
    ],
)
def test_seconds(duration_s: float, text: str) -> None:
    assert format_seconds(duration_s) == text


_FACTORS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}


@given(st.integers(min_value=0, max_value=10**20))
def test_text_reads_back_within_half_a_percent(size_bytes: int) -> None:
    match = re.fullmatch(r"([0-9.]+) ([kMGTPE]?)B", format_bytes(size_bytes))
    assert match is not None
    assert float(match[1]) * _FACTORS[match[2]] == pytest.approx(size_bytes, rel=0.005)
    assert float(match[1]) < 1000


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "block", "0 blocks"),
        (1, "block", "1 block"),
        (2, "block", "2 blocks"),
        (1, "process", "1 process"),
        (3, "process", "3 processes"),
    ],
)
def test_a_count_agrees_with_its_noun(count: int, noun: str, text: str) -> None:
    assert format_count(count, noun) == text
