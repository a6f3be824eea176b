"""Which piece comes when: work without a GPU side by side, then times, and lost pieces again."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from trtbench.errors import BuildError, Code
from trtbench.results import Cost, SweepLine
from trtbench.sweep.executors import Executor, Outcome
from trtbench.sweep.work import Task, failed

ATTEMPTS = 3
"""How often a piece is tried whose worker is lost."""

OnDone = Callable[[Task, Sequence[SweepLine], float, Cost], Iterable[Task]]
"""Called once for each task with its lines and its seconds; gives the tasks that can begin now."""


@dataclass
class _Waiting:
    """Tasks that have not begun, by phase."""

    queues: dict[str, deque[Task]] = field(default_factory=lambda: {"make": deque(), "time": deque()})

    def add(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self.queues[task.phase].append(task)

    def next_for(self, executor: Executor) -> Task | None:
        """A task that can begin now; without a GPU, times have the machine to themselves."""
        make, timed = self.queues["make"], self.queues["time"]
        if timed and (executor.gpus or not make) and executor.has_room(timed[0]):
            return timed.popleft()
        return make.popleft() if make and executor.has_room(make[0]) else None


def run_all(tasks: Iterable[Task], executor: Executor, on_done: OnDone) -> None:
    """Do all tasks, and those that follow from them; each ends once, whatever happens to its workers.

    Raises:
        ArtifactError: ``on_done`` cannot keep a line.
    """
    waiting, attempts, cost, running = _Waiting(), Counter[Task](), Cost(), 0
    waiting.add(tasks)
    while True:
        while (task := waiting.next_for(executor)) is not None:
            executor.start(task)
            running += 1
        if not running:
            return
        outcome = executor.next_outcome()
        running -= 1
        cost = _added(cost, outcome)
        attempts[outcome.task] += 1
        if outcome.lost and attempts[outcome.task] < ATTEMPTS:
            waiting.queues[outcome.task.phase].appendleft(outcome.task)
            continue
        del attempts[outcome.task]
        waiting.add(on_done(outcome.task, _lines(outcome), outcome.duration_s, cost))


def _lines(outcome: Outcome) -> Sequence[SweepLine]:
    if outcome.lost is None:
        return outcome.lines
    lost = f"lost its worker {ATTEMPTS} times: {outcome.lost}"
    return failed(outcome.task, BuildError(lost, code=Code.BUILD_KILLED))


def _added(cost: Cost, outcome: Outcome) -> Cost:
    gpu_s = outcome.duration_s if outcome.task.phase == "time" else 0.0
    return Cost(
        worker_s=cost.worker_s + outcome.duration_s,
        gpu_s=cost.gpu_s + gpu_s,
        retries=cost.retries + (outcome.lost is not None),
    )
