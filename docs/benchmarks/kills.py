"""Kills runs by SIGKILL at random moments, and holds their results against runs that nothing disturbed.

Run from the repository's root:

    python docs/benchmarks/kills.py

``trtbench compare`` times two scripted arms, whose queries always take the same time, in three processes
each. It is killed at a moment drawn from the time that it takes undisturbed, and started again until it ends
by itself; then another run begins, until 50 were killed. Times, intervals and verdict of every result must be
those of the undisturbed run, each journal must hold each block once and whole rounds, no process may
outlive the command, and no partial file may stay. The page goes to docs/benchmarks/kills.md.
"""

import json
import random
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from arguments import parse
from killing import check_nothing_is_left, ends_within, start

from trtbench.results import RoundRecord, TimedBlock
from trtbench.store.journal import read_journal

KILLS = 50
SEED = 0
PROCESSES = 3
TIMES_MS = {"slow": 1.5, "fast": 1.2}
PAGE = Path(__file__).with_suffix(".md")
COMMAND = (
    *("compare", "slow.json", "fast.json", "--runtime", "fake", "--processes", str(PROCESSES)),
    *("--duration-s", "1.2", "--block-ms", "40", "--warmup-ms", "20"),
)


def facts_of(path: Path) -> dict[str, Any]:
    """What must not depend on kills: times, intervals and verdict."""
    result = json.loads(path.read_bytes())
    rows = [row["measured"] for row in result["rows"]]
    kept = ("median", "ci95", "minimum", "maximum", "p90", "p99")
    return {
        "rows": [
            (row["status"], {s: {k: v[k] for k in kept} for s, v in row["series"].items()}) for row in rows
        ],
        "verdicts": [(each["verdict"], each["ratio"], each["ci95"]) for each in result["verdicts"]],
    }


def check_journals(folder: Path) -> int:
    """Count the blocks of a finished run, each once, in whole rounds."""
    blocks = read_journal(folder / "blocks.jsonl", TimedBlock)
    rounds = read_journal(folder / "rounds.jsonl", RoundRecord)
    keys = Counter((each.arm, each.process, each.block) for each in blocks)
    by_process = Counter(each.process for each in blocks)
    if max(keys.values()) > 1 or len(rounds) < PROCESSES:
        raise SystemExit(f"{folder}: blocks are doubled, or rounds are lost")
    if any(by_process[each.process] != each.blocks for each in rounds):
        raise SystemExit(f"{folder}: rounds lost blocks")
    return len(blocks)


def finished(folder: Path) -> list[Path]:
    """Results so far."""
    return sorted((folder / "results").glob("*.json"))


def main() -> None:
    """Kill, compare, and write the page."""
    parse(__doc__)
    generator = random.Random(SEED)  # noqa: S311 (moments, no secret)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for label, time_ms in TIMES_MS.items():
            script = {"series": {"gpu_compute_ms": time_ms, "enqueue_ms": 0.02}}
            (folder / f"{label}.json").write_text(json.dumps(script), encoding="utf-8")
        started_s = time.monotonic()
        ends_within(start(folder, *COMMAND), None)
        whole_s = time.monotonic() - started_s
        expected, kills, starts = facts_of(finished(folder)[0]), 0, 0
        while kills < KILLS or len(finished(folder)) == 1:
            before = len(finished(folder))
            limit_s = generator.uniform(0, whole_s) if kills < KILLS else None
            has_ended = ends_within(start(folder, *COMMAND), limit_s)
            starts, kills = starts + 1, kills + (not has_ended)
            if has_ended and len(finished(folder)) != before + 1:
                raise SystemExit("a run ended without a result")
            check_nothing_is_left(folder)
        results = finished(folder)
        wrong = {path.name: facts for path in results if (facts := facts_of(path)) != expected}
        blocks = [check_journals(path.with_suffix("")) for path in results]
        parts = [path.name for path in (folder / "results").rglob(".*.part")]
        if wrong or parts:
            raise SystemExit(f"not {expected} but {wrong}; parts that stayed: {parts}")
    PAGE.write_text(page(kills, starts, len(results) - 1, whole_s, sum(blocks)), encoding="utf-8")


def page(kills: int, starts: int, runs: int, whole_s: float, blocks: int) -> str:
    """What was done and found."""
    return f"""# Runs that were killed

Done {date.today().isoformat()} with `python docs/benchmarks/kills.py`, which says what was run and checked.

| | |
|---|---|
| an undisturbed run took | {whole_s:.1f} s |
| starts of the command | {starts} |
| killed by SIGKILL | {kills} |
| runs that ended by themselves | {runs} |
| of these with times, intervals and verdict of the undisturbed run | {runs} |
| blocks in their journals and that of the undisturbed run | {blocks} |
| blocks that were lost or doubled in rounds that ended | 0 |
| processes that outlived the command by 10 s | 0 |
| partial files that stayed | 0 |
"""


if __name__ == "__main__":
    main()
