"""Scripted arms without worker processes: a block then takes milliseconds, and no interpreter starts."""

import os
from contextlib import ExitStack
from pathlib import Path

from trtbench.environments.prepared import Container
from trtbench.errors import MeasureError, TrtbenchError
from trtbench.measure.loop import TimedArm
from trtbench.measure.messages import Reply
from trtbench.measure.process import ArmProcess
from trtbench.measure.worker import load
from trtbench.runtimes.fake import read_script
from trtbench.specs import ArmSpec, BenchSpec


class InProcessArm(ArmProcess):
    """What a worker does with a script, done here; replies and errors are those of the worker."""

    def __enter__(self) -> "InProcessArm":
        self._log_path.touch()
        self._pid = os.getpid()
        self._stack = ExitStack()
        self._timed: TimedArm | None = None
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _ask(self, line: str, timeout_s: float) -> Reply:
        try:
            reply = self._answer(line)
        except TrtbenchError as error:
            raise MeasureError(str(error), code=error.code) from error
        # Numbers as a pipe hands them over.
        return Reply.model_validate_json(reply.model_dump_json())

    def _answer(self, line: str) -> Reply:
        if self._timed is None:
            self._timed = load(self._job, self._stack)
            return Reply(facts=self._timed.facts)
        return Reply(samples=getattr(self._timed, line)())


def open_arm(
    arm: ArmSpec,
    bench: BenchSpec,
    log_path: Path,
    python: tuple[str, ...] | None = None,
    process: int = 0,
    container: Container | None = None,
) -> ArmProcess:
    """Stand in for ``ArmProcess``: only another Python, another runtime or a crash takes a process."""
    if python is not None:
        return ArmProcess(arm, bench, log_path, python, process, container)
    if arm.runtime != "fake" or _ends_its_process(arm):
        return ArmProcess(arm, bench, log_path, process=process)
    return InProcessArm(arm, bench, log_path, process=process)


def _ends_its_process(arm: ArmSpec) -> bool:
    try:
        failure = read_script(arm).failure
    except MeasureError:
        return False
    return failure is not None and failure.how in ("exit", "kill", "hang")
