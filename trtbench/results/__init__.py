"""What the stages found."""

from trtbench.results.artifacts import CalibrationRecord, EngineManifest, OnnxManifest, SparsityRecord
from trtbench.results.audit import (
    Audit,
    AuditedLayer,
    CompiledEngine,
    CompiledLayer,
    LayerTensor,
    RoleCoverage,
)
from trtbench.results.base import SCHEMA_VERSION, FileRecord, Finding, Severity, TensorRecord
from trtbench.results.comparison import (
    Comparison,
    ComparisonRow,
    CompiledSummary,
    EngineSummary,
    OnnxSummary,
)
from trtbench.results.fidelity import (
    BlockFidelity,
    Fidelity,
    FidelityReference,
    Verification,
    VerificationRow,
)
from trtbench.results.measurement import (
    ArmFacts,
    GraphUse,
    Measurement,
    Series,
    Statistic,
    Telemetry,
    TelemetrySummary,
    TimedBlock,
    Verdict,
    VerdictWord,
)

__all__ = [
    "SCHEMA_VERSION",
    "ArmFacts",
    "Audit",
    "AuditedLayer",
    "BlockFidelity",
    "CalibrationRecord",
    "Comparison",
    "ComparisonRow",
    "CompiledEngine",
    "CompiledLayer",
    "CompiledSummary",
    "EngineManifest",
    "EngineSummary",
    "Fidelity",
    "FidelityReference",
    "FileRecord",
    "Finding",
    "GraphUse",
    "LayerTensor",
    "Measurement",
    "OnnxManifest",
    "OnnxSummary",
    "RoleCoverage",
    "Series",
    "Severity",
    "SparsityRecord",
    "Statistic",
    "Telemetry",
    "TelemetrySummary",
    "TensorRecord",
    "TimedBlock",
    "Verdict",
    "VerdictWord",
    "Verification",
    "VerificationRow",
]
