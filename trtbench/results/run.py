"""What a measuring run writes as it goes, and how often an arm differs from itself."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from trtbench.errors import Code
from trtbench.results.base import SCHEMA_VERSION, Count, Finding, Result
from trtbench.results.environments import Environment
from trtbench.results.measurement import ArmFacts, Measurement, Series, Telemetry, VerdictWord
from trtbench.results.rows import Row, flat
from trtbench.specs import ArmSpec, BenchSpec, Spec


class RunRecord(Spec):
    """``run.json``: what a journal of blocks belongs to. Another record is another run.

    ``machine``: the GPU with its UUID and driver, the CPU, and the versions of packages (and of trtexec) that
    run models.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["run"] = "run"
    purpose: Literal["measure", "aa"]
    arms: tuple[ArmSpec, ...]
    protocol: BenchSpec
    machine: dict[str, Any]


class ProcessRecord(Spec):
    """One process of one arm: a line of ``processes.jsonl``; ``reason`` and ``code``: why it failed."""

    schema_version: int = SCHEMA_VERSION
    arm: str
    build: int
    process: int
    started_utc: str
    facts: ArmFacts | None
    reason: str | None = None
    code: Code | None = None


class RoundRecord(Spec):
    """A round that the stop rules ended: a line of ``rounds.jsonl``; one that was cut short has none.

    ``process`` is the number that the processes of its arms share; ``group``: which arms took turns in it;
    ``blocks``: how many they finished, unknown in rounds of older versions.
    """

    schema_version: int = SCHEMA_VERSION
    process: int
    group: str = ""
    blocks: Count | None = None


class AaComparison(Spec):
    """An arm against itself, once: a line of ``comparisons.jsonl``; ``groups`` are process ids."""

    schema_version: int = SCHEMA_VERSION
    groups: tuple[tuple[int, ...], tuple[int, ...]]
    verdict: VerdictWord
    ratio: float | None
    ci95: tuple[float, float] | None


class AaBlock(Spec):
    """One block of a comparison of an arm with itself, in its main series.

    ``median_ms`` is of all ``samples``; ``sample_ms`` keeps at most 200 of them, evenly spaced in time, to
    the nanosecond. ``process`` is that of the pool, ``pair`` counts the pairs of processes.
    """

    side: Literal["A", "B"]
    process: int
    pair: int
    block: int
    started_utc: str
    samples: Count
    median_ms: float
    sample_ms: tuple[float, ...]
    telemetry: Telemetry | None


class AaBlocks(Spec):
    """The blocks of one comparison of an arm with itself: a line of ``comparison_blocks.jsonl``."""

    schema_version: int = SCHEMA_VERSION
    comparison: int
    blocks: tuple[AaBlock, ...]


class AaReport(Result):
    """How often the verdict is wrong where the truth is known: an arm against itself, many times.

    ``false_alarm_share`` counts FASTER and SLOWER; ``coverage``: share of the 95 % intervals that hold 1;
    ``half_width``: median half width of the intervals, relative to the ratio. ``facts``: of the first process
    of the pool, with the notes of all.
    """

    EVIDENCE: ClassVar[tuple[str, ...]] = ("measured",)

    schema_version: int = SCHEMA_VERSION
    kind: Literal["aa_report"] = "aa_report"
    environment: Environment
    gpu: str | None
    arm: ArmSpec
    protocol: BenchSpec
    series: Series
    facts: ArmFacts | None = None
    comparisons: int
    pool: int = Field(description="processes that the groups are drawn from")
    verdicts: dict[VerdictWord, int]
    false_alarm_share: float
    coverage: float
    half_width: float
    findings: tuple[Finding, ...] = ()
    raw: str = Field(description="file of the comparisons, relative to the result")

    @property
    def has_failed(self) -> bool:
        """Never: an arm that fails leaves no report."""
        return False

    def measurements(self) -> tuple[Measurement, ...]:
        """None: blocks are kept comparison by comparison."""
        return ()

    def with_samples_in(self, folder: Path) -> "AaReport":
        """The same, to be kept outside of ``folder``, where the file of comparisons is."""
        return self.model_copy(update={"raw": str(folder.absolute() / self.raw)})

    def to_rows(self) -> list[Row]:
        """The only one; ``half_width`` is relative to the ratio."""
        fields = ("gpu", "series", "comparisons", "pool", "verdicts", "false_alarm_share", "coverage")
        return [{**flat(self.arm, "label", "runtime", "recipe"), **flat(self, *fields, "half_width")}]

    def raw_files(self, folder: Path) -> list[Path]:
        """The file of comparisons; ``folder`` holds the stored result."""
        return [folder / self.raw]
