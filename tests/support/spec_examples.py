"""One example of every spec and every result."""

from support.predicted_examples import GPU_ENTRY, PREDICTED, PREDICTION, WATERFALL
from support.stored_examples import (
    BESIDE_BASELINE,
    BREAK_EVEN,
    COMMIT,
    CONTAINER,
    CONTAINERS,
    ENGINE_DIFFERENCE,
    EQUAL_M,
    L2_STAY,
    NVFP4,
    OVER_TIME,
    PREPROCESSING,
    ROOF,
    ROOFLINE_SECTION,
    ROOFS,
    TRACE_REPORT,
)
from support.sweep_examples import SWEEPS
from support.timed import MACHINE

from trtbench import results
from trtbench.errors import Code
from trtbench.specs import (
    ArmEnvironment,
    ArmSpec,
    BatchRange,
    BenchSpec,
    BuilderOptions,
    BuildSpec,
    CalibrationSpec,
    Change,
    CheckpointSpec,
    ExportSpec,
    InputsSpec,
    InputValues,
    ModelSpec,
    PreparationSpec,
    ShapeRange,
    SourceSpec,
    Spec,
    TuneSpec,
)
from trtbench.specs.build import BuildRequest
from trtbench.specs.environment import EnvironmentSpec
from trtbench.specs.gate import Condition
from trtbench.specs.grid import Grid
from trtbench.specs.recipe import parse_recipe

FP16 = parse_recipe("fp16")
SHA = "ab" * 32

SOURCE = SourceSpec(kind="onnx", path="vit.onnx", sha256=SHA)
PREPARATION = PreparationSpec(mean=(0.5,), std=(0.25,), crop_pct=0.9, interpolation="bicubic")
BATCHES = BatchRange(minimum=1, optimum=8, maximum=64)
CHECKPOINT = CheckpointSpec(path="vit.safetensors", sha256=SHA)
MODEL = ModelSpec(
    name="vit_tiny_patch16_224",
    overrides=(("depth", 2), ("qkv_bias", False), ("drop_rate", 0.1), ("global_pool", "avg")),
    img_size=256,
    checkpoint=CHECKPOINT,
)
CALIBRATION = CalibrationSpec(directory="photos", sha256=SHA, samples=128, seed=3)
EXPORT = ExportSpec(model=MODEL, recipe=NVFP4, batch=8, sparsity_method="sparsegpt", calibration=CALIBRATION)
BUILD = BuildSpec(targets=("sm89", "sm120"), sparsity=True, timeout_s=60.5, memory_limit_bytes=2**33)
SHAPES = ShapeRange(input="x", min_shape=(1, 3), opt_shape=(8, 3), max_shape=(64, 3))
OPTIONS = BuilderOptions(
    timing_cache="shared",
    tactic_table=True,
    workspace_bytes=2**30,
    optimization_level=4,
    tiling="full",
    hardware_compatibility="ampere_plus",
    version_compatible=True,
    max_aux_streams=0,
    profiles=((SHAPES,),),
)
BUILD_TENSORRT = BUILD.model_copy(update={"backend": "tensorrt", "options": OPTIONS})

