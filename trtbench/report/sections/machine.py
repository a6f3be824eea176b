"""Machine, environments and versions behind a comparison."""

from collections.abc import Iterable

from trtbench.report.figures.figure import short
from trtbench.report.text.keys import environment_line
from trtbench.results import Comparison, Environment
from trtbench.units import format_bytes


def machine_facts(comparison: Comparison) -> Iterable[tuple[str, str]]:
    """Pairs of label and value."""
    if comparison.environment is not None:
        yield from environment_facts(comparison.environment)
    for record in comparison.environments:
        yield "environment", short(environment_line(record), 400)
    for source in comparison.sources:
        yield "from result", short(source, 200)
    if comparison.predicted_on is not None:
        gpu = comparison.predicted_on
        yield "clock of predictions", f"{gpu.clock_mhz:.0f} MHz, {gpu.dram_gb_per_s:.0f} GB/s of DRAM"
    assumed = (line for row in comparison.rows if row.predicted for line in row.predicted.assumptions)
    for line in dict.fromkeys(assumed):
        yield "predictions assume", short(line, 400)


def recorded_facts(environment: Environment | None) -> Iterable[tuple[str, str]]:
    """When the result was made, and from which commit, as far as that is recorded."""
    if environment is not None and environment.recorded_utc:
        yield "made", short(environment.recorded_utc.replace("T", " ").replace("+00:00", " UTC"))
    if environment is not None and environment.commit:
        yield "commit", short(str(environment.commit))


def command_of(environment: Environment | None) -> str:
    """The command that gave the result; empty where that is not recorded."""
    return short(environment.command, 2000) if environment and environment.command else ""


def environment_facts(environment: Environment) -> Iterable[tuple[str, str]]:
    """What the machine was, and the versions on it."""
    yield "trtbench", short(environment.trtbench_version)
    yield "Python", short(environment.python_version)
    yield "platform", short(environment.platform, 200)
    memory = format_bytes(environment.memory_bytes)
    yield "CPU", short(f"{environment.cpu_model}, {environment.cpu_count} cores, {memory}", 200)
    for gpu in environment.gpus:
        yield "GPU", short(f"{gpu.name}, driver {gpu.driver_version}", 200)
    if environment.no_gpu_reason:
        yield "no GPU", short(environment.no_gpu_reason, 300)
    yield "packages", short(", ".join(f"{name} {each}" for name, each in environment.packages.items()), 4000)
