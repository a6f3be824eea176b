"""Stand-ins for the work of a search over recipes: lines made without torch or a compiler."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module

import pytest

from trtbench.errors import Code
from trtbench.progress import OnStep, Step
from trtbench.results import (
    Audit,
    BuiltEngine,
    Fidelity,
    FidelityReference,
    PredictedGroup,
    Prediction,
    TuneLine,
)
from trtbench.specs import InputsSpec
from trtbench.specs.recipe import LINEAR_ROLES, Precision, Recipe
from trtbench.tune.work import Task

_MS = {Precision.FP16: 4.0, Precision.FP8: 2.0, Precision.NVFP4: 1.0}
_NOISE = {Precision.FP16: 0.0, Precision.FP8: 1e-4, Precision.NVFP4: 1e-2}
FIDELITY_OF_FP16_DB = 60.0


def prediction(time_ms: float, batch: int = 4) -> Prediction:
    """One of an engine that takes ``time_ms``, with an interval from 80 to 130 % of it."""
    return Prediction(
        gpu="rtx-5090",
        target="sm120",
        clock_mhz=2407,
        level="unmeasured",
        batch=batch,
        gpu_compute_ms=time_ms,
        interval_ms=(0.8 * time_ms, 1.3 * time_ms),
        coverage=0.9,
        error_pct=30,
        images_per_s=1e3 * batch / time_ms,
        by_role_ms={},
        by_kernel_ms={},
        layers=(),
        assumptions=(),
        calibrated_on="rtx-pro-6000-se",
        source="scripted",
        groups={"gemm fp16": PredictedGroup(predicted_ms=time_ms, factor=(0.8, 1.3), rates="fp16")},
    )


def fidelity(sqnr_db: float | None, top1: float | None = None) -> Fidelity:
    """One on synthetic images, or with labels and an FP32 model that is right for 80 % of them."""
    reference = FidelityReference(
        recipe=Recipe(Precision.FP32), sha256="0", top1=None if top1 is None else 0.8, top5=None
    )
    return Fidelity(
        onnx_sha256="0",
        reference=reference,
        inputs=InputsSpec(samples=8),
        samples=8,
        runtime="onnxruntime",
        cosine=1.0,
        sqnr_db=sqnr_db,
        max_abs_error=0.0,
        top1_agreement=None,
        kl_divergence=None,
        top1=top1,
        top5=None,
        per_block=(),
    )


def engine(recipe: Recipe) -> BuiltEngine:
    """An engine without layers; its time comes from ``time_ms``."""
    audit = Audit(
        recipe=recipe,
        backend=None,
        layers=(),
        by_role=(),
        onnx_flops=0,
        compiled_flops=0,
        analytic_flops=None,
        gemm_flops_share={},
        attention_precision=None,
        gemm_kernels=0,
        attention_kernels=0,
        quantize_kernels=0,
        other_kernels=0,
        other_bytes=0,
        findings=(),
    )
    size = sum(int(4e6 * _MS[recipe.precision_of(role)]) for role in LINEAR_ROLES)
    return BuiltEngine(depth=12, blocks=3, audit=audit, engine_bytes=size, activation_bytes=10_000_000)


def time_ms(recipe: Recipe) -> float:
    """A time that adds up over roles."""
    return 1 + sum(_MS[recipe.precision_of(role)] for role in LINEAR_ROLES) - 0.5 * recipe.fp8attn


def noise(recipe: Recipe) -> float:
    """A noise power that adds up over roles."""
    roles = sum(_NOISE[recipe.precision_of(role)] for role in LINEAR_ROLES)
    return 10 ** (-FIDELITY_OF_FP16_DB / 10) + roles + 3e-4 * recipe.fp8attn


@dataclass
class ScriptedWork:
    """Stands in for worker processes.

    Args:
        refused: why a recipe fails, by part and recipe.
        interrupt_after: pieces after which Ctrl-C comes.
        top1: accuracy by noise, for models that are verified on labelled images.
        seen: part, recipe and change of each piece that was done.
    """

    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    interrupt_after: int | None = None
    top1: Callable[[float], float] | None = None
    seen: list[tuple[str, ...]] = field(default_factory=list)

    def run(
        self, tasks: Sequence[Task], text: str, on_step: OnStep, on_done: Callable[[TuneLine], None]
    ) -> None:
        """What ``Workers.run`` does."""
        for done, task in enumerate(tasks):
            if len(self.seen) == self.interrupt_after:
                raise KeyboardInterrupt
            on_step(Step("build", text, done, len(tasks)))
            on_done(self._line(task))
            self.seen.append((task.part, str(task.export.recipe), *change_of(task)))

    def _line(self, task: Task) -> TuneLine:
        recipe = task.export.recipe
        reason = self.refused.get((task.part, str(recipe)))
        if reason is not None:
            failed = {"reason": reason, "code": Code.BUILD_FAILED}
            return TuneLine(part=task.part, recipe=recipe, change=task.change, **failed)
        power = noise(recipe)
        found = fidelity(-10 * math.log10(power), self.top1(power) if self.top1 else None)
        return TuneLine(
            part=task.part,
            recipe=recipe,
            change=task.change,
            engine=None if task.part == "error" else engine(recipe),
            fidelity=None if task.part == "shallow" else found,
        )

    def __enter__(self) -> "ScriptedWork":
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def change_of(task: Task) -> tuple[str, ...]:
    """What differs from the search, in words; empty where nothing does."""
    change = task.change.model_dump(exclude_none=True)
    return tuple(f"{name} {value}" for name, value in change.items())


def install_work(monkeypatch: pytest.MonkeyPatch, **fields: object) -> ScriptedWork:
    """Have pieces of work done at once, and times come from ``time_ms``."""
    work = ScriptedWork(**fields)  # type: ignore[arg-type]
    monkeypatch.setattr(import_module("trtbench.tune.tune"), "Workers", lambda: work)
    monkeypatch.setattr(
        "trtbench.tune.search.whole_time",
        lambda built, gpu, batch: prediction(time_ms(built.audit.recipe) * (1 + 3 * batch / 4) / 4, batch),
    )
    monkeypatch.setattr("trtbench.tune.variants._assumed_of_sparse", lambda search, line: "assumed")
    return work
