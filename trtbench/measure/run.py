"""One measuring run: its identity, its folder, and what its journals hold.

``results/<name>/`` holds ``run.json``, ``blocks.jsonl``, ``constant_blocks.jsonl`` (blocks on inputs of
zeros, which are in no statistic), ``processes.jsonl``, ``rounds.jsonl`` and the logs of the worker processes;
``results/<name>.json`` is the result, and its presence ends the run: the same command then begins another.
Without it, the same command goes on where the last one stopped.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from trtbench.environments.prepared import Prepared
from trtbench.errors import ArtifactError, MeasureError
from trtbench.results import ArmFacts, ProcessRecord, RoundRecord, RunRecord, TimedBlock
from trtbench.results.base import write_text
from trtbench.specs import ArmSpec, canonical_hash
from trtbench.store.artifacts import Store
from trtbench.store.files import file_name
from trtbench.store.journal import Journal, check_once, open_journal

# Part of every run's identity: raise it when the same protocol is to be carried out differently.
_MEASURE_REVISION = "1"
_TITLE_LENGTH = 100


@dataclass(frozen=True)
class Arm:
    """A row of a measurement: ``builds`` are engines built anew from one model, else a single arm.

    ``working_set_bytes``: weights and activations, where they are known. ``environment``: where its processes
    run, if elsewhere than the one that measures. ``group``: its arms are alive at once and take turns; groups
    take turns round by round.
    """

    builds: tuple[ArmSpec, ...]
    working_set_bytes: int | None = None
    environment: Prepared | None = None
    group: str = ""

    @property
    def label(self) -> str:
        """Name of the row."""
        return self.builds[0].label

    def spec(self, build: int) -> ArmSpec:
        """The arm for this number of build; arms that are not built anew take part with what they have."""
        return self.builds[min(build, len(self.builds) - 1)]


@dataclass(frozen=True)
class Run:
    """Folder and open journals of a run in progress."""

    name: str
    store: Store
    folder: Path
    blocks: Journal[TimedBlock]
    constant_blocks: Journal[TimedBlock]
    processes: Journal[ProcessRecord]
    rounds: Journal[RoundRecord]

    def blocks_of(self, label: str, process: int | None = None) -> list[TimedBlock]:
        """Finished blocks of an arm, of one process or of all."""
        return [b for b in self.blocks.lines if b.arm == label and process in (None, b.process)]

    def constant_blocks_of(self, label: str) -> list[TimedBlock]:
        """Blocks of an arm on inputs of zeros."""
        return [b for b in self.constant_blocks.lines if b.arm == label]

    def facts_of(self, label: str) -> ArmFacts | None:
        """What the first process that loaded the arm found out, with the notes of all of them."""
        found = [p.facts for p in self.processes.lines if p.arm == label and p.facts]
        return with_all_notes(found) if found else None

    def failure_of(self, label: str) -> MeasureError | None:
        """Why the last process of the arm failed, if it did."""
        last = next((p for p in reversed(self.processes.lines) if p.arm == label), None)
        if last is None or last.reason is None:
            return None
        return MeasureError(last.reason, code=last.code)

    def failures_of(self, label: str) -> list[str]:
        """Why processes of the arm failed, those before an interruption included."""
        return [p.reason for p in self.processes.lines if p.arm == label and p.reason]

    def ended_rounds(self, group: str = "") -> int:
        """Count the rounds of a group that ended; one without records of its processes has no facts."""
        recorded = {p.process for p in self.processes.lines}
        return sum(each.group == group and each.process in recorded for each in self.rounds.lines)

    def end_round(self, process: int, group: str) -> None:
        """Record that the processes of this number ended, once their blocks are on the disk.

        Raises:
            ArtifactError: a journal cannot be written.
        """
        self.blocks.sync()
        count = sum(block.process == process for block in self.blocks.lines)
        self.rounds.append(RoundRecord(process=process, group=group, blocks=count))

    def check_complete(self) -> None:
        """Refuse a journal that lost the last blocks of a round that ended.

        Raises:
            ArtifactError: which blocks are missing.
        """
        found = Counter(block.process for block in self.blocks.lines)
        for each in self.rounds.lines:
            count = found[each.process]
            if each.blocks not in (None, count):
                raise ArtifactError(
                    f"{self.folder / 'blocks.jsonl'}: holds {count} of the {each.blocks} blocks of process "
                    f"{each.process}: remove the folder and measure again"
                )

    def next_process(self) -> int:
        """A number that no process had yet."""
        numbers = {p.process for p in self.processes.lines} | {b.process for b in self.blocks.lines}
        return 1 + max(numbers, default=-1)


def with_all_notes(facts: Sequence[ArmFacts]) -> ArmFacts:
    """The first of the facts that processes of one arm found, with the notes of all, each once."""
    notes = dict.fromkeys(note for each in facts for note in each.notes)
    unsteady = dict.fromkeys(text for each in facts for text in each.unsteady)
    return facts[0].model_copy(update={"notes": tuple(notes), "unsteady": tuple(unsteady)})


@contextmanager
def open_run(store: Store, title: str, record: RunRecord) -> Iterator[Run]:
    """Go on with the unfinished run of this identity, or begin one.

    Raises:
        MeasureError: another process is using it.
        ArtifactError: the store cannot be written, or a journal is damaged.
    """
    store.check_in_place()
    name = run_name(store, title, record)
    folder = store.results / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot be written: {error.strerror}") from error
    with (
        open_journal(folder / "blocks.jsonl", TimedBlock) as blocks,
        open_journal(folder / "constant_blocks.jsonl", TimedBlock) as constant_blocks,
        open_journal(folder / "processes.jsonl", ProcessRecord) as processes,
        open_journal(folder / "rounds.jsonl", RoundRecord) as rounds,
    ):
        store.check_in_place()
        write_text(folder / "run.json", record.model_dump_json(indent=2) + "\n")
        check_once(folder / "blocks.jsonl", blocks.lines)
        run = Run(name, store, folder, blocks, constant_blocks, processes, rounds)
        run.check_complete()
        yield run


def run_name(store: Store, title: str, record: RunRecord) -> str:
    """Name the first run of this identity that has no result yet."""
    stem = f"{file_name(title)[:_TITLE_LENGTH]}-{run_id(record)}"
    names = (f"{stem}-{number}" for number in count(1))
    return next(name for name in names if not store.result_path(name).exists())


def run_id(record: RunRecord) -> str:
    """Hash of all that two halves of one run must have in common; a file counts by its content."""
    checkpoint = {"checkpoint": {"path": True}}
    arms = [
        arm.model_dump(mode="json", exclude={"artifact": True, "export": {"model": checkpoint}})
        for arm in record.arms
    ]
    rest = record.model_dump(mode="json", exclude={"arms"})
    return canonical_hash({"revision": _MEASURE_REVISION, "arms": arms, **rest})[:12]
