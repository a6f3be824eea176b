"""Examples of what a sweep asks for and finds."""

from trtbench import results
from trtbench.errors import Code
from trtbench.specs import Spec, SweepCell, SweepPlan
from trtbench.specs.recipe import parse_recipe

FP16 = parse_recipe("fp16")
PLAN = SweepPlan(
    name="mine",
    patch=(16,),
    depth=(2, 4),
    width=(64,),
    recipe=(FP16,),
    gpu=("rtx-5090",),
    skip=("vit16x4x64",),
    stages=("predict",),
)
CELL = SweepCell(patch=16, depth=2, width=64, heads=2, image=224, batch=8, recipe=FP16, gpu="rtx-5090")
ROW = results.SweepRow(cell=CELL, values={"predicted_gpu_compute_ms": 0.5, "compiled_gemm_kernels": 9})
FAILED = results.SweepRow(
    cell=CELL, status="failed", reason="no kernel fits", code=Code.BUILD_FAILED, values={}
)
LINE = results.SweepLine(key=CELL.key, phase="make", values=ROW.values, duration_s=1.5)
SHARE = results.FactorShare(factors=("depth", "width"), share=0.25)
ERROR = results.RuleError(method="rule", median_pct=3.0, p90_pct=9.0)
RULE = results.Rule(lines=("depth at most 2:", "  0.5 (4 cells)"), folds=10, errors=(ERROR,))
ANALYSIS = results.Analysis(
    response="predicted_gpu_compute_ms",
    scale="log",
    cells=8,
    combinations=9,
    shares=(SHARE,),
    unexplained=0.75,
    effects={"depth": {"2": 0.5, "4": 1.0}},
    rule=RULE,
)
COST = results.Cost(worker_s=12.0, gpu_s=3.0, retries=1)
ESTIMATE = results.SweepEstimate(
    plan=PLAN,
    cells=1,
    models=1,
    done=0,
    duplicates=0,
    skipped=1,
    workers=2,
    duration_s=10.5,
    disk_bytes=1_000_000,
    basis="model",
)
SWEEP = results.Sweep(plan=PLAN, rows=(ROW, FAILED), cost=COST, analyses=(ANALYSIS,))

SWEEPS: tuple[Spec, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Spec))
"""Every name of this module that is one."""
