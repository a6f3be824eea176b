"""What a GPU does while a block runs on it, read through NVML by a thread of the coordinator.

Nothing here changes a setting of the GPU. A counter that this GPU or driver does not have is absent from
what is read: never a guess.
"""

import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Protocol, get_args

from trtbench.host.hardware import first_visible_gpu
from trtbench.results import Telemetry, ThrottleReason
from trtbench.runtimes import runtime_entry
from trtbench.specs import ArmSpec

INTERVAL_S = 0.02
"""Between two readings of clock, power and temperature."""

_THROTTLE_COUNTERS: tuple[ThrottleReason, ...] = get_args(ThrottleReason)
_NS_PER_US = 1000
# Drivers advance the counters of time and energy in steps of up to this long.
_COUNTER_STEP_S = 0.2


class Watch:
    """One watched block; ``telemetry`` is there once the ``with`` of ``GpuMonitor.watch`` is left."""

    telemetry: Telemetry


class GpuMonitor(Protocol):
    """What can watch a block."""

    def watch(self, own_pids: Collection[int]) -> AbstractContextManager[Watch]:
        """Watch the GPU while the ``with`` lasts; processes on it other than ``own_pids`` are foreign.

        With no ``own_pids``, before the first worker starts, whoever is on the GPU is foreign.
        """
        ...


def open_monitor(arms: Iterable[ArmSpec]) -> GpuMonitor | None:
    """Open what watches the device that these arms run on.

    Returns:
        NVML's view of CUDA's first GPU, if an arm runs on a GPU and NVML answers; what the first script with
        telemetry says, if arms are scripted; else None.
    """
    arms = tuple(arms)
    devices = {runtime_entry(arm.runtime).device for arm in arms}
    if "cuda" in devices:
        return open_nvml()
    if "script" in devices:
        return open_scripted([arm for arm in arms if runtime_entry(arm.runtime).device == "script"])
    return None


def open_nvml() -> "NvmlMonitor | None":
    """Find the GPU that CUDA calls the first in our workers, or None without NVML or such a GPU."""
    found = visible_gpu()
    return None if found is None else NvmlMonitor(*found)


def visible_gpu() -> tuple[Any, Any] | None:
    """NVML and its handle of the GPU that CUDA calls the first, or None without NVML or such a GPU."""
    try:
        import pynvml

        # Never shut down: a monitor lives as long as its process measures.
        pynvml.nvmlInit()
        handle = first_visible_gpu(pynvml, os.environ.get("CUDA_VISIBLE_DEVICES"))
    except ImportError:
        return None
    except pynvml.NVMLError:
        return None
    return None if handle is None else (pynvml, handle)


def open_scripted(arms: Sequence[ArmSpec]) -> "ScriptedMonitor | None":
    """Take the telemetry of the first of these scripts that has any, or None."""
    from trtbench.runtimes.fake import read_script

    scripted = [read_script(arm).telemetry for arm in arms]
    return next((ScriptedMonitor(telemetry) for telemetry in scripted if telemetry), None)


class ScriptedMonitor:
    """Gives the telemetry of a script, one entry a watched block, from the beginning again after the last."""

    def __init__(self, telemetry: Sequence[Telemetry]) -> None:
        self._first = telemetry[0]
        self._telemetry = cycle(telemetry)

    @contextmanager
    def watch(self, own_pids: Collection[int]) -> Iterator[Watch]:
        """Give the next entry; with no ``own_pids`` there is no block yet, and the first entry stays."""
        watch = Watch()
        watch.telemetry = next(self._telemetry) if own_pids else self._first
        yield watch


@dataclass
class _Readings:
    """What is read again and again during a block."""

    sm_clock_mhz: list[int] = field(default_factory=list)
    power_w: list[float] = field(default_factory=list)
    temperature_c: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Counters:
    """Counters that only grow, and the processes, at one moment; a counter that NVML lacks is absent."""

    time_s: float
    energy_mj: int | None
    throttle_ns: dict[ThrottleReason, int]
    pids: frozenset[int]


