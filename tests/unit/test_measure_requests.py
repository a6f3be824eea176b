"""Which options of timing pass: those that at least one runtime of the request can use."""

import pytest

from trtbench.cli_options import BenchOptions
from trtbench.errors import SpecError
from trtbench.measure_requests import checked_bench
from trtbench.runtimes import RUNTIMES

ENGINES = {"tensorrt", "tensorrt_rtx", "trtexec"}
USERS = {
    "trust": ENGINES,
    "exclusive": {*ENGINES, "onnxruntime", "torch", "torch-eager", "torch-compile"},
    "no_graph": {*ENGINES, "onnxruntime", "torch", "torch-compile", "fake"},
}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("option", USERS)
def test_an_option_passes_where_the_runtime_can_use_it(option, runtime):
    options = BenchOptions(**{option: True})
    if runtime in USERS[option]:
        checked_bench(options, 0, [runtime])
    else:
        with pytest.raises(SpecError, match=f"^--{option.replace('_', '-')} has no say in runtime {runtime}"):
            checked_bench(options, 0, [runtime])


@pytest.mark.parametrize("option", USERS)
def test_one_runtime_that_can_use_it_is_enough(option):
    bench = checked_bench(BenchOptions(**{option: True}), 7, ["onnxruntime-cpu", "tensorrt"])
    assert (bench.seed, bench.cuda_graph) == (7, option != "no_graph")
