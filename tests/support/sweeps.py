"""Stand-ins for the work of a sweep: lines made without torch, a compiler or a GPU."""

import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from support.manifests import onnx_manifest

from trtbench.errors import BuildError
from trtbench.results import OnnxManifest, SweepLine
from trtbench.results.rows import Row
from trtbench.specs import SweepCell, SweepPlan
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.store.files import file_name
from trtbench.sweep.executors import Outcome
from trtbench.sweep.work import OnMade, Task, Work, failed, ignore


def plan(**fields: object) -> SweepPlan:
    sizes: dict[str, object] = {"patch": (8, 16), "depth": (1, 2), "width": (64, 128)}
    recipes = (parse_recipe("fp16"), parse_recipe("nvfp4"))
    return SweepPlan.model_validate({"name": "small", "recipe": recipes, **sizes, **fields})


def milliseconds(cell: SweepCell) -> float:
    """A time that only depends on the cell."""
    return cell.sizes.flops(cell.image) / 1e9 / (2 if str(cell.recipe) == "nvfp4" else 1)


def quick_work(task: Task, store: Store, on_made: OnMade) -> list[SweepLine]:
    """Write down that the task was done, and give a line for each cell; cells of depth 13 fail."""
    store.root.mkdir(parents=True, exist_ok=True)
    with (store.root / "done").open("a") as file:
        file.write("".join(f"{task.phase} {cell.key}\n" for cell in task.cells))
    lines = []
    for cell in task.cells:
        if cell.depth == 13:
            (alone,) = failed(Task((cell,), task.phase, task.stages), BuildError("no kernel fits"))
            lines.append(alone)
            continue
        name = "predicted_gpu_compute_ms" if task.phase == "make" else "measured_gpu_compute_median_ms"
        values: Row = {name: milliseconds(cell)}
        lines.append(SweepLine(key=cell.key, phase=task.phase, values=values))
    return lines


def deadly_work(task: Task, store: Store, on_made: OnMade) -> list[SweepLine]:
    """As ``quick_work``, but the first process that meets a model of depth 2 dies; of depth 3, each does."""
    store.root.mkdir(parents=True, exist_ok=True)
    depth = task.cells[0].depth
    died = store.root / f"died-{depth}"
    if depth == 3 or (depth == 2 and not died.exists()):
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return quick_work(task, store, on_made)


def slow_work(task: Task, store: Store, on_made: OnMade) -> list[SweepLine]:
    """As ``quick_work``, with a file that names the process while it works for a moment."""
    store.root.mkdir(parents=True, exist_ok=True)
    mark = store.root / f"pid-{os.getpid()}"
    mark.touch()
    time.sleep(0.3)
    mark.unlink()
    return quick_work(task, store, on_made)


def done_by(store: Store) -> list[str]:
    """What was done, once for each time that it was."""
    path = store.root / "done"
    return path.read_text().splitlines() if path.exists() else []


class Inline:
    """Does tasks in this process, one after the other.

    ``stop_after``: interrupt after so many tasks. ``lose``: numbers of attempts whose worker is lost.
    """

    def __init__(
        self,
        store: Store,
        work: Work = quick_work,
        gpus: int = 0,
        stop_after: int | None = None,
        lose: Sequence[int] = (),
    ) -> None:
        self.workers, self.gpus = 1, gpus
        self._store, self._work = store, work
        self._stop_after, self._lose = stop_after, lose
        self._tasks: deque[Task] = deque()
        self.attempts = 0

    def __enter__(self) -> "Inline":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def why_not_timed(self, gpu: str | None) -> str | None:
        return None if self.gpus else "no GPU here"

    def has_room(self, task: Task) -> bool:
        return not self._tasks

    def start(self, task: Task) -> None:
        self._tasks.append(task)

    def next_outcome(self) -> Outcome:
        if self.attempts == self._stop_after:
            raise KeyboardInterrupt
        self.attempts += 1
        task = self._tasks.popleft()
        if self.attempts in self._lose:
            return Outcome(task, (), 1.0, "its process died")
        return Outcome(task, self._work(task, self._store, ignore), 1.0)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def carrying_work(task: Task, store: Store, on_made: OnMade) -> list[SweepLine]:
    """Make a model to hand on; a time says whether the model reached the store of its node."""
    (cell, *_) = task.cells
    slug, identity = file_name(str(cell.export.recipe)), "0123456789abcdef"

    def make(folder: Path) -> OnnxManifest:
        weights = write(folder / "model.onnx", "weights")
        return onnx_manifest(cell.export, [weights], spec_id=identity)

    if task.phase == "make":
        artifact, _ = store.get_or_make(OnnxManifest, slug, identity, make)
        on_made(artifact.directory)
    has_model = store.find(OnnxManifest, slug, identity) is not None
    values: Row = {f"{task.phase}_has_model": has_model, f"{task.phase}_store": str(store.root)}
    return [SweepLine(key=each.key, phase=task.phase, values=values) for each in task.cells]
