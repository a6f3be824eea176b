"""What times an arm: a worker process of ours, or a program that times itself."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from trtbench.environments.prepared import Prepared
from trtbench.errors import MeasureError, SpecError
from trtbench.measure.messages import Samples
from trtbench.measure.process import ArmProcess
from trtbench.results import ArmFacts
from trtbench.runtimes import runtime_entry
from trtbench.specs import ArmSpec, BenchSpec

if TYPE_CHECKING:
    from trtbench.measure.telemetry import GpuMonitor


class ArmTimer(Protocol):
    """One arm that can be timed; a context manager: entering starts what must live between blocks."""

    def __enter__(self) -> "ArmTimer":
        """Return itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """End what lives."""
        ...

    @property
    def pid(self) -> int:
        """The process that is on the GPU, or that starts the one that is."""
        ...

    def prepare(self) -> ArmFacts:
        """Load and warm up, and return what was found; MeasureError or RuntimeUnavailable with the reason."""
        ...

    def block(self) -> Samples:
        """Time one block: raw samples of every series, in ms; MeasureError with the reason."""
        ...


class SelfTimed(Protocol):
    """What the module of a runtime that times itself offers."""

    def open_arm(self, arm: ArmSpec, bench: BenchSpec, log_path: Path) -> ArmTimer:
        """Take an arm; what the program writes goes beside ``log_path``."""
        ...

    def check_protocol(self, bench: BenchSpec) -> None:
        """Refuse what the program cannot do, with SpecError."""
        ...


def open_timer(
    arm: ArmSpec, bench: BenchSpec, log_path: Path, process: int, environment: Prepared | None = None
) -> ArmTimer:
    """Choose by the arm's runtime.

    Args:
        arm: what is timed.
        bench: how.
        log_path: file for what is said meanwhile.
        process: counts the processes of this arm.
        environment: where it runs, if elsewhere than this process.

    Raises:
        MeasureError: a runtime that times itself cannot be reached there.
    """
    if runtime_entry(arm.runtime).times_itself:
        if environment is not None and environment.spec.kind != "local":
            raise MeasureError(
                f"{arm.runtime} runs locally, not in {environment.spec}: remove --runtime {arm.runtime}"
            )
        return _self_timed(arm.runtime).open_arm(arm, bench, log_path)
    if environment is None:
        return ArmProcess(arm, bench, log_path, process=process)
    place = environment.for_another_process()
    return ArmProcess(arm, bench, log_path, place.python, process, place.container)


def check_protocol(runtimes: Iterable[str], bench: BenchSpec) -> None:
    """Refuse a protocol that one of these runtimes cannot follow.

    Raises:
        SpecError: the protocol does not fit a runtime.
    """
    for runtime in runtimes:
        entry = runtime_entry(runtime)
        if entry.times_itself:
            _self_timed(runtime).check_protocol(bench)
        if entry.device == "cpu" and bench.l2 != "warm":
            raise SpecError(
                f"l2 {bench.l2}: runtime {runtime} computes on a CPU, and only a GPU's L2 cache can be kept "
                "cold: remove one of the two"
            )


def monitor_of(arm: ArmSpec, monitor: "GpuMonitor | None") -> "GpuMonitor | None":
    """What watches a block of ``arm``: nothing if a CPU computes it, or a block is more than its queries."""
    entry = runtime_entry(arm.runtime)
    return None if entry.times_itself or entry.device == "cpu" else monitor


def _self_timed(runtime: str) -> SelfTimed:
    return cast(SelfTimed, import_module(runtime_entry(runtime).module))
