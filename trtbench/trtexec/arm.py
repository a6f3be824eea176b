"""Runtime ``trtexec``: each block of an arm is one run of the program, which loads, warms up and measures."""

import os
import re
import shlex
from pathlib import Path

from trtbench.errors import MeasureError, SpecError
from trtbench.results import ArmFacts, Series
from trtbench.specs import ArmSpec, BenchSpec, BuilderOptions
from trtbench.store.arm_file import check_batch, read_artifact
from trtbench.trtexec.command import Exports, bench_command, check_protocol
from trtbench.trtexec.measure import TimedRun, measure
from trtbench.trtexec.tool import Trtexec, find_trtexec

__all__ = ["TrtexecArm", "check_protocol", "open_arm"]


def open_arm(arm: ArmSpec, bench: BenchSpec, log_path: Path) -> "TrtexecArm":
    """Take ``arm``; what trtexec writes goes to a folder of the log's name, one folder in it for each run."""
    return TrtexecArm(arm, bench, log_path.with_suffix(""))


class TrtexecArm:
    """One engine, timed by trtexec; between blocks no process of it lives.

    Args:
        arm: what is timed.
        bench: its ``block_ms`` is how long each run measures, after ``warmup_ms``.
        directory: where the first run (``prepare-0``) and each block (``block-0``) leave their log and the
            times of all queries, and the first the profile of the layers. Its name ends in the number of the
            process.
    """

    def __init__(self, arm: ArmSpec, bench: BenchSpec, directory: Path) -> None:
        self._arm = arm
        self._spec = bench.model_copy(update={"duration_s": bench.block_ms / 1e3})
        self._directory = directory

    def __enter__(self) -> "TrtexecArm":
        """Nothing starts before ``prepare``."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is left to end: an interrupted run was ended where it was started."""

    @property
    def pid(self) -> int:
        """This process, which starts trtexec."""
        return os.getpid()

    def prepare(self) -> ArmFacts:
        """Find trtexec, check the engine, and time it once with its layers; those times do not count.

        Raises:
            RuntimeUnavailable: there is no trtexec.
            MeasureError: the engine is another than the arm's or has another batch, or trtexec failed.
        """
        self._trtexec = find_trtexec()
        run = self._run("prepare", profile=True)
        check_batch(self._arm, run.path, run.engine.inputs)
        return ArmFacts(
            runtime_version=f"TensorRT {self._trtexec.version}",
            main_series="gpu_compute_ms",
            inputs=run.engine.inputs,
            outputs=run.engine.outputs,
            cuda_graph="runtime" if run.protocol.cuda_graph else "none",
            graph_kernels=None,
            output_sample=(),
            device_memory_bytes=None,
            load_s=run.engine.load_s,
            pid=self.pid,
            layers=run.layers,
            notes=_notes(self._trtexec, self._spec, run.path, self._arm.options, self._directory),
        )

    def block(self) -> dict[Series, tuple[float, ...]]:
        """Run trtexec for one block: all samples that it exports, in ms.

        Raises:
            MeasureError: the engine was changed, or trtexec failed or measured otherwise than asked.
        """
        return self._run("block", profile=False).samples

    def _run(self, name: str, profile: bool) -> TimedRun:
        engine = read_artifact(self._arm)[0]  # each run loads the file again, whatever is in it by then
        # What an interrupted run left stays beside the new one.
        directory = self._directory / f"{name}-{len(list(self._directory.glob(f'{name}-*')))}"
        try:
            directory.mkdir(parents=True)
        except OSError as error:
            raise MeasureError(f"{directory}: cannot be made: {error.strerror}") from error
        try:
            return measure(self._trtexec, self._spec, engine, directory, self._arm.options, profile)
        except SpecError as error:  # trtexec cannot be given an input of this name
            raise MeasureError(f"{engine.name}: {error}", code=error.code) from error


def _notes(
    trtexec: Trtexec, spec: BenchSpec, engine: Path, options: BuilderOptions, directory: Path
) -> tuple[str, ...]:
    """What was run and where it wrote, said once for all processes and blocks."""
    argv = bench_command(trtexec, spec, engine, Exports(Path("times.json")), options)
    folder = re.sub(r"\d+$", "*", directory.name)
    return (
        f"each block is one run of {shlex.join(argv)}",
        f"logs, times and the profile of the layers: {directory.parent.name}/{folder}/",
        "no telemetry: a run loads and warms up, too, so clocks and power are not those of its queries",
    )
