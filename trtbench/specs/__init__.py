"""What a user asks for. Specs are frozen, refuse unknown fields, and do no I/O."""

from trtbench.specs.base import MAX_SEED, Scalar, Seed, Spec, canonical_hash, first_problem, spec_id
from trtbench.specs.bench import ArmEnvironment, ArmSpec, BenchSpec, InputValues, L2Mode, Regime
from trtbench.specs.build import (
    MAX_AUX_STREAMS,
    MAX_BYTES,
    MAX_WORKSPACE_BYTES,
    BuildBackend,
    BuilderOptions,
    BuildPaths,
    BuildRequest,
    BuildSpec,
    HardwareCompatibility,
    Shape,
    ShapeRange,
    TilingLevel,
    TimingCacheMode,
)
from trtbench.specs.environment import EnvironmentSpec
from trtbench.specs.gate import Condition
from trtbench.specs.gpu import FigureSource, GpuSpec
from trtbench.specs.grid import Grid
from trtbench.specs.model import (
    CalibrationSpec,
    CheckpointSpec,
    ExportSpec,
    InputsSpec,
    ModelSpec,
    RecipeField,
    SourceSpec,
    SparsityMethod,
)
from trtbench.specs.tune import Change, TuneSpec

__all__ = [
    "MAX_AUX_STREAMS",
    "MAX_BYTES",
    "MAX_SEED",
    "MAX_WORKSPACE_BYTES",
    "ArmEnvironment",
    "ArmSpec",
    "BenchSpec",
    "BuildBackend",
    "BuildPaths",
    "BuildRequest",
    "BuildSpec",
    "BuilderOptions",
    "CalibrationSpec",
    "Change",
    "CheckpointSpec",
    "Condition",
    "EnvironmentSpec",
    "ExportSpec",
    "FigureSource",
    "GpuSpec",
    "Grid",
    "HardwareCompatibility",
    "InputValues",
    "InputsSpec",
    "L2Mode",
    "ModelSpec",
    "RecipeField",
    "Regime",
    "Scalar",
    "Seed",
    "Shape",
    "ShapeRange",
    "SourceSpec",
    "SparsityMethod",
    "Spec",
    "TilingLevel",
    "TimingCacheMode",
    "TuneSpec",
    "canonical_hash",
    "first_problem",
    "spec_id",
]
