"""How often the intervals of predicted speed-ups hold, on engines made up of held-out kernels.

Run from the repository's root, with a store that holds the engines of

    trtbench compare fp16 mxfp8 fp8 nvfp4 nvfp4@stock --batch 64 --store STORE
    python docs/benchmarks/speedup_coverage.py STORE

Two recipes are taken with the time that each group of kernels is predicted to take. Held-out kernels of
``prediction_held_out.csv`` then say what the groups take: each group is some kernels, drawn at random, and
off by the mean of their measured over predicted times. What both engines spend in a group is either the same
kernels, and only the rest of the longer one others, or no kernel is the same. The table goes to
docs/results/prediction_errors.md, between the markers.
"""

import csv
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from arguments import parse
from numpy.typing import NDArray

from trtbench.audit.inspect import inspect
from trtbench.errors import SpecError
from trtbench.predict.engine import predict_engine
from trtbench.predict.fitted import fitted
from trtbench.predict.gpus import find_gpu
from trtbench.predict.speedup import predicted_speedup
from trtbench.results import Audit, PredictedGroup, Prediction

Array = NDArray[np.float64]
RECIPES = ("fp16", "mxfp8", "fp8", "nvfp4", "nvfp4@stock")
SPLITS = {"family": "model widths held out", "gpu": "GPU left out"}
KERNELS = (1, 4)
DRAWS = 2000


def ratios(path: Path) -> dict[tuple[str, str, str], Array]:
    """Measured over predicted time, by split, GPU and group."""
    found: dict[tuple[str, str, str], list[float]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["split"], row["gpu"], f"{row['kind']} {row['precision']}")
            found.setdefault(key, []).append(float(row["measured_us"]) / float(row["predicted_us"]))
    return {key: np.array(values) for key, values in found.items()}


def predictions(audits: dict[str, Audit], gpu: str, is_left_out: bool) -> Iterator[tuple[str, Prediction]]:
    """Each recipe on ``gpu``; left out, with the bounds of a GPU that nobody measured."""
    for recipe, audit in audits.items():
        try:
            found = predict_engine(audit, find_gpu(gpu), 64)
        except SpecError:  # such as FP4 on a GPU without tensor cores for it
            continue
        if is_left_out:
            groups = {name: _unmeasured(name, group) for name, group in found.groups.items()}
            found = found.model_copy(update={"groups": groups})
        yield recipe, found


def _unmeasured(name: str, group: PredictedGroup) -> PredictedGroup:
    bounds = fitted().unmeasured[name].total
    return group.model_copy(update={"factor": (bounds.low, bounds.high)})


def coverage(
    first: Prediction, second: Prediction, drawn: dict[str, Array], kernels: int, same: bool
) -> float:
    """Share of drawn engines whose true speed-up is in the interval; ``same``: what can be shared is."""
    rng = np.random.default_rng(0)
    low, high = predicted_speedup("", first, "", second).interval
    slow, fast = np.zeros(DRAWS), np.zeros(DRAWS)
    for name in {**first.groups, **second.groups}:
        times = [each.groups[name].predicted_ms if name in each.groups else 0.0 for each in (first, second)]
        shared = min(times) if same else 0.0
        common, *own = (rng.choice(drawn[name], (DRAWS, kernels)).mean(axis=1) for _ in range(3))
        slow += shared * common + (times[0] - shared) * own[0]
        fast += shared * common + (times[1] - shared) * own[1]
    return float(np.mean((low <= slow / fast) & (slow / fast <= high)))


def table(audits: dict[str, Audit], found: dict[tuple[str, str, str], Array]) -> Iterator[str]:
    """Mean and least coverage of all pairs of recipes on all measured GPUs."""
    heads = [f"{count} kernel{'s' * (count > 1)} a group: mean, least" for count in KERNELS]
    yield f"| errors of | what both engines run in a group | {' | '.join(heads)} |"
    yield "|---|---|---|---|"
    for split, words in SPLITS.items():
        for same in (True, False):
            cells = []
            for count in KERNELS:
                shares = list(_shares(audits, found, split, count, same))
                cells.append(f"{np.mean(shares):.0%}, {min(shares):.0%}")
            yield f"| {words} | {'the same' if same else 'other'} kernels | {' | '.join(cells)} |"


def _shares(
    audits: dict[str, Audit], found: dict[tuple[str, str, str], Array], split: str, kernels: int, same: bool
) -> Iterator[float]:
    for gpu in fitted().gpus:
        drawn = {group: values for (its, name, group), values in found.items() if (its, name) == (split, gpu)}
        predicted = dict(predictions(audits, gpu, split == "gpu"))
        for first, second in combinations(predicted.values(), 2):
            yield coverage(first, second, drawn, kernels, same)


def main() -> None:
    """Write the table."""
    here, store = Path(__file__).resolve().parent, Path(parse(__doc__, "store").store)
    audits = {}
    for recipe in RECIPES:
        engine, *_ = (store / "engines").glob(f"vit_base_patch16_224-{recipe}-b64-*")
        audits[recipe] = inspect(engine)
    text = "\n".join(table(audits, ratios(here / "prediction_held_out.csv")))
    print(text)
    page = here.parent / "results" / "prediction_errors.md"
    pattern = re.compile(r"(<!-- speedups -->\n).*?(<!-- end speedups -->)", re.DOTALL)
    page.write_text(pattern.sub(rf"\g<1>{text}\n\g<2>", page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
