"""Telemetry: arithmetic and gaps, with a scripted NVML in place of the driver's."""

import sys
import time
from types import SimpleNamespace

import pytest

from trtbench.measure.telemetry import (
    NvmlMonitor,
    foreign_pids,
    open_monitor,
    visible_gpu,
)
from trtbench.specs import ArmSpec

POWER_INSTANT = 186
THROTTLE_FIELDS = {
    "SW_POWER_CAP": 74,
    "SYNC_BOOST": 76,
    "SW_THERM_SLOWDOWN": 269,
    "HW_THERM_SLOWDOWN": 270,
    "HW_POWER_BRAKE_SLOWDOWN": 271,
}


class NVMLError(Exception):
    pass


class ScriptedNvml:
    """The part of ``pynvml`` that is used; ``fields`` maps a field to (type, value), others are unknown."""

    NVMLError = NVMLError
    NVML_SUCCESS = 0
    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0
    NVML_VALUE_TYPE_UNSIGNED_INT = 1
    NVML_VALUE_TYPE_UNSIGNED_LONG_LONG = 3
    NVML_FI_DEV_POWER_INSTANT = POWER_INSTANT

    def __init__(self, fields=None, missing=(), pids=(), uuids=("GPU-aaaa-1", "GPU-bbbb-2")):
        self.fields = dict(fields or {})
        self.missing, self.pids, self.uuids = missing, pids, uuids
        self.energy_mj = 1_000_000
        for name, field_id in THROTTLE_FIELDS.items():
            setattr(self, f"NVML_FI_DEV_CLOCKS_EVENT_REASON_{name}", field_id)

    def _answer(self, name, value):
        if name in self.missing:
            raise NVMLError("Not Supported")
        return value

    def nvmlDeviceGetClockInfo(self, handle, kind):  # noqa: N802
        return self._answer("clock", 1980)

    def nvmlDeviceGetTemperature(self, handle, sensor):  # noqa: N802
        return self._answer("temperature", 47)

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        return self._answer("power", 266_000)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        return self._answer("energy", self.energy_mj)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return self._answer("processes", [SimpleNamespace(pid=pid) for pid in self.pids])

    def nvmlDeviceGetFieldValues(self, handle, field_ids):  # noqa: N802
        self._answer("fields", None)
        return [self._field(field_id) for field_id in field_ids]

    def _field(self, field_id):
        kind, value = self.fields.get(field_id, (0, None))
        union = SimpleNamespace(uiVal=value, ullVal=value)
        return SimpleNamespace(nvmlReturn=0 if field_id in self.fields else 3, valueType=kind, value=union)

    def nvmlDeviceGetCount(self):  # noqa: N802
        return len(self.uuids)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index >= len(self.uuids):
            raise NVMLError("Invalid Argument")
        return index

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return self.uuids[handle]


def _counters(**values_ns):
    return {THROTTLE_FIELDS[name]: (3, value_ns) for name, value_ns in values_ns.items()}


def _watch(nvml, during, own_pids=(), interval_s=0.005):
    with NvmlMonitor(nvml, 0, interval_s).watch(own_pids) as watch:
        during()
    return watch.telemetry


def test_readings_and_differences():
    fields = {
        POWER_INSTANT: (1, 310_500),
        **_counters(SW_POWER_CAP=5_000_000, SYNC_BOOST=7, HW_THERM_SLOWDOWN=0),
    }
    nvml = ScriptedNvml(fields, pids=(10, 11, 99))

    def during():
        nvml.energy_mj += 75_250
        nvml.fields[THROTTLE_FIELDS["SW_POWER_CAP"]] = (3, 5_000_000 + 12_345_678)
        time.sleep(0.05)

    telemetry = _watch(nvml, during, own_pids=(10, 11))
    assert set(telemetry.power_w) == {310.5}
    assert set(telemetry.sm_clock_mhz) == {1980}
    assert set(telemetry.temperature_c) == {47}
    assert 4 <= len(telemetry.power_w) <= 13
    assert telemetry.energy_j == 75.25
    assert telemetry.throttle_us == {"sw_power_cap": 12345, "sync_boost": 0, "hw_therm_slowdown": 0}
    assert telemetry.foreign_pids == (99,)
    assert 0.05 <= telemetry.duration_s < 0.5


