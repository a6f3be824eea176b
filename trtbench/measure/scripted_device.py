"""The device of scripted arms: memory of this process, and times from the script (see runtimes/fake.py)."""

import copy
import math
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy.typing as npt

from trtbench.measure.device import Graph, Query
from trtbench.measure.host_device import HostDevice
from trtbench.results import Series
from trtbench.runtimes import Runtime, Tensor
from trtbench.runtimes.fake import LONGEST_MS, SHORTEST_MS, Distribution, Script, read_script
from trtbench.specs import ArmSpec

_L2_BYTES = 8192
"""Small, so that a few inputs and outputs of scripted size exceed it."""


class ScriptedDevice(HostDevice):
    """Runs each query for what it does, and gives the time that the script says.

    Its clock is the sum of the times of all queries and copies so far.
    """

    def __init__(self, script: Script, seed: str) -> None:
        super().__init__()
        self.main_series = script.main_series
        self.l2_bytes = _L2_BYTES
        self._script = script
        self._now_ms = 0.0
        self._zeros: set[int] = set()
        self._random = random.Random(seed)  # noqa: S311 (times, no secret)
        self._draws = dict.fromkeys(script.series, 0)
        self._level = {
            name: _log_normal(self._random, times.process_noise) if isinstance(times, Distribution) else 1.0
            for name, times in script.series.items()
        }

    def now_ms(self) -> float:
        """Scripted time."""
        return self._now_ms

    def upload(self, tensor: Tensor, values: npt.NDArray[Any]) -> None:
        """Copy, and remember which memory holds zeros: times may depend on it."""
        super().upload(tensor, values)
        (self._zeros.discard if values.any() else self._zeros.add)(tensor.pointer)

    def flush_l2(self) -> None:
        """Takes no scripted time: it is between queries."""

    def capture(self, runtime: Runtime) -> Graph:
        """A graph of as many kernels as the script says."""
        with runtime.capturing():
            # A graph keeps the addresses that were bound when it was captured.
            captured = copy.copy(runtime)
        return Graph(self._script.graph_kernels, lambda: captured.enqueue(self.stream))

    def time_queries(self, queries: Iterator[Query], count: int) -> list[float]:
        """Run the queries; their times are the next of the main series."""
        times_ms = []
        for query in islice(queries, count):
            if query.before is not None:
                query.before()
            query.start()
            times_ms.append(self._next_ms(self.main_series))
            self._now_ms += times_ms[-1]
        return times_ms

    def time_single(self, query: Query) -> dict[Series, float]:
        """The next of ``enqueue_ms`` and ``host_wall_ms``, as far as they are scripted."""
        if query.before is not None:
            query.before()
        query.start()
        self._now_ms += self._next_ms(self.main_series)
        return self._next_of("enqueue_ms", "host_wall_ms")

    def time_copies(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[Series, float]:
        """The next of ``h2d_ms`` and ``d2h_ms``, as far as they are scripted."""
        times_ms = self._next_of("h2d_ms", "d2h_ms")
        self._now_ms += sum(times_ms.values())
        return times_ms

    def _next_of(self, *names: Series) -> dict[Series, float]:
        return {
            name: self._next_ms(name)
            for name in names
            if name in self._script.series and name != self.main_series
        }

    def _next_ms(self, name: Series) -> float:
        """The next time of a series, never so short that a block does not end."""
        return min(max(self._scripted_ms(name), SHORTEST_MS), LONGEST_MS)

    def _scripted_ms(self, name: Series) -> float:
        """What the script makes of it; slow-downs, and what inputs of zeros change, hold all series."""
        times = self._script.series[name]
        index, self._draws[name] = self._draws[name], self._draws[name] + 1
        factor = math.prod(s.factor for s in self._script.slowdowns if s.from_ms <= self._now_ms < s.to_ms)
        factor *= self._script.constant_inputs_factor if self._zeros else 1.0
        if isinstance(times, tuple):
            return factor * times[index % len(times)]
        if isinstance(times, float):
            return factor * times
        drift = 1.0 + times.drift_per_s * self._now_ms / 1e3
        return factor * self._level[name] * drift * times.median_ms * _log_normal(self._random, times.noise)


def open_device(arm: ArmSpec, process: int) -> ScriptedDevice:
    """Read the arm's script; arms, builds and processes have times of their own.

    Raises:
        MeasureError: the file is not a script.
    """
    script = read_script(arm)
    return ScriptedDevice(script, f"{script.seed} {arm.label} {arm.build} {process}")


def _log_normal(generator: random.Random, relative_noise: float) -> float:
    """A factor of median 1; no draw where there is no noise."""
    return math.exp(generator.gauss(0.0, relative_noise)) if relative_noise else 1.0
