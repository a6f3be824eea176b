"""What a runtime takes for itself: the time of a query that computes nothing, taken as others are."""

from itertools import cycle
from statistics import median

from trtbench.measure.device import Device
from trtbench.measure.loop import allocate, plan_queries, run_first_queries
from trtbench.runtimes import Runtime
from trtbench.specs import BenchSpec

_QUERIES = 200


def empty_query_ms(device: Device, runtime: Runtime, bench: BenchSpec) -> float | None:
    """Median time in the device's main series; None where the runtime has no empty model.

    With queries queued ahead, a runtime that is busy on the host while the GPU computes takes nothing from
    a longer query: this is the most that it adds.

    Raises:
        MeasureError: the runtime or the device failed.
    """
    empty = runtime.empty()
    if empty is None:
        return None
    with empty:
        arm = allocate(device, empty, bench.model_copy(update={"l2": "warm", "inputs": ()}))
        run_first_queries(arm)
        queries = cycle(plan_queries(arm).queries)
        device.time_queries(queries, _QUERIES)
        return median(device.time_queries(queries, _QUERIES))
