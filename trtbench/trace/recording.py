"""What every reader gives: the events of a recording as columns, times in ns."""

from dataclasses import dataclass, field

import numpy as np

from trtbench.trace.calls import Calls
from trtbench.trace.spans import Column, Ns


@dataclass(frozen=True)
class Kernels:
    """Kernels of one GPU by start. ``name`` is an index into ``names``; ``correlation`` 0 is unknown."""

    names: tuple[str, ...]
    start: Ns
    end: Ns
    name: Column
    correlation: Column
    stream: Column

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Copies:
    """Copies and memsets of one GPU. ``kind`` is an index into ``kinds``, such as ``host to device``."""

    kinds: tuple[str, ...]
    start: Ns
    end: Ns
    kind: Column
    bytes: Ns


@dataclass(frozen=True)
class Ranges:
    """Ranges that the program named, of NVTX or of torch's ``record_function``, on the host's clock."""

    names: tuple[str, ...]
    start: Ns
    end: Ns
    name: Column


@dataclass(frozen=True)
class Recording:
    """One GPU of a recording. ``graph_replays``: of these graphs, no kernels were recorded."""

    tool: str
    gpu: str | None
    target: str | None
    device: int
    kernels: Kernels
    copies: Copies
    calls: Calls
    ranges: Ranges
    graph_replays: int = 0


@dataclass
class Names:
    """Numbers for names, in the order in which they come."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """The number of a name, a new one if it is new."""
        return self.numbers.setdefault(name, len(self.numbers))

    def all(self) -> tuple[str, ...]:
        """All names by number."""
        return tuple(self.numbers)


_NONE = np.empty(0, np.int64)
NO_RANGES = Ranges((), _NONE, _NONE, _NONE)
