"""Grids whose cells need no torch: exports of one small graph, places that are ready at once."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.manifests import onnx_manifest
from support.scripted import BENCH
from support.tensorrt_machine import ScriptedWorker, write_model

from trtbench.environments import Prepared
from trtbench.environments.prepared import Container
from trtbench.errors import Code, ExportError, RuntimeUnavailable
from trtbench.measure.messages import Samples
from trtbench.progress import OnStep
from trtbench.results import TensorRecord
from trtbench.results.environments import Contents
from trtbench.specs import ArmSpec, BenchSpec, ExportSpec, Grid, ModelSpec
from trtbench.specs.environment import parse_environment
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import OnnxArtifact, Store

IMAGE = "nvcr.io/nvidia/tensorrt:25.11-py3"


def exports(*words: str, batches: tuple[int, ...] = (4,), **model: Any) -> tuple[ExportSpec, ...]:
    """Recipes at each batch, as ``cli/parse`` orders them."""
    return tuple(
        ExportSpec(model=ModelSpec(**model), recipe=parse_recipe(word), batch=batch)
        for batch in batches
        for word in words
    )


def grid_of(*words: str, batches: tuple[int, ...] = (4,), **fields: Any) -> Grid:
    """A grid of these recipes with a short protocol."""
    return Grid(exports=exports(*words, batches=batches), **{"bench": BENCH, **fields})


def place(word: str = f"docker:{IMAGE}", **found: Any) -> Prepared:
    """An environment that is ready, with these versions in it."""
    nothing = {"tensorrt_rtx": None, "tensorrt": None, "targets": (), "cuda": None, "problem": None}
    container = Container(engine="docker", image=IMAGE, name="trtbench-0") if "docker" in word else None
    return Prepared(
        spec=parse_environment(word),
        python=(sys.executable,),
        container=container,
        contents=Contents(python="3.12.3", **{**nothing, **found}),
        image_digest="sha256:0" if container else None,
    )


@dataclass
class Exports:
    """Stands in for the export stage: every recipe becomes one small graph, but for ``refused``."""

    folder: Path
    refused: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, spec: ExportSpec, store: Store, on_step: OnStep) -> tuple[OnnxArtifact, bool]:
        """Count the export, and give a manifest over a graph of the spec's batch."""
        self.seen.append((str(spec.recipe), spec.batch))
        reason = self.refused.get(f"{spec.recipe} b{spec.batch}") or self.refused.get(str(spec.recipe))
        if reason is not None:
            raise ExportError(reason, code=Code.EXPORT_FAILED)
        folder = self.folder / f"{spec.recipe}-b{spec.batch}"
        folder.mkdir(exist_ok=True)
        payload = folder / "model.onnx"
        if not payload.exists():
            write_model(payload, spec.batch)
        shape = (spec.batch, 64)
        manifest = onnx_manifest(
            spec,
            [payload],
            inputs=(TensorRecord(name="x", dtype="float16", shape=shape),),
            outputs=(TensorRecord(name="y", dtype="float16", shape=shape),),
        )
        return OnnxArtifact(folder, manifest), True


def install_exports(monkeypatch: pytest.MonkeyPatch, folder: Path, **refused: str) -> Exports:
    """Put ``Exports`` in place of the export stage; there is no FP32 model to verify against."""

    def no_reference(*arguments: object, **named: object) -> None:
        raise RuntimeUnavailable("no reference here")

    stand_in = Exports(folder, refused)
    monkeypatch.setattr("trtbench.compare.make.export", stand_in)
    monkeypatch.setattr("trtbench.compare.fidelity.load_reference", no_reference)
    return stand_in


def install_places(monkeypatch: pytest.MonkeyPatch, *places: Prepared) -> None:
    """Have these environments ready, by their words."""
    ready = {str(each.spec): each for each in places}
    monkeypatch.setattr("trtbench.compare.places.prepare", lambda spec, *others: ready[str(spec)])


def install_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have neither NVML nor CUDA know a GPU."""

    def fail() -> None:
        raise RuntimeUnavailable("no NVIDIA driver answers: NVML Shared Library Not Found")

    for module in ("build.compiler", "build.choice", "compare.timing", "compare.predicted", "host.hardware"):
        monkeypatch.setattr(f"trtbench.{module}.first_gpu", fail)
    monkeypatch.setattr("trtbench.host.hardware._cuda_devices", lambda: 0)


@dataclass
class ScriptedTimers:
    """Stands in for worker processes: blocks of any arm take no time, and may be interrupted."""

    interrupt_after: int | None = None
    blocks: int = 0

    def open(self, arm: ArmSpec, bench: BenchSpec, log_path: Path, **place: Any) -> "_ScriptedTimer":
        """What ``ArmProcess`` is for a worker."""
        return _ScriptedTimer(self, arm)


@dataclass
class _ScriptedTimer(ScriptedWorker):
    timers: ScriptedTimers
    arm: ArmSpec

    def __post_init__(self) -> None:
        super().__init__(self.arm, BENCH, Path(), 0)

    def block(self) -> Samples:
        """Interrupt the run once there are enough."""
        if self.timers.blocks == self.timers.interrupt_after:
            raise KeyboardInterrupt
        self.timers.blocks += 1
        return super().block()


def install_timers(monkeypatch: pytest.MonkeyPatch, interrupt_after: int | None = None) -> ScriptedTimers:
    """Time in this process."""
    timers = ScriptedTimers(interrupt_after)
    monkeypatch.setattr("trtbench.measure.timers.ArmProcess", timers.open)
    return timers
