"""Shares of variance, effects and rules: as an analysis of variance where a grid is complete."""

from itertools import product

import numpy as np
import pytest
from support.sweeps import plan

from trtbench.request.plans import read_plan
from trtbench.results import Analysis, SweepRow
from trtbench.specs import SweepPlan
from trtbench.sweep.analysis import analyses_of, analysis_of

MS = "predicted_gpu_compute_ms"


def rows_of(asked: SweepPlan, response, name: str = MS) -> list[SweepRow]:
    return [SweepRow(cell=cell, values={name: response(cell)}) for cell in asked.cells()]


def found(asked: SweepPlan, response, name: str = MS) -> Analysis:
    analysis = analysis_of(rows_of(asked, response, name), name)
    assert analysis is not None
    return analysis


def shares(analysis: Analysis) -> dict[tuple[str, ...], float]:
    return {each.factors: each.share for each in analysis.shares}


def test_shares_are_those_of_the_analysis_of_variance_on_a_complete_grid():
    asked = plan(patch=(8, 16, 32), depth=(1, 2, 3), width=(64, 128, 256, 512), recipe=("fp16",))
    drawn = np.random.default_rng(1).normal(size=36)
    noise = {cell.key: value for cell, value in zip(asked.cells(), drawn, strict=True)}

    def response(cell):
        return cell.patch + 3 * cell.depth + cell.depth * cell.width / 100 + noise[cell.key]

    name = "trace_busy_share"
    table = np.array([response(cell) for cell in asked.cells()]).reshape(3, 3, 4)
    centred = table - table.mean()
    total = (centred**2).sum()
    got = shares(found(asked, response, name))
    names = ("patch", "depth", "width")
    mains = [centred.mean(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    for axis, main in enumerate(mains):
        assert got[names[axis],] == pytest.approx((main**2).sum() * 36 / len(main) / total)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        (rest,) = {0, 1, 2} - {one, other}
        pair = centred.mean(axis=rest) - mains[one][:, None] - mains[other][None, :]
        expected = (pair**2).sum() * table.shape[rest] / total
        assert got[names[one], names[other]] == pytest.approx(expected, abs=1e-9)


def test_shares_of_an_incomplete_grid_still_add_up():
    analysis = found(read_plan("vit39"), lambda cell: cell.sizes.flops(cell.image))
    assert (analysis.cells, analysis.combinations) == (78, 96)
    total = sum(shares(analysis).values()) + analysis.unexplained
    assert total == pytest.approx(1)
    assert all(share >= 0 for share in shares(analysis).values())


def test_effects_are_those_of_a_grid_without_gaps():
    """Patch 8 lacks its large models: the plain means of its cells would make it look cheap."""
    effects = found(read_plan("vit39"), lambda cell: cell.depth**1.5 * cell.width / cell.patch).effects
    assert effects["patch"]["8"] / effects["patch"]["32"] == pytest.approx(4)
    assert effects["depth"]["24"] / effects["depth"]["6"] == pytest.approx(8)


def test_a_factor_without_effect_explains_nothing():
    got = shares(found(plan(), lambda cell: cell.width))
    assert got["width",] == pytest.approx(1)
    assert sum(got.values()) == pytest.approx(1)


def test_a_constant_response_is_not_analysed():
    assert analyses_of(rows_of(plan(), lambda cell: 3.1)) == ()


def test_cells_without_the_value_are_left_out():
    rows = rows_of(plan(), lambda cell: float(cell.width))
    some = [*rows[:12], *(row.model_copy(update={"values": {}}) for row in rows[12:])]
    assert [each.cells for each in analyses_of(some)] == [12]
    assert analyses_of(rows[:7]) == ()


def test_many_factors_are_analysed_in_a_sample_of_orders():
    asked = plan(heads=(1, 2), image=(64, 128), batch=(1, 2))
    analysis = found(asked, lambda cell: cell.width * cell.batch * cell.image**2)
    assert shares(analysis)["image",] == pytest.approx(4 / 6, abs=1e-6)


def test_a_rule_finds_the_threshold_that_made_the_data():
    asked = plan(patch=(8, 16, 32), depth=(6, 12, 18, 24), width=(384, 768, 1024, 1280), recipe=("fp16",))

    def busy(cell):
        return 0.95 if cell.width >= 768 or cell.patch == 8 else 0.3

    rule = found(asked, busy, "trace_busy_share").rule
    assert rule is not None
    assert rule.lines == (
        "width at most 384:",
        "  patch at most 8:",
        "    0.95 (4 cells)",
        "  patch above 8:",
        "    0.3 (8 cells)",
        "width above 384:",
        "  0.95 (36 cells)",
    )
    errors = {each.method: each.p90_pct for each in rule.errors}
    assert errors["rule"] < 1 < errors["mean"]


def test_a_rule_asks_for_recipes():
    rule = found(plan(depth=(1, 2, 4)), lambda cell: 1.0 if str(cell.recipe) == "nvfp4" else 2.0).rule
    assert rule is not None
    assert rule.lines == ("recipe other than nvfp4:", "  2 (12 cells)", "recipe nvfp4:", "  1 (12 cells)")


def test_a_rule_is_judged_by_cells_that_it_has_not_seen():
    asked = plan(patch=(8, 16), depth=tuple(range(1, 13)), width=(64,), recipe=("fp16",))
    drawn = np.random.default_rng(0).lognormal(size=24)
    values = dict(zip(product((8, 16), range(1, 13)), drawn, strict=True))
    rule = found(asked, lambda cell: values[cell.patch, cell.depth]).rule
    assert rule is not None
    errors = {each.method: each.median_pct for each in rule.errors}
    assert errors["rule"] > 0.6 * errors["mean"]
