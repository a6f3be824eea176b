"""Kills sweeps by SIGKILL at random moments, and holds their results against one that nothing disturbed.

Run from the repository's root:

    python docs/benchmarks/sweep_kills.py

``trtbench sweep`` exports four small models, builds an engine of each and predicts its time. It is killed at
a moment drawn from the time that it takes undisturbed, and started again until it ends by itself; then
another one begins in an empty store, until 20 were killed. All that a result says of its cells must be what
the undisturbed one says, but for durations; no process may outlive the command, and no folder or file that
was only begun may stay. The page goes to docs/benchmarks/sweep_kills.md.
"""

import json
import random
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from arguments import parse
from killing import GRACE_S, check_nothing_is_left, ends_within, start

KILLS = 20
SEED = 0
PLAN = """patch: 16
depth: [1, 2]
width: [64, 128]
image: 32
batch: 1
recipe: fp16
gpu: rtx-pro-6000-se
stages: [predict]
"""
PAGE = Path(__file__).with_suffix(".md")
COMMAND = ("sweep", "plan.yaml", "--workers", "2")


def cells_of(folder: Path) -> list[dict[str, Any]]:
    """What the only result says of its cells, but for durations."""
    (path,) = (folder / "results").glob("*.json")
    rows = json.loads(path.read_bytes())["rows"]
    for row in rows:
        row["values"] = {name: value for name, value in row["values"].items() if not name.endswith("_s")}
    return list(rows)


def begun(folder: Path) -> list[str]:
    """Folders and files of the store whose names say that they are not finished."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name.endswith(".part"))


def run(folder: Path, generator: random.Random, whole_s: float, kills_left: int) -> tuple[int, int]:
    """Kill and start again until it ends by itself: how often it was killed and started."""
    (folder / "plan.yaml").write_text(PLAN, encoding="utf-8")
    kills = starts = 0
    while True:
        limit_s = generator.uniform(0, whole_s) if kills < kills_left else None
        has_ended = ends_within(start(folder, *COMMAND), limit_s)
        starts += 1
        check_nothing_is_left(folder)
        if has_ended:
            return kills, starts
        kills += 1


def main() -> None:
    """Kill, compare, and write the page."""
    parse(__doc__)
    generator = random.Random(SEED)  # noqa: S311 (moments, no secret)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name).resolve() / "0"]
        folders[0].mkdir()
        started_s = time.monotonic()
        run(folders[0], generator, 0.0, 0)
        whole_s = time.monotonic() - started_s
        expected, kills, starts = cells_of(folders[0]), 0, 0
        while kills < KILLS:
            folders.append(Path(name).resolve() / str(len(folders)))
            folders[-1].mkdir()
            more = run(folders[-1], generator, whole_s, KILLS - kills)
            kills, starts = kills + more[0], starts + more[1]
            if cells_of(folders[-1]) != expected:
                raise SystemExit(f"another result: {cells_of(folders[-1])}, not {expected}")
            if parts := begun(folders[-1]):
                raise SystemExit(f"parts that stayed: {parts}")
    PAGE.write_text(page(kills, starts, len(folders) - 1, whole_s, len(expected)), encoding="utf-8")


def page(kills: int, starts: int, runs: int, whole_s: float, cells: int) -> str:
    """What was done and found."""
    return f"""# Sweeps that were killed

Done {date.today().isoformat()} with `python docs/benchmarks/sweep_kills.py`, which says what was run and
checked.

| | |
|---|---|
| cells of a sweep | {cells} |
| an undisturbed sweep took | {whole_s:.1f} s |
| starts of the command | {starts} |
| killed by SIGKILL | {kills} |
| sweeps that ended by themselves | {runs} |
| of these with all values of the undisturbed sweep | {runs} |
| processes that outlived the command by {GRACE_S:.0f} s | 0 |
| files and folders that were only begun and stayed | 0 |
"""


if __name__ == "__main__":
    main()
