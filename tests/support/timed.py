"""Measurements and comparisons of scripted times, made by the code that makes real ones."""

from pathlib import Path

from support.scripted import FACTS, blocks, spec_of, telemetry

from trtbench.compare.recommend import with_recommendations
from trtbench.errors import Code, MeasureError
from trtbench.measure.findings import Observed, findings_between, findings_of
from trtbench.measure.run import Arm
from trtbench.measure.side_by_side import ratio_of
from trtbench.measure.summarise import measurement_of
from trtbench.measure.verdict import decide
from trtbench.results import Comparison, ComparisonRow, Environment, Gpu, Measurement, Verdict
from trtbench.results.comparison import with_keys
from trtbench.specs import BenchSpec, ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe

GPU = "NVIDIA RTX PRO 6000 Blackwell"
MACHINE = Environment(
    trtbench_version="0.1.0",
    python_version="3.11.7",
    platform="Linux-6.18.44-x86_64-with-glibc2.36",
    cpu_model="AMD EPYC 9554 64-Core Processor",
    cpu_count=16,
    memory_bytes=135148564480,
    packages={"torch": "2.15.0", "timm": "1.0.31", "onnx": "1.23.2", "tensorrt-rtx": "1.7.1.116"},
    gpus=(
        Gpu(
            name=GPU,
            compute_capability="12.0",
            memory_bytes=102641958912,
            driver_version="580.95.05",
        ),
    ),
    no_gpu_reason=None,
)
HOT = telemetry(throttle_us={"hw_therm_slowdown": 100_000}, sm_clock_mhz=(1500,))
OUT_OF_MEMORY = MeasureError("out of GPU memory [2.1 GB]: take a smaller batch", code=Code.GPU_OUT_OF_MEMORY)


def observe(
    recipe: str,
    median_ms: float,
    batch: int = 8,
    hot: bool = False,
    failure: MeasureError | None = None,
    gpu: str | None = GPU,
    size_bytes: int | None = None,
    label: str | None = None,
    img_size: int | None = None,
) -> Observed:
    """Time a recipe in three processes of two blocks; one without a median has failed."""
    label = label or recipe
    timed = [
        block.model_copy(update={"telemetry": HOT if hot and process == 2 else telemetry()})
        for process, factor in enumerate([1.0, 1.001, 0.999] if median_ms else [])
        for block in blocks(
            median_ms * factor, median_ms * factor * 1.002, process=process, label=label, enqueue_ms=(0.02,)
        )
    ]
    inputs = (FACTS.inputs[0].model_copy(update={"shape": (batch, 3, 224, 224)}),)
    facts = FACTS.model_copy(update={"inputs": inputs, "notes": ("a note of the runtime",)})
    model = ModelSpec(img_size=img_size)
    export = ExportSpec(model=model, recipe=parse_recipe(recipe), batch=batch)
    arm = spec_of(Path(label), runtime="tensorrt_rtx", recipe=export.recipe, export=export)
    raw = "run-1/blocks.jsonl"
    measurement = measurement_of(
        arm, BenchSpec(processes=3), timed, facts if median_ms else None, failure, gpu, raw
    )
    return Observed(Arm((arm,), size_bytes), measurement, timed)


def compared(batch: int = 8, shape: str = "") -> tuple[list[Measurement], tuple[Verdict, ...]]:
    """A baseline, a faster arm that was hot, one alike, and one that failed, with their verdicts.

    ``shape``: what labels name behind the recipe.
    """
    base = observe("fp16", 1.5, batch, size_bytes=180 << 20, label=f"fp16{shape}")
    others = [
        observe("nvfp4", 1.2, batch, hot=True, size_bytes=40 << 20, label=f"nvfp4{shape}"),
        observe("bf16", 1.5, batch, size_bytes=180 << 20, label=f"bf16{shape}"),
        observe("mxfp8", 0, batch, failure=OUT_OF_MEMORY, label=f"mxfp8{shape}"),
    ]
    verdicts = []
    for each in others:
        ratio = ratio_of(base.measurement, base.blocks, each.measurement, each.blocks)
        verdicts.append(decide(base.measurement, each.measurement, ratio))
    measurements = [_with_findings(base), *(_with_findings(each, base) for each in others)]
    return measurements, tuple(verdicts)


def row_of(measurement: Measurement, **fields: object) -> ComparisonRow:
    """The row of a recipe that was timed, with no key of its own yet."""
    arm = measurement.arm
    row = ComparisonRow(
        key=arm.label,
        subject=str(arm.recipe),
        recipe=arm.recipe,
        batch=measurement.batch,
        img_size=arm.export.model.img_size if arm.export else None,
        runtime=arm.runtime,
        status=measurement.status,
        reason=measurement.reason,
        code=measurement.code,
        measured=measurement,
    )
    return row.model_copy(update=fields)


def comparison(*batches: int) -> Comparison:
    """Those of ``compared`` at each batch."""
    points = [compared(batch, f" b{batch}" if len(batches) > 1 else "") for batch in batches]
    compared_rows = Comparison(
        environment=MACHINE,
        model="vit_base_patch16_224",
        rows=tuple(row_of(each) for measurements, _ in points for each in measurements),
        verdicts=tuple(verdict for _, verdicts in points for verdict in verdicts),
        gpu=GPU,
    )
    return with_recommendations(compared_rows)


def curve(*shapes: tuple[int, int | None]) -> Comparison:
    """One recipe, whose queries take as long at all batches and image sizes."""
    timed = [observe("fp16", 1.5, batch, img_size=size).measurement for batch, size in shapes]
    return Comparison(
        environment=MACHINE,
        model="vit_base_patch16_224",
        rows=tuple(with_keys([row_of(each) for each in timed])),
        gpu=GPU,
    )


def _with_findings(observed: Observed, baseline: Observed | None = None) -> Measurement:
    found = findings_of(observed) + (findings_between(baseline, observed) if baseline else ())
    return observed.measurement.model_copy(update={"findings": found})