FINDING = results.Finding(
    code="EMULATED",
    severity="warning",
    message="MXFP8 runs in FP16",
    hint="use nvfp4",
    numbers={"flops_share": 0.98},
    layers=("blocks.0.attn.qkv", "ünïcode\n"),
)
FILE = results.FileRecord(name="model.onnx", sha256=SHA, size_bytes=7)
TENSOR = results.TensorRecord(name="input", dtype="float16", shape=(8, 3, 224, 224))
CALIBRATED = results.CalibrationRecord(source="folder", samples=128, directory="photos", sha256=SHA)
SPARSITY = results.SparsityRecord(
    method="sparse_magnitude", layers=48, weights=400, zeros=200, groups=100, compliant_groups=100
)
ONNX = results.OnnxManifest(
    spec_id="0123456789abcdef",
    spec=EXPORT,
    files=(FILE,),
    inputs=(TENSOR,),
    outputs=(TENSOR,),
    nodes=321,
    opset=20,
    analytic_flops={"qkv": 2**60},
    calibration=CALIBRATED,
    sparsity=SPARSITY,
    notes=("head left in fp16",),
    tool_versions={"torch": "2.9"},
    created_utc="2026-01-01T00:00:00Z",
    duration_s=1.25,
)
ENGINE = results.EngineManifest(
    spec_id="0123456789abcdef",
    spec=BUILD,
    export=EXPORT,
    onnx_path="model.onnx",
    onnx_sha256=SHA,
    files=(FILE,),
    backend="tensorrt_rtx",
    backend_version="1.7.1.116",
    activation_bytes=1,
    weight_bytes=2,
    scratch_bytes=3,
    peak_rss_bytes=4,
    tool_versions={},
    created_utc="2026-01-01T00:00:00Z",
    build_s=1.5,
)
LAYER_TENSOR = results.LayerTensor(
    name="x", dimensions=(8, 197), strides=(197, 1), dtype="FP4E2M1", format="kLINEAR"
)
COMPILED_LAYER = results.CompiledLayer(
    name="gemm_myl0_1",
    layer_type="gemm",
    tactic_name="__myelin_CASK_STUB",
    stream_id=0,
    inputs=(LAYER_TENSOR,),
    constants=(),
    outputs=(LAYER_TENSOR,),
    onnx_nodes=("/blocks.0/attn/q/MatMul",),
)
COMPILED_ENGINE = results.CompiledEngine(
    backend="tensorrt_rtx", backend_version="1.7.1.116", targets=("sm120",), layers=(COMPILED_LAYER,)
)
AUDITED = results.AuditedLayer(
    name="q", role="qkv", op="gemm", block=0, precision_in="fp4", precision_out="fp16", m=1576, n=192, k=192
)
COVERAGE = results.RoleCoverage(
    role="qkv", flops=10**12, asked="nvfp4", onnx={"fp4": 1.0}, compiled={"fp4": 0.75, "fp16": 0.25}
)
TACTIC = results.Tactic(tactic_hash="0x1", kernel="sm80_xmma_gemm", cost_ms=0.01)
TACTICS = results.TacticChoice(
    operator="/fc/MatMul", key="0xa", onnx_nodes=(), selected_hash="0x1", tactics=(TACTIC,)
)
AUDIT = results.Audit(
    recipe=NVFP4,
    backend="tensorrt_rtx",
    layers=(AUDITED,),
    by_role=(COVERAGE,),
    onnx_flops=1,
    compiled_flops=1,
    analytic_flops=None,
    gemm_flops_share={"fp4": 1.0},
    attention_precision="fp16",
    gemm_kernels=1,
    attention_kernels=1,
    quantize_kernels=1,
    other_kernels=1,
    other_bytes=1,
    findings=(FINDING,),
)
ONNX_SUMMARY = results.OnnxSummary(path="m.onnx", sha256=SHA, size_bytes=7, nodes=321)
ENGINE_SUMMARY = results.EngineSummary(
    path="m.engine", sha256=SHA, size_bytes=7, backend="tensorrt_rtx", backend_version="1.7.1", build_s=1.5
)
COMPILED_SUMMARY = results.CompiledSummary(
    gemm_flops_share={"fp4": 1.0},
    attention_precision=None,
    gemm_kernels=1,
    attention_kernels=0,
    quantize_kernels=0,
    other_kernels=0,
    other_bytes=0,
    weight_bytes=1,
    activation_bytes=1,
    by_role={"qkv": COVERAGE},
)
PASS = results.PassDescription(
    name="split_qkv", stage="graph", recipes="nvfp4", what="Splits.", why="It pays."
)
LINT_SECTION = results.LintSection(recipe=NVFP4, findings=(FINDING,))
LINT_REPORT = results.LintReport(
    subject="vit",
    origin="model",
    batch=64,
    targets=("sm120",),
    linear_layers=49,
    attentions=12,
    tokens=197,
    head_dims=(64,),
    sections=(LINT_SECTION,),
)
BLOCK_FIDELITY = results.BlockFidelity(block=0, cosine=0.99, sqnr_db=None, max_abs_error=0.1)
OUTPUT_FIDELITY = results.OutputFidelity(name="features_3", cosine=0.99, sqnr_db=20.0, max_abs_error=0.1)
FIDELITY_REFERENCE = results.FidelityReference(recipe=FP16, sha256=SHA, top1=None, top5=None)
FIDELITY = results.Fidelity(
    onnx_sha256=SHA,
    reference=FIDELITY_REFERENCE,
    inputs=InputsSpec(),
    samples=32,
    runtime="onnxruntime 1.31.1",
    cosine=0.99,
    sqnr_db=11.3,
    max_abs_error=0.2,
    top1_agreement=0.9,
    kl_divergence=0.01,
    top1=None,
    top5=None,
    per_output=(OUTPUT_FIDELITY,),
    per_block=(BLOCK_FIDELITY,),
)
VERIFICATION_ROW = results.VerificationRow(recipe=NVFP4, status="ok", fidelity=FIDELITY)
VERIFICATION = results.Verification(model="vit", inputs=InputsSpec(), rows=(VERIFICATION_ROW,))
ARM_ENVIRONMENT = ArmEnvironment(
    word="docker:nvcr.io/nvidia/tensorrt:25.11-py3", versions={"tensorrt": "10.14.1.48"}, image_digest=SHA
)
ARM = ArmSpec(
    label="nvfp4",
    runtime="tensorrt_rtx",
    recipe=NVFP4,
    export=EXPORT,
    artifact="m.engine",
    artifact_sha256=SHA,
)
STATISTIC = results.Statistic(
    samples=3, median=1.0, ci95=(0.9, 1.1), mean=1.0, minimum=0.9, p90=1.1, p99=1.1, maximum=1.1
)
LAYER_TIME = results.LayerTime(name="fc", median_ms=0.5, share=0.25)
ARM_FACTS = results.ArmFacts(
    runtime_version="1.7.1",
    main_series="gpu_compute_ms",
    inputs=(TENSOR,),
    outputs=(TENSOR,),
    cuda_graph="captured",
    graph_kernels=143,
    output_sample=(0.1, -0.2),
    device_memory_bytes=None,
    load_s=1.5,
    pid=414,
    layers=(LAYER_TIME,),
)
TELEMETRY = results.Telemetry(
    sm_clock_mhz=(1980,),
    power_w=(266.0,),
    temperature_c=(33,),
    energy_j=None,
    throttle_us={"sw_power_cap": 5},
    foreign_pids=(),
    duration_s=0.25,
)
TIMED_BLOCK = results.TimedBlock(
    arm="nvfp4",
    build=0,
    process=1,
    block=2,
    started_utc="2026-11-21T10:00:00+00:00",
    samples={"gpu_compute_ms": (0.64, 0.65), "enqueue_ms": (0.01, 0.02)},
    telemetry=TELEMETRY,
)
TELEMETRY_SUMMARY = results.TelemetrySummary(
    sm_clock_mhz=1980.0,
    power_w=266.0,
    temperature_c=33.0,
    energy_per_image_j=None,
    throttle_us={"sw_power_cap": 5},
    throttled_share=0.0,
)
MEASUREMENT = results.Measurement(
    arm=ARM,
    status="ok",
    gpu="NVIDIA H200",
    protocol=BenchSpec(),
    batch=64,
    facts=ARM_FACTS,
    series={"gpu_compute_ms": STATISTIC},
    queries_per_s=1000.0,
    images_per_s=64000.0,
    processes=3,
    blocks=12,
    telemetry=TELEMETRY_SUMMARY,
    findings=(FINDING,),
    raw="blocks.jsonl",
)
VERDICT = results.Verdict(
    baseline="fp16",
    arm="nvfp4",
    verdict="FASTER",
    reason="1.5 times as fast",
    series="gpu_compute_ms",
    ratio=1.5,
    ci95=(1.4, 1.6),
)
ROW = results.ComparisonRow(
    key="nvfp4",
    subject="nvfp4",
    recipe=NVFP4,
    batch=64,
    status="ok",
    targets=("sm120",),
    onnx=ONNX_SUMMARY,
    engine=ENGINE_SUMMARY,
    compiled=COMPILED_SUMMARY,
    fidelity=FIDELITY,
    runtime="tensorrt_rtx",
    measured=MEASUREMENT,
    findings=(FINDING,),
)
FAILED_ROW = results.ComparisonRow(
    key="fp16",
    subject="fp16",
    recipe=FP16,
    batch=64,
    status="failed",
    reason="out of memory",
    code=Code.BUILD_MEMORY_LIMIT,
)
CONDITION = Condition(word="GEMM_FELL_BACK", kind="code", code=Code.GEMM_FELL_BACK)
RECOMMENDATION = results.Recommendation(
    row="fp16", by="predicted", text="take fp16: predicted 1 ms.", uncertain=("accuracy is not known",)
)
COMPARISON = results.Comparison(
    environment=MACHINE, model="vit_base_patch16_224", rows=(FAILED_ROW, ROW), verdicts=(VERDICT,)
)
ENVIRONMENT_RECORD = results.EnvironmentRecord(
    environment="venv:tensorrt-rtx==1.5.0.114",
    contents=None,
    reason="no network",
    code=Code.RUNTIME_UNAVAILABLE,
)
ROOFLINE = (
    ROOF,
    ROOFS,
    L2_STAY,
    ROOFLINE_SECTION,
    EQUAL_M,
    results.Roofline(model=MODEL, gpu=GPU_ENTRY, sections=(ROOFLINE_SECTION,), equal_m=(EQUAL_M,)),
)
GRID = Grid(exports=(EXPORT,), runtimes=("tensorrt",), build=BuildRequest(backend="tensorrt"), rebuilds=2)
RUN = results.RunRecord(purpose="measure", arms=(ARM,), protocol=BenchSpec(), machine={"gpu": None})
ROUND = results.RoundRecord(process=3)
PROCESS = results.ProcessRecord(
    arm="nvfp4",
    build=0,
    process=1,
    started_utc="2026-11-21T10:00:00+00:00",
    facts=None,
    reason="out of memory",
)
AA_COMPARISON = results.AaComparison(
    groups=((0, 1), (2, 3)), verdict="SAME", ratio=1.001, ci95=(0.999, 1.003)
)
AA_BLOCK = results.AaBlock(
    side="A",
    process=4,
    pair=0,
    block=2,
    started_utc="2026-11-21T10:00:00+00:00",
    samples=330,
    median_ms=0.64,
    sample_ms=(0.640256, 0.65),
    telemetry=TELEMETRY,
)
AA_BLOCKS = results.AaBlocks(comparison=7, blocks=(AA_BLOCK,))
AA_REPORT = results.AaReport(
    environment=MACHINE,
    gpu="NVIDIA H200",
    arm=ARM,
    protocol=BenchSpec(),
    series="gpu_compute_ms",
    comparisons=200,
    pool=9,
    verdicts={"SAME": 199, "SLOWER": 1},
    false_alarm_share=0.005,
    coverage=0.95,
    half_width=0.002,
    findings=(FINDING,),
    raw="comparisons.jsonl",
)
ESTIMATE = results.Estimate(gpu_compute_ms=1.5, sqnr_db=None)
BUILT_ENGINE = results.BuiltEngine(depth=12, blocks=3, audit=AUDIT, engine_bytes=7, activation_bytes=None)
TUNED_ROW = results.TunedRow(
    recipe=FP16,
    estimate=ESTIMATE,
    prediction=PREDICTION,
    fidelity=FIDELITY,
    engine_bytes=7,
    activation_bytes=8,
    measured=MEASUREMENT,
    on_front=True,
    meets=True,
)
VARIANT = results.Variant(
    recipe=FP16, without="flat_tokens", passes=("split_qkv",), prediction=PREDICTION, kernels=9
)
TUNED_SHAPE = results.TunedShape(
    recipe=FP16, batch=1, img_size=None, reason="no room", tokens=197, l2_batch=3
)
TUNING = results.Tuning(
    model="vit",
    batch=8,
    img_size=None,
    weights="random",
    inputs=InputsSpec(),
    gpu=GPU_ENTRY,
    min_sqnr_db=20,
    max_top1_drop=None,
    candidates=486,
    engines_built=28,
    errors_measured=11,
    rows=(TUNED_ROW,),
    time_error_pct=0.5,
    sqnr_error_db=0.1,
    winner=FP16,
    variants=(VARIANT,),
    shapes=(TUNED_SHAPE,),
    not_searched=("int8",),
    failures=(),
)
STORED_MODEL = results.StoredModel(
    name="vit_tiny-nvfp4-b8-0123456789abcdef",
    spec_id="0123456789abcdef",
    spec=EXPORT,
    size_bytes=1_500_000,
    created_utc="2026-11-21T10:00:00+00:00",
)
STORED_ENGINE = results.StoredEngine(
    name="vit_tiny-nvfp4-b8-sm120-rtx1.7.1.116-1123456789abcdef",
    spec_id="1123456789abcdef",
    spec=BUILD_TENSORRT,
    export=EXPORT,
    onnx_path="/store/models/model.onnx",
    backend="tensorrt_rtx",
    backend_version="1.7.1.116",
    size_bytes=2_500_000,
    created_utc="2026-11-21T11:00:00+00:00",
)
FAILED_LOG = results.FailedLog(
    name="vit_tiny-nvfp4-b8-sm89-2123456789abcdef.log",
    spec_id="2123456789abcdef",
    stage="build",
    size_bytes=4000,
    created_utc="2026-11-21T12:00:00+00:00",
)
UNREADABLE = results.UnreadableArtifact(
    path="models/broken-0", reason="manifest.json: not JSON", size_bytes=7
)
LISTING = results.StoreListing(
    root="/store",
    models=(STORED_MODEL,),
    engines=(STORED_ENGINE,),
    failed=(FAILED_LOG,),
    unreadable=(UNREADABLE,),
)
REMOVED_ITEM = results.RemovedItem(path="models/x-0", what="model", size_bytes=7, status="in use")
PACK = results.Pack(
    name="vit",
    model="vit_tiny_patch16_224",
    recipe="nvfp4",
    batch=8,
    weights="pretrained",
    preprocessing=PREPROCESSING,
    class_names=("cat", "dog"),
    inputs=(TENSOR,),
    outputs=(TENSOR,),
    onnx=FILE,
    engine=FILE,
    files=(FILE,),
    backend="tensorrt_rtx",
    backend_version="1.7.1.116",
    targets=("sm120",),
    trtbench_version="0.1.0",
)
REMOVAL = results.Removal(dry_run=True, items=(REMOVED_ITEM,))
MADE_ARTIFACT = results.MadeArtifact(
    subject="nvfp4", status="failed", reason="too large", code=Code.EXPORT_FAILED
)
MADE = results.MadeArtifacts(stage="export", rows=(MADE_ARTIFACT,))

