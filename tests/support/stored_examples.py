"""Examples of results that need no others: containers, roofs, and what golden files hold."""

from pathlib import Path

from trtbench import results
from trtbench.results.break_even import BreakEvenCurve, BreakEvenPoint, Crossing, Gain, Side
from trtbench.results.environments import ExpectedVersion, KnownImage
from trtbench.specs.recipe import parse_recipe
from trtbench.specs.token_reduction import Tome

NVFP4 = parse_recipe("nvfp4+sparse@stock")
GOLDEN = Path(__file__).parents[1] / "golden"
ENGINE_DIFFERENCE = results.Comparison.model_validate_json(
    (GOLDEN / "versions" / "comparison.json").read_bytes()
).differences[0]
TRACE_REPORT = results.TraceReport.model_validate_json((GOLDEN / "trace" / "two.json").read_bytes())

COMMIT = results.Commit(sha="5f" * 20)
_CUDA = ExpectedVersion(version="==12.8.0.*", known="good")
CONTAINER = results.ContainerEntry(
    image=KnownImage(
        image="nvcr.io/nvidia/tensorrt:25.01-py3",
        tensorrt=ExpectedVersion(version="==10.8.0.43", known="good"),
        cuda=_CUDA,
        driver="570.26",
        driver_source=None,
        driver_oldest=None,
        driver_oldest_source=None,
        source="x",
    ),
    digest=None,
    commands=("docker pull x",),
)
CONTAINERS = results.ContainerList(
    engine=None, problem="no docker", gpus=(), no_gpu_reason="no driver", containers=(CONTAINER,)
)
PREPROCESSING = results.Preprocessing(
    input_size=(3, 224, 224),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    interpolation="bicubic",
    crop_pct=0.9,
    crop_mode="center",
)
ROOF = results.RooflineKernel(
    name="attention",
    kind="attention",
    count=12,
    precision="fp16",
    m=3072.0,
    n=1024,
    k=64,
    flops=8e8,
    bytes=1.6e6,
    intensity=500.0,
    ridge=281.2,
    bound="compute",
    attainable_tflops=504.0,
    roof_us=1.6,
    compute_bound_from=1,
)
ROOFS = results.RooflineBatch(batch=20.48, kernels=(ROOF,), roof_ms=0.02, per_s=1e6, compute_bound_share=1.0)
L2_STAY = results.L2Stay(l2_bytes=1e8, image_bytes=1e6, weight_bytes=1e7, batch=90)
ROOFLINE_SECTION = results.RooflineSection(
    recipe=NVFP4,
    tokens=1024,
    is_images=True,
    img_size=512,
    batches=(ROOFS,),
    gemms_compute_bound_from=None,
    l2=L2_STAY,
)
EQUAL_M = results.EqualM(recipe=NVFP4, m=1024, tokens=(1024, 50), batches=(ROOFS, ROOFS))
PAIR = results.Pair(before=0.98, after=None)
TIME_CHANGE = results.TimeChange(
    evidence="predicted",
    before_ms=1.5,
    after_ms=1.6,
    verdict="SLOWER",
    reason="0.9375x",
    speedup=0.9375,
    interval=(0.92, 0.95),
)
ROW_CHANGE = results.RowChange(key="nvfp4", status="compared", times=(TIME_CHANGE,), coverage=PAIR)
CHANGES = results.BaselineChanges(file="main.json", differs=("trtbench 0.1.0 -> 0.2.0",), rows=(ROW_CHANGE,))
BESIDE_BASELINE = (PAIR, TIME_CHANGE, ROW_CHANGE, CHANGES)

_FULL = Side(tokens=197, flops=2_000_000_000, kernels=35, gpu_ms=0.2, wall_ms=None)
_REDUCED = Side(tokens=99, flops=1_200_000_000, kernels=None, gpu_ms=0.25, wall_ms=None)
_POINT = BreakEvenPoint(
    img_size=224,
    tokens=197,
    full=_FULL,
    reduced=_REDUCED,
    gpu=Gain(speedup=0.8, interval=(0.7, 0.9)),
    wall=None,
)
_LARGE = _POINT.model_copy(
    update={"img_size": 448, "tokens": 785, "gpu": Gain(speedup=1.25, interval=(1.1, 1.4))}
)
BREAK_EVEN = results.BreakEven(
    model="vit_tiny_patch16_224",
    token_reduction=Tome(8),
    gpu="RTX PRO 6000",
    curves=(
        BreakEvenCurve(
            recipe=parse_recipe("fp16"),
            runtime=None,
            batch=8,
            evidence="predicted",
            points=(_POINT, _LARGE),
            gpu=Crossing(tokens=491.0, low=380.0, high=600.0),
            wall=None,
        ),
    ),
)
POINT_CHANGE = results.PointChange(what=("kernels 24 -> 27",), with_it=("commit 5f5f5f5f5 -> 6f6f6f6f6",))
HISTORY_POINT = results.HistoryPoint(
    file="a.json",
    recorded_utc="2026-06-01T12:00:00+00:00",
    commit=COMMIT,
    time_ms=1.5,
    interval_ms=(1.4, 1.6),
    change=POINT_CHANGE,
)
HISTORY_SERIES = results.HistorySeries(
    evidence="predicted",
    model="vit_base_patch16_224",
    subject="nvfp4",
    batch=64,
    img_size=None,
    environment="local",
    runtime=None,
    place="h200 at 1830 MHz",
    points=(HISTORY_POINT,),
)
SKIPPED = results.SkippedFile(file="b.json", reason="not JSON")
HISTORY = results.History(sources=("results",), results=1, series=(HISTORY_SERIES,), skipped=(SKIPPED,))
OVER_TIME = (POINT_CHANGE, HISTORY_POINT, HISTORY_SERIES, SKIPPED, HISTORY)
