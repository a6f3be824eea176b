"""The GPUs that times can be predicted for, as text."""

from rich.console import Console
from rich.text import Text

from trtbench.report.text.tables import table_of
from trtbench.results import GpuEntry, GpuList, Level

ERRORS = "docs/explanation/prediction.md says how wrong they are"
_KNOWN: dict[Level, str] = {
    "measured": "measured",
    "same_chip": "same chip as {}",
    "unmeasured": "unmeasured, rates of {}",
}
_NOTES = (
    "kernel times: whether the rates were fitted on it, on another board with its chip, or neither",
    "TFLOPS: dense peaks at this clock, FP16 and FP8 with FP32 accumulation",
    f"trtbench predict RECIPE... --gpu NAME gives predictions, not measurements; {ERRORS}",
)


def render_gpus(listed: GpuList, console: Console) -> None:
    """Print all GPUs, then what the columns mean."""
    known = "kernel times"
    columns = ("SMs", "clock\nMHz", "DRAM\nGB/s", "FP16\nTFLOPS", "FP8\nTFLOPS", "FP4\nTFLOPS")
    table = table_of(console, "GPU", "target", *columns, known, text=("GPU", "target", known), wraps=(known,))
    for gpu in listed.gpus:
        numbers = (gpu.sms, round(gpu.clock_mhz), round(gpu.dram_gb_per_s))
        peaks = ("-" if peak is None else f"{peak:.0f}" for peak in gpu.dense_tflops.values())
        table.add_row(gpu.name, gpu.target, *map(str, numbers), *peaks, kernel_times(gpu))
    console.print(table)
    refused = [
        f"{gpu.name} cannot be predicted: {gpu.not_predicted}" for gpu in listed.gpus if gpu.not_predicted
    ]
    for line in (*refused, *_NOTES):
        console.print(Text(line), soft_wrap=True)


def kernel_times(gpu: GpuEntry) -> str:
    """Whose kernel times its rates were fitted to."""
    return _KNOWN[gpu.level].format(gpu.calibrated_on) if gpu.level else "none"
