"""Time one arm: an artifact or a recipe in one runtime."""

from trtbench.artifacts import Store, save_result
from trtbench.environment import collect_environment
from trtbench.measure.run import Arm
from trtbench.measure.side_by_side import measure_side_by_side
from trtbench.progress import OnProgress
from trtbench.results import Measurement
from trtbench.specs import BenchSpec


def bench(
    arm: Arm, spec: BenchSpec, store: Store, on_progress: OnProgress, exclusive: bool = False
) -> Measurement:
    """Measure ``arm`` and keep the result in the store; a failure is a measurement with its reason.

    Raises:
        MeasureError: another process has the GPU, and ``exclusive``.
        ArtifactError: the store cannot be written.
    """
    measured = measure_side_by_side([arm], spec, store, f"bench-{arm.label}", on_progress, exclusive)
    environment = collect_environment().model_dump(mode="json")
    measurement = measured.measurements[0].model_copy(update={"environment": environment})
    save_result(store, measured.name, measurement)
    return measurement
