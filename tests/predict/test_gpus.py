"""The table of GPUs: names, sources, peaks, clocks."""

import pytest
from pydantic import ValidationError

from trtbench.errors import SpecError
from trtbench.predict.gpus import find_gpu, known_gpus
from trtbench.predict.listing import list_gpus
from trtbench.results import GpuList
from trtbench.specs import GpuSpec
from trtbench.specs.gpu import FIGURES


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("rtx-pro-6000", "rtx-pro-6000-se"),
        ("RTX PRO 6000", "rtx-pro-6000-se"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000-se"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "rtx-pro-6000-max-q"),
        ("5090", "rtx-5090"),
        ("NVIDIA GeForce RTX 5070 Ti", "rtx-5070-ti"),
        ("H200", "h200"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        (" dgx_spark ", "gb10"),
    ],
)
def test_a_gpu_is_found_by_the_names_that_people_and_drivers_use(name, found):
    assert find_gpu(name).name == found


@pytest.mark.parametrize("name", ["3090", "", "rtx", "NVIDIA GeForce RTX 5090 Laptop GPU"])
def test_an_unknown_gpu_is_one_line_with_the_known_ones(name):
    with pytest.raises(SpecError) as error:
        find_gpu(name)
    text = str(error.value)
    assert "\n" not in text
    assert repr(name) in text
    assert all(gpu.name in text for gpu in known_gpus())


def test_no_name_belongs_to_two_gpus():
    names = {gpu.name: {name.lower() for name in (gpu.name, gpu.title, *gpu.aliases)} for gpu in known_gpus()}
    assert {find_gpu(word).name: names[find_gpu(word).name] for word in set().union(*names.values())} == names
    assert sum(map(len, names.values())) == len(set().union(*names.values()))


def test_every_figure_has_a_source():
    for gpu in known_gpus():
        assert set(gpu.figures) == set(FIGURES), gpu.name
        assert all(figure.source for figure in gpu.figures.values())


def test_a_figure_without_a_source_is_refused():
    gpu = find_gpu("h200").model_dump()
    del gpu["figures"]["dram_gb_per_s"]
    with pytest.raises(ValidationError, match="no source for dram_gb_per_s"):
        GpuSpec.model_validate(gpu)


@pytest.mark.parametrize(
    ("name", "clock_mhz", "precision", "tflops"),
    [
        ("h100", 1830, "fp16", 989),
        ("b200", None, "fp4", 8994),
        ("rtx-pro-6000-se", None, "fp4", 1871),
        ("l40s", None, "fp8", 724),
    ],
)
def test_peaks_are_those_of_the_data_sheets_at_their_clock(name, clock_mhz, precision, tflops):
    assert find_gpu(name, clock_mhz).peak_flop_per_s(precision) / 1e12 == pytest.approx(tflops, rel=0.001)


def test_geforce_halves_products_that_accumulate_in_fp32():
    gpu = find_gpu("5090")
    assert 2 * gpu.rate("fp16") == gpu.rate("fp16_fp16")


def test_a_clock_scales_the_peaks_and_not_the_dram():
    gpu = find_gpu("h200", clock_mhz=990)
    assert 2 * gpu.peak_flop_per_s("fp8") == find_gpu("h200").peak_flop_per_s("fp8")
    assert gpu.dram_gb_per_s == find_gpu("h200").dram_gb_per_s
    assert gpu.figures["clock_mhz"].source == "clock given by the user"


@pytest.mark.parametrize("clock", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clock_that_is_none_is_refused(clock):
    with pytest.raises(SpecError, match="MHz"):
        find_gpu("h200", clock_mhz=clock)


def test_a_missing_precision_names_those_there_are():
    with pytest.raises(SpecError, match="L40S has no tensor cores for fp4, only for fp32, tf32, fp16"):
        find_gpu("l40s").rate("fp4")


def test_the_list_has_every_gpu_with_what_is_known_of_it():
    entries = {entry.name: entry for entry in list_gpus().gpus}
    assert list(entries) == [gpu.name for gpu in known_gpus()]
    levels = {name: entry.level for name, entry in entries.items()}
    assert (levels["h200"], levels["rtx-pro-6000-ws"], levels["rtx-5090"]) == (
        "measured",
        "same_chip",
        "unmeasured",
    )
    assert (levels["thor"], bool(entries["thor"].not_predicted)) == (None, True)
    assert entries["h100"].dense_tflops["fp4"] is None
    assert entries["h100"].dense_tflops["fp16"] == pytest.approx(1071, abs=1)


def test_the_list_is_a_command(trtbench):
    code, out, _ = trtbench("gpus")
    assert code == 0
    assert all(gpu.name in out for gpu in known_gpus())
    assert GpuList.model_validate_json(trtbench("gpus", "--json")[1]) == list_gpus()
