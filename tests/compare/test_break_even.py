from io import StringIO
from itertools import pairwise

import pytest

from trtbench.compare.break_even import crossing
from trtbench.report.text.break_even import render_break_even
from trtbench.report.text.console import VisibleConsole
from trtbench.results.break_even import BreakEven, BreakEvenCurve, BreakEvenPoint, Crossing, Gain, Side
from trtbench.specs.recipe import Precision, Recipe
from trtbench.specs.token_reduction import Tome


def gains(speedups: list[float], half_width: float = 0.1) -> list[tuple[int, Gain]]:
    return [
        (100 * number, Gain(speedup=speedup, interval=(speedup - half_width, speedup + half_width)))
        for number, speedup in enumerate(speedups, start=1)
    ]


def test_the_crossing_lies_between_two_sizes() -> None:
    found = crossing(gains([0.8, 1.25, 1.5]))
    assert found.tokens == pytest.approx(150)  # 0.8 and 1.25 are equally far from 1
    assert found.low is not None
    assert found.high is not None
    assert 100 < found.low < found.tokens < found.high < 200


def test_a_size_at_which_it_is_slower_again_counts() -> None:
    found = crossing(gains([1.25, 0.8, 1.25]))
    assert found.tokens == pytest.approx(250)


def test_ends_of_the_range_are_told_apart() -> None:
    assert crossing(gains([1.2, 1.3])) == Crossing(tokens=0, low=0, high=0)
    assert crossing(gains([0.5, 0.6])) == Crossing(tokens=None, low=None, high=None)


def point(size: int, full_ms: float, wall_ms: float | None) -> BreakEvenPoint:
    full = Side(tokens=size, flops=size * 10**9, kernels=35, gpu_ms=full_ms, wall_ms=wall_ms)
    reduced = full.model_copy(update={"tokens": size // 2, "kernels": None, "gpu_ms": 0.1})
    gain = Gain(speedup=full_ms / 0.1, interval=(full_ms / 0.11, full_ms / 0.09))
    return BreakEvenPoint(
        img_size=size, tokens=size, full=full, reduced=reduced, gpu=gain, wall=gain if wall_ms else None
    )


def result(wall_ms: float | None) -> BreakEven:
    points = (point(197, 0.08, wall_ms), point(785, 0.2, wall_ms))
    runtime = "torch" if wall_ms else None
    curve = BreakEvenCurve(
        recipe=Recipe(Precision.FP16),
        runtime=runtime,
        batch=8,
        evidence="measured" if wall_ms else "predicted",
        points=points,
        gpu=crossing([(each.tokens, each.gpu) for each in points]),
        wall=crossing([(each.tokens, each.wall) for each in points if each.wall]) if wall_ms else None,
    )
    return BreakEven(model="vit", token_reduction=Tome(8), gpu="H200", curves=(curve,), failed=("a: no",))


@pytest.mark.parametrize("wall_ms", [None, 0.3])
def test_text_names_evidence_times_and_break_even(wall_ms: float | None) -> None:
    console = VisibleConsole(file=StringIO(), width=110)
    render_break_even(result(wall_ms), console)
    text = console.file.getvalue()
    assert f"vit with tome:r=8: {'measured' if wall_ms else 'predicted'} on H200" in text
    assert "197 -> 98" in text
    assert "0.80" in text
    assert "break-even by GPU time: 340 tokens (" in text
    assert ("wall" in text) == bool(wall_ms)
    assert text.rstrip().endswith("no time: a: no")


def test_rows_have_both_sides() -> None:
    first, second = result(0.3).to_rows()
    assert (first["full_kernels"], first["reduced_kernels"]) == (35, None)
    assert first["gpu_break_even_tokens"] == second["gpu_break_even_tokens"]
    assert BreakEven.model_validate_json(result(0.3).model_dump_json()) == result(0.3)
    assert all(a <= b for a, b in pairwise(each.tokens for each in result(None).curves[0].points))
