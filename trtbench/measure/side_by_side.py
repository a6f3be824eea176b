"""Measure several arms in one run: blocks, summaries, findings, and a verdict on each arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trtbench.errors import Code, MeasureError, SpecError
from trtbench.measure.findings import Observed, cross_checks, findings_between, findings_of
from trtbench.measure.interleave import interleave
from trtbench.measure.machine import gpu_identity, machine_identity
from trtbench.measure.run import Arm, Run, open_run
from trtbench.measure.summarise import block_samples, measurement_of
from trtbench.measure.telemetry import GpuMonitor, open_monitor
from trtbench.measure.verdict import decide
from trtbench.progress import OnStep
from trtbench.results import Environment, Measurement, RunRecord, TimedBlock, Verdict
from trtbench.runtimes import runtime_entry
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.stats import Ratio, speedup
from trtbench.store.artifacts import Store


@dataclass(frozen=True)
class Measured:
    """What a run came to; ``name`` is that of its folder and its result under ``results/``."""

    name: str
    gpu: str | None
    measurements: tuple[Measurement, ...]
    verdicts: tuple[Verdict, ...]


def measure_side_by_side(
    arms: Sequence[Arm],
    bench: BenchSpec,
    store: Store,
    title: str,
    on_step: OnStep,
    environment: Environment,
    exclusive: bool = False,
    against: Mapping[str, str] | None = None,
) -> Measured:
    """Measure ``arms``, the first being the baseline of the verdicts; an arm that fails says why.

    The caller saves the result as ``results/<name>.json``, which ends the run.

    Args:
        arms: with labels that differ.
        bench: the protocol.
        store: where runs are kept.
        title: the part of the run's name for people.
        on_step: progress callback, before and after each turn.
        environment: this machine.
        exclusive: refuse to start while another process has the GPU open.
        against: label of the arm that each other one is compared with, where that is not the first; an arm
            that is not in it is compared with none.

    Raises:
        SpecError: two arms have one label.
        MeasureError: another process has the GPU, and ``exclusive``; or another trtbench measures the same.
        ArtifactError: the store cannot be written, or a journal in it is damaged.
    """
    specs = [build for arm in arms for build in arm.builds]
    _check_labels(arms)
    gpu = gpu_identity() if uses_gpu(specs) else None
    machine = machine_identity(gpu, environment, [spec.runtime for spec in specs])
    record = RunRecord(purpose="measure", arms=tuple(specs), protocol=bench, machine=machine)
    monitor = open_monitor(specs)
    foreign_pids = check_exclusive(monitor, exclusive)
    with open_run(store, title, record) as run:
        interleave(run, arms, bench, monitor, on_step)
        observed = [_observe(run, arm, bench, gpu["name"] if gpu else None, foreign_pids) for arm in arms]
        if against is None:
            against = {arm.label: arms[0].label for arm in arms[1:]}
        return Measured(
            name=run.name,
            gpu=gpu["name"] if gpu else None,
            measurements=tuple(
                _with_findings(each, _baseline(each, observed, against), observed) for each in observed
            ),
            verdicts=tuple(
                _verdict(baseline, each)
                for each in observed
                if (baseline := _baseline(each, observed, against)) is not None
            ),
        )


def uses_gpu(arms: Sequence[ArmSpec]) -> bool:
    """Whether any of these arms runs on a GPU."""
    return any(runtime_entry(arm.runtime).device == "cuda" for arm in arms)


def check_exclusive(monitor: GpuMonitor | None, exclusive: bool) -> tuple[int, ...]:
    """Return the ids of processes that have the GPU open before the first of ours does.

    Raises:
        MeasureError: ``exclusive``, and there are such processes, or they cannot be listed.
    """
    if monitor is None and exclusive:
        raise MeasureError(
            "--exclusive: NVML does not answer, so the GPU's other processes cannot be listed: fix the "
            "driver (trtbench doctor), or remove --exclusive"
        )
    if monitor is None:
        return ()
    with monitor.watch(()) as watch:
        pass
    pids = watch.telemetry.foreign_pids
    if pids and exclusive:
        raise MeasureError(
            f"other processes have the GPU open ({', '.join(map(str, pids))}): stop them, or remove "
            "--exclusive",
            code=Code.FOREIGN_PROCESS,
        )
    return pids


def ratio_of(
    baseline: Measurement, old: Sequence[TimedBlock], arm: Measurement, new: Sequence[TimedBlock]
) -> Ratio | None:
    """Speed-up in the main series, if both have samples in one and the same."""
    if baseline.facts is None or arm.facts is None or baseline.facts.main_series != arm.facts.main_series:
        return None
    series = arm.facts.main_series
    samples = block_samples(old, series), block_samples(new, series)
    return speedup(*samples) if all(samples) else None


def _check_labels(arms: Sequence[Arm]) -> None:
    labels = [arm.label for arm in arms]
    repeated = [label for label in labels if labels.count(label) > 1]
    if repeated:
        raise SpecError(f"{repeated[0]} is named more than once; to compare an arm with itself, use --aa")


def _observe(
    run: Run, arm: Arm, bench: BenchSpec, gpu: str | None, foreign_pids: tuple[int, ...]
) -> Observed:
    blocks = run.blocks_of(arm.label)
    measurement = measurement_of(
        arm.builds[0],
        bench,
        blocks,
        run.facts_of(arm.label),
        run.failure_of(arm.label),
        gpu if uses_gpu(arm.builds) else None,
        f"{run.name}/blocks.jsonl",
    )
    return Observed(
        arm,
        measurement,
        blocks,
        () if runtime_entry(arm.builds[0].runtime).device == "cpu" else foreign_pids,
        run.constant_blocks_of(arm.label),
        run.failures_of(arm.label),
    )


def _baseline(arm: Observed, observed: Sequence[Observed], against: Mapping[str, str]) -> Observed | None:
    """What ``arm`` is compared with, if it takes part."""
    label = against.get(arm.arm.label)
    return next((each for each in observed if each.arm.label == label), None)


def _with_findings(arm: Observed, baseline: Observed | None, observed: Sequence[Observed]) -> Measurement:
    shared = () if baseline is None else findings_between(baseline, arm)
    found = findings_of(arm) + shared + cross_checks(arm, observed)
    return arm.measurement.model_copy(update={"findings": found})


def _verdict(baseline: Observed, arm: Observed) -> Verdict:
    ratio = ratio_of(baseline.measurement, baseline.blocks, arm.measurement, arm.blocks)
    return decide(baseline.measurement, arm.measurement, ratio)
