"""What follows a search: the winner with one thing changed, and the front at other shapes."""

import pytest
from support.grids import install_no_gpu
from support.tunings import install_work

from trtbench.errors import SpecError
from trtbench.export.passes import passes_of
from trtbench.predict.gpus import find_gpu
from trtbench.results import TuneLine
from trtbench.specs import (
    BuildSpec,
    CalibrationSpec,
    ExportSpec,
    InputsSpec,
    ModelSpec,
    TuneSpec,
)
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.tune import tune
from trtbench.tune.journals import Done
from trtbench.tune.search import Search
from trtbench.tune.space import BASELINE

GPU = find_gpu("rtx-5090")
WINNER = parse_recipe("nvfp4+fp8attn")


@pytest.fixture
def store(tmp_path, monkeypatch):
    install_no_gpu(monkeypatch)
    return Store(tmp_path / "store")


def spec(passes=None, **fields):
    model = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 2),))
    export = ExportSpec(model=model, recipe=BASELINE, batch=4, passes=passes, calibration=CalibrationSpec())
    return TuneSpec(export=export, **fields)


def test_each_pass_of_the_winner_is_left_out_alone(monkeypatch, store):
    work = install_work(monkeypatch)
    result = tune(spec(), GPU, store)
    names = passes_of(WINNER, None)
    left_out = [each for each in result.variants if each.without]
    assert [each.without for each in left_out] == list(names)
    assert all(each.passes == tuple(set_minus(names, each.without)) for each in left_out)
    assert all(each.prediction and each.fidelity and each.recipe == WINNER for each in left_out)
    for part in ("shallow", "error"):
        assert [piece[2] for piece in work.seen if piece[0] == part and len(piece) > 2] == [
            f"without {name}" for name in names
        ]


def set_minus(names, name):
    return [each for each in names if each != name]


def test_with_chosen_passes_only_these_are_left_out(monkeypatch, store):
    install_work(monkeypatch)
    result = tune(spec(passes=("flat_tokens", "split_qkv")), GPU, store)
    assert {each.without: each.passes for each in result.variants if each.without} == {
        "split_qkv": ("flat_tokens",),
        "flat_tokens": ("split_qkv",),
    }


def test_the_stock_graph_and_sparse_weights_stand_beside_the_winner(monkeypatch, store):
    install_work(monkeypatch)
    result = tune(spec(), GPU, store)
    stock, sparse = (each for each in result.variants if not each.without)
    assert (str(stock.recipe), stock.note) == ("nvfp4@stock", None)
    assert (str(sparse.recipe), sparse.note) == ("nvfp4+sparse+fp8attn", "assumed")
    assert not any(row.recipe.sparse for row in result.rows)


def test_a_winner_that_quantises_nothing_has_no_passes(monkeypatch, store):
    install_work(monkeypatch)
    result = tune(spec(min_sqnr_db=59.9), GPU, store)
    assert [str(each.recipe) for each in result.variants] == ["fp16+sparse"]


def test_a_variant_that_fails_says_why(monkeypatch, store):
    install_work(monkeypatch, refused={("shallow", "nvfp4@stock"): "no room"})
    result = tune(spec(), GPU, store)
    (failed,) = [each for each in result.variants if each.reason]
    assert (str(failed.recipe), failed.reason, failed.prediction) == ("nvfp4@stock", "no room", None)
    assert not result.has_failed


class Lines:
    """Stands in for a journal."""

    def __init__(self):
        self.lines: list[TuneLine] = []

    def append(self, line):
        self.lines.append(line)


@pytest.mark.parametrize(("backend", "runs_sparse"), [("tensorrt", True), ("tensorrt_rtx", False)])
def test_where_sparse_kernels_run_sparse_recipes_are_confirmed_and_priced_as_dense(
    monkeypatch, tmp_path, store, backend, runs_sparse
):
    work = install_work(monkeypatch)
    done = Done("name", tmp_path, Lines(), Lines())
    build = BuildSpec(backend=backend, targets=("sm120",))
    search = Search(spec(), GPU, InputsSpec(), build, None, store, done, work, lambda step: None)
    search.make_parts()
    rows = {row.recipe: row for row in search.confirm(search.estimates())}
    sparse = {recipe: row for recipe, row in rows.items() if recipe.sparse}
    assert len(sparse) == len(rows) / 2 * runs_sparse
    for recipe, row in sparse.items():
        dense = rows[parse_recipe(str(recipe).replace("+sparse", ""))]
        assert row.predicted_ms == dense.predicted_ms


def test_the_front_is_predicted_at_other_shapes(monkeypatch, store):
    install_work(monkeypatch)
    result = tune(spec(shapes=((1, None), (8, 192))), GPU, store)
    front = [row.recipe for row in result.rows if row.on_front]
    assert [(each.recipe, each.batch, each.img_size) for each in result.shapes] == [
        (recipe, *shape) for recipe in front for shape in ((4, None), (1, None), (8, 192))
    ]
    rates = [each.prediction.images_per_s for each in result.shapes[:3]]
    assert rates[1] < rates[0] < rates[2]
    assert [each.tokens for each in result.shapes[:3]] == [197, 197, 145]
    assert all(each.l2_batch > 0 for each in result.shapes)


def test_shapes_that_were_built_are_not_built_again(monkeypatch, store):
    install_work(monkeypatch)
    first = tune(spec(shapes=((1, None),)), GPU, store)
    again = install_work(monkeypatch)
    assert (tune(spec(shapes=((1, None),)), GPU, store), again.seen) == (first, [])


def test_without_other_shapes_there_are_none(monkeypatch, store):
    install_work(monkeypatch)
    assert tune(spec(), GPU, store).shapes == ()


def test_an_image_size_that_does_not_fit_is_refused_before_anything_is_made(monkeypatch, store):
    work = install_work(monkeypatch)
    with pytest.raises(SpecError, match="225"):
        tune(spec(shapes=((4, 225),)), GPU, store)
    assert work.seen == []


def test_the_command_at_several_shapes(monkeypatch, trtbench):
    install_no_gpu(monkeypatch)
    install_work(monkeypatch)
    model = ("vit_tiny_patch16_224", "--set", "depth=2", "--gpu", "5090")
    code, out, err = trtbench("tune", *model, "--batch", "4,1", "--img-size", "224,192")
    assert (code, "Traceback" in err) == (0, False)
    assert "most images/s of nvfp4+fp8attn at 192 pixels: " in out
    assert "nvfp4+fp8attn with one thing changed" in out
    assert "--batch 4 --img-size 224 " in out
