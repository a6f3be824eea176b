"""Write docs/benchmarks/foreign_models.md: results of each command on models, images, checkpoints of others.

Run from the repository's root, with a folder of ONNX files, folders of images and checkpoints of
vit_tiny_patch16_224 with depth=2:

    python docs/benchmarks/foreign_models.py FOLDER STORE > docs/benchmarks/foreign_models.md

Dynamic dimensions are 2, integers come from 0 to 1. It takes a quarter of an hour on two cores.
"""

import json
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import onnx

from trtbench.build.dimensions import dimensions_of, is_dynamic
from trtbench.cli.app import main as trtbench_main

Json = dict[str, Any]

LIMIT_S = 30
IMAGES, CHECKPOINTS = "images", "checkpoints"
TINY = ("--model", "vit_tiny_patch16_224", "--set", "depth=2", "--batch", "1")
BENCH = (
    "--warmup-ms",
    "5",
    "--runtime",
    "onnxruntime-cpu",
    "--processes",
    "1",
    "--duration-s",
    "0.1",
    "--block-ms",
    "20",
)
_LONGEST = 150


class Late(BaseException):
    """A command takes too long; no error of its own, which a command would report."""


@dataclass
class Runs:
    """Commands that were run, how each ended, and the longest."""

    store: Path
    folder: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0

    def run(self, *words: str) -> tuple[Json | None, str]:
        """The JSON that a command prints, or None and why it prints none."""
        printed, said = StringIO(), StringIO()
        signal.alarm(LIMIT_S)
        started_s = time.monotonic()
        try:
            with redirect_stdout(printed), redirect_stderr(said):
                sys.argv = ["trtbench", *words, "--json", "--store", str(self.store)]
                trtbench_main()
        except SystemExit:
            pass
        except Late:
            self.outcomes[f"over {LIMIT_S} s"] += 1
            return None, f"**over {LIMIT_S} s**"
        except Exception as error:
            self.outcomes["tracebacks"] += 1
            return None, f"**traceback: {type(error).__name__}**"
        finally:
            signal.alarm(0)
        self.longest_s = max(self.longest_s, time.monotonic() - started_s)
        refusals = re.findall(r"trtbench: error: (.*)", said.getvalue())
        self.outcomes["refused in one line" if refusals else "answered"] += 1
        text = printed.getvalue()
        return json.loads(text) if text.strip() else None, self.short(refusals[0]) if refusals else ""

    def short(self, text: str) -> str:
        """A reason without folders, in one cell."""
        for place in (self.folder, self.store):
            text = text.replace(f"{place}/", "")
        text = re.sub(r"( \(log: .*| with TensorRT-RTX [\d.]+)", "", text).replace("|", "\\|")
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def options_of(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Profile, shapes and inputs that a model needs: of dynamic dimensions, and of integers."""
    graph = onnx.load(path, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    ranges, shapes, values = [], [], []
    for value in (value for value in graph.input if value.name not in weights):
        dims = dimensions_of(value) or ()
        if is_dynamic(dims):
            sides = [
                f"{'x'.join(str(n if isinstance(dim, str) else dim) for dim in dims)}" for n in (1, 2, 4)
            ]
            ranges.append(f"{value.name}={':'.join(sides)}")
            shapes += ["--shape", f"{value.name}={sides[1]}"]
        kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
        if "INT" in kind or kind == "BOOL":
            values += ["--input", f"{value.name}=0:1"]
    return ["--profile", ",".join(ranges)] if ranges else [], shapes, values


def codes(findings: Iterable[Mapping[str, str]]) -> str:
    """Each code once."""
    return ", ".join(dict.fromkeys(finding["code"] for finding in findings))


def audited(audit: Json) -> str:
    """Precisions, whether graph and engine count the same work, and findings."""
    attention = audit["attention_precision"]
    precisions = [*audit["gemm_flops_share"], *([f"attention {attention}"] if attention else [])]
    counted = {None: "graph alone", audit["onnx_flops"]: "FLOPs equal"}
    words = (
        ", ".join(precisions),
        counted.get(audit["compiled_flops"], "FLOPs differ"),
        codes(audit["findings"]),
    )
    return "; ".join(filter(None, words))


def onnx_row(path: Path, runs: Runs) -> str:
    """One ONNX file in all commands."""
    profile, shapes, values = options_of(path)
    engine, refused = runs.run("build", str(path), *profile)
    if engine is None:
        audit, why = runs.run("inspect", str(path), *shapes)
    else:
        (manifest,) = runs.store.glob(f"engines/*-{engine['spec_id']}/manifest.json")
        audit, why = runs.run("inspect", str(manifest))
    report, not_judged = runs.run("lint", str(path), *shapes)
    judged = (
        not_judged if report is None else codes(f for part in report["sections"] for f in part["findings"])
    )
    timed, not_timed = runs.run("bench", str(path), *BENCH, *values)
    timed_or_why = not_timed if timed is None else runs.short(timed["reason"] or "timed")
    cells = (refused or "built", why if audit is None else audited(audit), judged or "-", timed_or_why)
    return f"| `{path.relative_to(runs.folder)}` | {' | '.join(cells)} |"


def export_row(path: Path, option: str, recipe: str, runs: Runs) -> str:
    """An export from a checkpoint, or calibrated on a folder of images."""
    result, refused = runs.run("export", recipe, *TINY, option, str(path))
    findings = codes(result.get("findings", ())) if result else ""
    notes = "; ".join(map(runs.short, result.get("notes", ()))) if result else ""
    outcome = refused or "; ".join(filter(None, ("exported", findings, notes)))
    return f"| `{path.relative_to(runs.folder)}` | {outcome} |"


def page(runs: Runs) -> Iterator[str]:
    """The whole page; the summary needs the rows, and stands before them."""
    models = sorted(path for path in runs.folder.rglob("*.onnx") if path.is_file() or path.is_symlink())
    images = sorted(path for path in (runs.folder / IMAGES).iterdir() if path.is_dir())
    checkpoints = sorted(path for path in (runs.folder / CHECKPOINTS).iterdir() if path.suffix != ".json")
    of_models = [onnx_row(path, runs) for path in models]
    of_images = [export_row(path, "--calib", "fp8", runs) for path in images]
    of_checkpoints = [export_row(path, "--checkpoint", "fp16", runs) for path in checkpoints]
    counted = ", ".join(f"{number} {outcome}" for outcome, number in sorted(runs.outcomes.items()))
    yield from (
        "# Models from elsewhere",
        "",
        "Results of every command on small inputs that once failed: ONNX files of other exporters,",
        "folders of odd images, and checkpoints as trainers write them. `docs/benchmarks/foreign_models.py`",
        "writes this page. TensorRT-RTX compiles for SM120; times are taken on a CPU and not shown.",
        "",
        f"{sum(runs.outcomes.values())} commands on {len(models) + len(images) + len(checkpoints)} inputs: "
        f"{counted}; the longest took {runs.longest_s:.0f} s (limit {LIMIT_S} s).",
        "",
        "`inspect` reads the engine where there is one, at 2 for every dynamic dimension; `bench` runs in",
        "`onnxruntime-cpu`, with `--input NAME=0:1` for integers.",
        "",
        "| ONNX file | `build` | `inspect` | `lint` | `bench` |",
        "|---|---|---|---|---|",
        *of_models,
        "",
        "| images | `export fp8 --calib` |",
        "|---|---|",
        *of_images,
        "",
        "| checkpoint | `export fp16 --checkpoint` |",
        "|---|---|",
        *of_checkpoints,
    )


def main() -> None:
    """Run everything and print the page."""

    def stop(*_: object) -> None:
        raise Late

    signal.signal(signal.SIGALRM, stop)
    folder, store = (Path(word).absolute() for word in sys.argv[1:3])
    print("\n".join(page(Runs(store, folder))))


if __name__ == "__main__":
    main()
