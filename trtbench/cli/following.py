"""The command to run next, to be pasted: with the same model, shape, compiler and store."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trtbench.cli.groups import Given, option_names, words_of
from trtbench.cli.options import (
    CompareOptions,
    ExplainOptions,
    ModelOptions,
    OutputOptions,
    PredictOptions,
    TuneOptions,
)

if TYPE_CHECKING:
    from trtbench.results import Comparison, ComparisonRow

_Options = CompareOptions | PredictOptions
_SHAPE = {"--batch", "--img-size"}


def to_paste(verb: str, words: Sequence[str], output: OutputOptions) -> str:
    """A command line on the same store."""
    stored = [] if output.store == Path() else ["--store", str(output.store)]
    return shlex.join(["trtbench", verb, *words, *stored])


def after_comparison(
    comparison: "Comparison",
    options: _Options,
    given: Given,
    output: OutputOptions,
) -> str | None:
    """What settles most of the last recommendation; None where there is none, or its row is a file.

    Args:
        comparison: with its recommendations.
        options: those of ``compare`` or ``predict``.
        given: which of them were on the command line.
        output: with the store.
    """
    rows = {row.key: row for row in comparison.rows}
    picks = [rows[each.row] for each in comparison.recommendations if each.row is not None]
    recipes = list(dict.fromkeys(row.subject for row in rows.values() if row.subject == str(row.recipe)))
    if not picks or picks[-1].subject not in recipes:
        return None
    pick, by = picks[-1], comparison.recommendations[-1].by
    verdicts = {each.arm: each.verdict for each in comparison.verdicts}
    if isinstance(options, CompareOptions) and verdicts.get(pick.key) == "AMBIGUOUS":
        once = Given(name for name in given if name != "--duration-s")
        longer = ["--duration-s", f"{2 * options.duration_s:g}"]
        return to_paste("compare", [*recipes, *words_of(options, once), *longer], output)
    if pick.fidelity is None:
        return to_paste("verify", [*recipes, *_words(options, given, pick, ModelOptions)], output)
    if pick.fidelity.weights == "random" and _may_be_pretrained(options):
        return to_paste("compare", [*recipes, *words_of(options, given), "--pretrained"], output)
    if comparison.predicted_on is None:
        return None
    gpu = ["--gpu", comparison.predicted_on.name]
    if by == "predicted":
        subject = _to_explain(comparison, pick)
        return to_paste("explain", [subject, *_words(options, given, pick, ExplainOptions), *gpu], output)
    of_tune = Given(name for name in given if name != "--model")  # which is its argument
    return to_paste("tune", [options.model, *_words(options, of_tune, pick, TuneOptions), *gpu], output)


def _words(options: _Options, given: Given, row: "ComparisonRow", group: type) -> list[str]:
    """Options that a command with this group has, too, and the shape of the row."""
    shared = Given(name for name in given if name in option_names(group) - _SHAPE - {"--gpu"})
    shape = {"--batch": row.batch, "--img-size": row.img_size}
    words = [word for name in shape if name in given for word in (name, str(shape[name]))]
    return [*words_of(options, shared), *words]


def _may_be_pretrained(options: _Options) -> bool:
    """Whether timm may have weights of the model: it has none of models with other dimensions."""
    return not options.overrides and not options.model.endswith(".yaml")


def _to_explain(comparison: "Comparison", pick: "ComparisonRow") -> str:
    """The recipe that is recommended; where that is the baseline, the fastest other one."""
    shape = (pick.batch, pick.img_size)
    rows = [row for row in comparison.rows if row.predicted and (row.batch, row.img_size) == shape]
    others = [row for row in rows if row.subject == str(row.recipe) and row.subject != pick.subject]
    if pick is not rows[0] or not others:
        return pick.subject
    return min(others, key=lambda row: row.predicted.gpu_compute_ms if row.predicted else 0).subject