class NvmlMonitor:
    """One GPU through NVML; ``nvml`` is the module ``pynvml``."""

    def __init__(self, nvml: Any, handle: Any, interval_s: float = INTERVAL_S) -> None:
        self._nvml = nvml
        self._handle = handle
        self._interval_s = interval_s
        fields = {name: f"NVML_FI_DEV_CLOCKS_EVENT_REASON_{name.upper()}" for name in _THROTTLE_COUNTERS}
        self._throttle_fields = {
            name: getattr(nvml, constant) for name, constant in fields.items() if hasattr(nvml, constant)
        }

    @contextmanager
    def watch(self, own_pids: Collection[int]) -> Iterator[Watch]:
        """Read counters before and after, and clock, power and temperature before, during and after."""
        watch, readings, stop = Watch(), _Readings(), threading.Event()
        before = self._counters()
        self._read_into(readings)
        sampler = threading.Thread(target=self._sample, args=(readings, stop), daemon=True)
        sampler.start()
        try:
            yield watch
        finally:
            stop.set()
            sampler.join()
            self._read_into(readings)
            watch.telemetry = _telemetry(readings, before, self._counters(), own_pids)

    def _sample(self, readings: _Readings, stop: threading.Event) -> None:
        while not stop.wait(self._interval_s):
            self._read_into(readings)

    def _read_into(self, readings: _Readings) -> None:
        nvml = self._nvml
        clock_mhz = self._ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM)
        power_mw = self._power_mw()
        temperature_c = self._ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU)
        if clock_mhz is not None:
            readings.sm_clock_mhz.append(clock_mhz)
        if power_mw is not None:
            readings.power_w.append(power_mw / 1e3)
        if temperature_c is not None:
            readings.temperature_c.append(temperature_c)

    def _power_mw(self) -> int | None:
        """Power at this moment; where only the other is known, the mean of the last second."""
        field_id = getattr(self._nvml, "NVML_FI_DEV_POWER_INSTANT", None)
        values = self._fields([] if field_id is None else [field_id])
        if values and values[0].nvmlReturn == self._nvml.NVML_SUCCESS:
            return int(values[0].value.uiVal)
        power_mw: int | None = self._ask(self._nvml.nvmlDeviceGetPowerUsage)
        return power_mw

    def _counters(self) -> _Counters:
        nvml = self._nvml
        processes = self._ask(nvml.nvmlDeviceGetComputeRunningProcesses) or []
        return _Counters(
            time_s=time.monotonic(),
            energy_mj=self._ask(nvml.nvmlDeviceGetTotalEnergyConsumption),
            throttle_ns=self._throttle_ns(),
            pids=frozenset(process.pid for process in processes),
        )

    def _throttle_ns(self) -> dict[ThrottleReason, int]:
        """Nanoseconds (DCGM names the same fields ``..._NS``) that each reason has held the clock down.

        Headers of NVML give some of these fields other numbers than older drivers do. A driver that knows the
        number as something else answers with another type.
        """
        values = self._fields(list(self._throttle_fields.values()))
        return {
            name: int(value.value.ullVal)
            for name, value in zip(self._throttle_fields, values, strict=False)
            if value.nvmlReturn == self._nvml.NVML_SUCCESS
            and value.valueType == self._nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
        }

    def _fields(self, field_ids: Sequence[int]) -> Sequence[Any]:
        return (self._ask(self._nvml.nvmlDeviceGetFieldValues, list(field_ids)) or ()) if field_ids else ()

    def _ask(self, question: Any, *arguments: Any) -> Any | None:
        """The driver's answer, or None if this GPU, driver or sandbox has none."""
        try:
            return question(self._handle, *arguments)
        except self._nvml.NVMLError:
            return None


def _telemetry(
    readings: _Readings, before: _Counters, after: _Counters, own_pids: Collection[int]
) -> Telemetry:
    duration_s = after.time_s - before.time_s
    return Telemetry(
        sm_clock_mhz=tuple(readings.sm_clock_mhz),
        power_w=tuple(readings.power_w),
        temperature_c=tuple(readings.temperature_c),
        energy_j=_energy_j(before.energy_mj, after.energy_mj),
        throttle_us=_throttle_us(before.throttle_ns, after.throttle_ns, duration_s),
        foreign_pids=foreign_pids(before.pids | after.pids, own_pids),
        duration_s=duration_s,
    )


def _energy_j(before_mj: int | None, after_mj: int | None) -> float | None:
    return None if before_mj is None or after_mj is None else (after_mj - before_mj) / 1e3


def _throttle_us(
    before_ns: dict[ThrottleReason, int], after_ns: dict[ThrottleReason, int], duration_s: float
) -> dict[ThrottleReason, int]:
    """How far each counter went; one that outran the clock, or ran backwards, counts something else."""
    limit_us = (duration_s + _COUNTER_STEP_S) * 1e6
    deltas = {
        name: (after_ns[name] - before_ns[name]) // _NS_PER_US for name in before_ns if name in after_ns
    }
    return {name: delta_us for name, delta_us in deltas.items() if 0 <= delta_us <= limit_us}


def foreign_pids(pids: Collection[int], own_pids: Collection[int]) -> tuple[int, ...]:
    """Processes on the GPU that are not ours.

    In a container, the driver may number processes differently: then none of our ids is among its ids, ours
    cannot be told from others, and none is called foreign.
    """
    if own_pids and not set(own_pids) & set(pids):
        return ()
    return tuple(sorted(set(pids) - set(own_pids)))
