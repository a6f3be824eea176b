"""Examples of what is predicted: a GPU, times, where they go, and what would shorten them."""

from support.stored_examples import NVFP4

from trtbench import results
from trtbench.specs import Spec
from trtbench.specs.gpu import FIGURES, FigureSource, GpuSpec

FIGURE = FigureSource(certainty="datasheet", source="a data sheet")
GPU_SPEC = GpuSpec(
    name="h200",
    title="H200 SXM",
    chip="GH100",
    calibrated_on="h200",
    target="sm90",
    sms=132,
    clock_mhz=1830,
    flop_per_clock_sm={"fp16": 4096},
    l2_bytes=50e6,
    dram_gb_per_s=4800,
    power_w=700,
    sparse_factor=2,
    figures=dict.fromkeys(FIGURES, FIGURE),
)
LAYER_PREDICTION = results.LayerPrediction(
    name="q", role="qkv", kernel="gemm", predicted_ms=0.1, interval_ms=(0.09, 0.12), bound="compute"
)
BLOCK_KERNEL = results.BlockKernel(
    name="q",
    role="qkv",
    kernel="gemm",
    precision_in="fp4",
    precision_out="fp16",
    m=1576,
    n=2304,
    k=768,
    shape=(8, 197, 2304),
    flops=5_577_375_744,
    bytes=8_700_000,
    predicted_ms=0.1,
    interval_ms=(0.09, 0.12),
    bound="compute",
)
PREDICTED_GROUP = results.PredictedGroup(predicted_ms=0.1, factor=(0.9, 1.2), rates="fp16")
PREDICTION = results.Prediction(
    gpu="h200",
    target="sm90",
    clock_mhz=1830,
    level="measured",
    batch=8,
    gpu_compute_ms=0.1,
    interval_ms=(0.09, 0.12),
    coverage=0.9,
    error_pct=20.0,
    calibrated_on="h200",
    source="kernel times",
    images_per_s=80000.0,
    by_role_ms={"qkv": 0.1},
    by_kernel_ms={"gemm": 0.1},
    layers=(LAYER_PREDICTION,),
    assumptions=("2:4 sparse weights run as dense ones",),
    groups={"gemm fp16": PREDICTED_GROUP},
)
GPU_ENTRY = results.GpuEntry(
    name="h200",
    title="H200 SXM",
    target="sm90",
    sms=132,
    clock_mhz=1830,
    dram_gb_per_s=4800,
    dense_tflops={"fp16": 989.0, "fp8": 1979.0, "fp4": None},
    level="measured",
    calibrated_on="h200",
    not_predicted=None,
)
SPEEDUP = results.PredictedSpeedup(baseline="fp16", arm="nvfp4", ratio=1.5, interval=(1.0, 2.1))
WATERFALL = results.Waterfall(
    recipe=NVFP4,
    ideal_ms=0.04,
    steps=(results.WaterfallStep(step="misses", ms=0.06, kernels=3),),
    predicted_ms=0.1,
    interval_ms=(0.09, 0.12),
    coverage=0.9,
    gemm_ms=0.05,
)
CEILING = results.Ceiling(math="fp4", peak_ratio=4.0, fp16_others=2.7, own_others=1.9, no_gemms=3.2)
LEVER = results.Lever(
    name="recipe fp8",
    evidence="compiled",
    saves_ms=0.01,
    at_most=False,
    speedup=1.6,
    basis="built and predicted",
)
BATCH_RATE = results.BatchRate(batch=8, images_per_s=80000.0, fp16_images_per_s=40000.0)
EXPLANATION = results.Explanation(
    model="vit_tiny_patch16_224",
    batch=8,
    img_size=None,
    gpu=GPU_ENTRY,
    waterfall=WATERFALL,
    fp16=WATERFALL,
    speedup_interval=(0.9, 1.1),
    ceiling=CEILING,
    levers=(LEVER,),
    least_share=0.01,
    batches=(BATCH_RATE,),
    not_compiled={"nvfp4": "no room"},
    notes=(),
    assumptions=("2:4 sparse weights run as dense ones",),
)
PREDICTED: tuple[Spec, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Spec))
"""Every name of this module that is one."""
