"""Time one arm: an artifact or a recipe in one runtime."""

from trtbench.host.hardware import collect_environment
from trtbench.measure.run import Arm
from trtbench.measure.side_by_side import measure_side_by_side
from trtbench.measure.summarise import measurement_of
from trtbench.progress import OnProgress
from trtbench.results import Measurement
from trtbench.specs import ArmSpec, BenchSpec, ExportSpec
from trtbench.store.artifacts import Store, save_result


def bench(
    arm: Arm, spec: BenchSpec, store: Store, on_progress: OnProgress, exclusive: bool = False
) -> Measurement:
    """Measure ``arm`` and keep the result in the store; a failure is a measurement with its reason.

    Raises:
        MeasureError: another process has the GPU, and ``exclusive``.
        ArtifactError: the store cannot be written.
    """
    measured = measure_side_by_side([arm], spec, store, _title(arm), on_progress, exclusive)
    environment = collect_environment().model_dump(mode="json")
    measurement = measured.measurements[0].model_copy(update={"environment": environment})
    save_result(store, measured.name, measurement)
    return measurement


def unmade(label: str, export: ExportSpec, runtime: str, bench: BenchSpec, reason: str) -> Measurement:
    """The measurement of an arm that could not be exported or built, for ``reason``."""
    arm = ArmSpec(
        label=label, runtime=runtime, recipe=export.recipe, export=export, artifact=None, artifact_sha256=None
    )
    return measurement_of(arm, bench, [], None, reason, gpu=None, raw="")


def _title(arm: Arm) -> str:
    """Name a run after the model and the batch, too, where they are known, and the runtime."""
    spec = arm.builds[0]
    what = f"{spec.export.model.name}-{spec.export.shape_name}-{arm.label}" if spec.export else arm.label
    return f"bench-{what}-{spec.runtime}"