def test_what_the_gpu_does_not_report_is_absent():
    missing = ("clock", "temperature", "power", "energy", "processes", "fields")
    telemetry = _watch(ScriptedNvml(missing=missing), lambda: None)
    assert telemetry.sm_clock_mhz == telemetry.power_w == telemetry.temperature_c == ()
    assert telemetry.energy_j is None
    assert telemetry.throttle_us == {}
    assert telemetry.foreign_pids == ()


def test_mean_power_where_there_is_no_instant_one():
    assert set(_watch(ScriptedNvml(), lambda: None).power_w) == {266.0}


def test_a_field_that_another_driver_uses_otherwise_is_no_counter():
    fields = {
        THROTTLE_FIELDS["SW_THERM_SLOWDOWN"]: (1, 50),
        **_counters(SYNC_BOOST=10**12, HW_THERM_SLOWDOWN=5),
    }
    nvml = ScriptedNvml(fields)

    def during():
        nvml.fields[THROTTLE_FIELDS["SYNC_BOOST"]] = (3, 10**12 + 10**10)
        nvml.fields[THROTTLE_FIELDS["HW_THERM_SLOWDOWN"]] = (3, 4)

    assert _watch(nvml, during).throttle_us == {}


def test_older_modules_know_fewer_fields():
    nvml = ScriptedNvml(_counters(SW_POWER_CAP=1))
    for name in ("HW_THERM_SLOWDOWN", "SW_THERM_SLOWDOWN", "HW_POWER_BRAKE_SLOWDOWN"):
        delattr(nvml, f"NVML_FI_DEV_CLOCKS_EVENT_REASON_{name}")
    assert _watch(nvml, lambda: None).throttle_us == {"sw_power_cap": 0}


def test_telemetry_is_there_after_a_failed_block():
    nvml = ScriptedNvml()
    monitor = NvmlMonitor(nvml, 0)
    with pytest.raises(ZeroDivisionError), monitor.watch(()) as watch:
        1 / 0  # noqa: B018
    assert watch.telemetry.energy_j == 0


@pytest.mark.parametrize(
    ("pids", "own", "foreign"),
    [
        ((1, 2, 3), (1, 2), (3,)),
        ((3, 1), (), (1, 3)),
        ((1, 2), (1, 2), ()),
        ((1,), (1, 2), ()),
        # None of ours is seen: the numbers are those of another namespace.
        ((501, 502), (1, 2), ()),
        ((), (1, 2), ()),
    ],
)
def test_foreign_processes(pids, own, foreign):
    assert foreign_pids(pids, own) == foreign


def test_the_watched_gpu_is_the_first_that_cuda_sees(monkeypatch):
    nvml = ScriptedNvml()
    nvml.nvmlInit = lambda: None
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    for visible, found in (("1", (nvml, 1)), ("GPU-aaaa", (nvml, 0)), ("", None), ("MIG-cccc", None)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert visible_gpu() == found
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpu() == (nvml, 0)


def _arm(tmp_path, runtime="fake", telemetry=()):
    script = tmp_path / "script.yaml"
    entries = "".join(
        f"- {{sm_clock_mhz: [{mhz}], power_w: [], temperature_c: [], energy_j: null, throttle_us: {{}},"
        " foreign_pids: [], duration_s: 0.25}\n"
        for mhz in telemetry
    )
    text = (
        f"series: {{host_wall_ms: 1.0}}\ntelemetry:\n{entries}"
        if telemetry
        else "series: {host_wall_ms: 1.0}"
    )
    script.write_text(text, encoding="utf-8")
    return ArmSpec(
        label="arm", runtime=runtime, recipe=None, export=None, artifact=str(script), artifact_sha256=None
    )


def test_scripted_telemetry_is_one_entry_a_block(tmp_path):
    monitor = open_monitor([_arm(tmp_path, telemetry=(1980, 1200))])
    clocks = []
    for own_pids in ((), (1,), (1,), (1,)):
        with monitor.watch(own_pids) as watch:
            pass
        clocks += watch.telemetry.sm_clock_mhz
    assert clocks == [1980, 1980, 1200, 1980]


def test_nothing_watches_a_cpu_or_a_script_without_telemetry(tmp_path):
    assert open_monitor([_arm(tmp_path)]) is None
    assert open_monitor([_arm(tmp_path, runtime="onnxruntime-cpu")]) is None
