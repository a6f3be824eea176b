"""What ``ls``, ``rm``, ``prune`` and builds of several models print: golden files at two widths."""

from datetime import datetime, timezone
from io import StringIO
from pathlib import Path

import pytest
from support.spec_examples import EXPORT, FAILED_LOG, STORED_ENGINE, STORED_MODEL, UNREADABLE

from trtbench.errors import Code
from trtbench.report.text.artifacts import render_made
from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.listing import render_listing, render_removal
from trtbench.results import MadeArtifact, MadeArtifacts, Removal, RemovedItem, StoreListing
from trtbench.specs import BuilderOptions, BuildSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "store"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=timezone.utc)
PLAIN = EXPORT.model_copy(
    update={"model": ModelSpec(), "recipe": parse_recipe("fp16"), "calibration": None, "passes": ()}
)
LISTING = StoreListing(
    root="/store",
    models=(
        STORED_MODEL,
        STORED_MODEL.model_copy(update={"spec": PLAIN, "spec_id": "01234567ffffffff"}),
    ),
    engines=(
        STORED_ENGINE.model_copy(update={"spec": BuildSpec(options=BuilderOptions(tiling="full"))}),
        STORED_ENGINE.model_copy(
            update={"spec": BuildSpec(sparsity=True), "export": None, "spec_id": "3123456789abcdef"}
        ),
    ),
    failed=(FAILED_LOG,),
    unreadable=(UNREADABLE,),
)
REMOVAL = Removal(
    items=(
        RemovedItem(path="models/a-0", what="model", size_bytes=1_500_000, status="removed"),
        RemovedItem(path="engines/b-0", what="engine", size_bytes=700, status="in use"),
    )
)
MADE = MadeArtifacts(
    stage="build",
    rows=(
        MadeArtifact(subject="a-0", status="made", path="engines/a-1"),
        MadeArtifact(subject="b-0", status="present", path="engines/b-1"),
        MadeArtifact(subject="c-0", status="failed", reason="no [room]", code=Code.BUILD_FAILED),
    ),
)


def text_of(show, result, width, **options):
    console = VisibleConsole(file=StringIO(), width=width)
    show(result, console, **options)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [110, 80])
def test_a_listing(width):
    assert text_of(render_listing, LISTING, width, now=NOW) == (GOLDEN / f"listing_{width}.txt").read_text()


def test_an_empty_store():
    empty = StoreListing(root="/store", models=(), engines=(), failed=())
    assert text_of(render_listing, empty, 80) == "/store: empty\n"


def test_a_removal():
    assert text_of(render_removal, REMOVAL, 80) == (
        "models/a-0: model, 1.50 MB\nin use, kept: engines/b-0: engine, 700 B\nremoved 1 item, 1.50 MB\n"
    )
    dry = REMOVAL.model_copy(update={"dry_run": True})
    assert text_of(render_removal, dry, 80).endswith("would remove 1 item, 1.50 MB\n")


def test_several_artifacts():
    assert text_of(render_made, MADE, 80) == (
        "built     a-0: engines/a-1\n"
        "skipped   b-0: already there: engines/b-1\n"
        "failed    c-0: no [room]\n"
        "1 built, 1 skipped, 1 failed\n"
    )