EXAMPLES: tuple[Spec, ...] = (
    *(value for name, value in list(globals().items()) if isinstance(value, Spec) and name[0] != "_"),
    *PREDICTED,
    *ROOFLINE,
    *WATERFALL.steps[:1],
    *MACHINE.gpus[:1],
    *SWEEPS,
    *BESIDE_BASELINE,
    *(BREAK_EVEN, COMMIT, CONTAINER, CONTAINERS, PREPROCESSING, ENGINE_DIFFERENCE),
    *OVER_TIME,
    TRACE_REPORT,
    *TRACE_REPORT.traces[:1],
    GRID.build,
    ModelSpec(),
    ExportSpec(recipe=FP16),
    BuildSpec(),
    ARM.model_copy(update={"environment": ARM_ENVIRONMENT}),
    BenchSpec(),
    BenchSpec(inputs=(InputValues(input="ids", low=0.0, high=999.0),)),
    InputValues(input="x", path="/x.npy", sha256="0" * 64),
    InputsSpec(),
    EnvironmentSpec(kind="venv", version="1.5.0.114"),
    Change(without="flat_tokens", batch=1),
    TuneSpec(export=EXPORT, max_top1_drop=0.5, shapes=((1, None),)),
    results.TuneLine(part="whole", recipe=FP16, engine=BUILT_ENGINE, fidelity=FIDELITY),
    results.GpuList(gpus=(GPU_ENTRY,)),
    results.PassList(passes=(PASS,)),
)
"""Every name of this module that is one, and those without a name."""
