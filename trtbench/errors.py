"""Every error that trtbench raises on purpose, and the codes of errors and findings.

The text of an error says what went wrong, in which file or field, the value seen, and what to do next,
in one line: the command line prints it as it is. A script branches on the code, not on the text.
"""

from collections.abc import Sequence
from enum import Enum

from trtbench.units import shortened, visible


class Code(str, Enum):
    """What went wrong, or what a finding is about. ``docs/reference/findings.md`` explains each."""

    # One for each type of error, where nothing finer is known.
    ARTIFACT_DAMAGED = "ARTIFACT_DAMAGED"
    BUILD_FAILED = "BUILD_FAILED"
    EXPORT_FAILED = "EXPORT_FAILED"
    INCOMPATIBLE_RESULTS = "INCOMPATIBLE_RESULTS"
    MEASURE_FAILED = "MEASURE_FAILED"
    OUTPUT_FAILED = "OUTPUT_FAILED"
    RUNTIME_UNAVAILABLE = "RUNTIME_UNAVAILABLE"
    SPEC_ERROR = "SPEC_ERROR"

    # export: findings on weights and activations.
    ACTIVATION_BEYOND_FP16 = "ACTIVATION_BEYOND_FP16"
    WEIGHT_BELOW_FP16 = "WEIGHT_BELOW_FP16"

    # build: how a compiler ended that did not refuse the model.
    BUILD_KILLED = "BUILD_KILLED"
    BUILD_MEMORY_LIMIT = "BUILD_MEMORY_LIMIT"
    BUILD_TIME_LIMIT = "BUILD_TIME_LIMIT"

    # measure: why an arm was not timed.
    GPU_OUT_OF_MEMORY = "GPU_OUT_OF_MEMORY"
    GRAPH_CAPTURE_FAILED = "GRAPH_CAPTURE_FAILED"
    GRAPH_DIFFERS = "GRAPH_DIFFERS"
    GRAPH_STALE = "GRAPH_STALE"
    MEASURE_KILLED = "MEASURE_KILLED"
    MEASURE_TIME_LIMIT = "MEASURE_TIME_LIMIT"
    OUTPUT_CONSTANT = "OUTPUT_CONSTANT"
    OUTPUT_IGNORES_INPUT = "OUTPUT_IGNORES_INPUT"
    OUTPUT_NOT_FINITE = "OUTPUT_NOT_FINITE"
    OUTPUT_NOT_WRITTEN = "OUTPUT_NOT_WRITTEN"
    OUTPUT_UNSTABLE = "OUTPUT_UNSTABLE"
    WORK_OFF_STREAM = "WORK_OFF_STREAM"

    # measure: why an arm was not timed, and a finding.
    FOREIGN_PROCESS = "FOREIGN_PROCESS"
    GRAPH_EMPTY = "GRAPH_EMPTY"

    # measure: findings.
    ENQUEUE_BOUND = "ENQUEUE_BOUND"
    RUNTIME_OVERHEAD = "RUNTIME_OVERHEAD"
    INPUT_DEPENDENT_POWER = "INPUT_DEPENDENT_POWER"
    L2_FITS_ONE_ARM = "L2_FITS_ONE_ARM"
    NOISY = "NOISY"
    NOT_STEADY = "NOT_STEADY"
    NO_GRAPH = "NO_GRAPH"
    OUTPUT_DIFFERS = "OUTPUT_DIFFERS"
    PROCESS_FAILED = "PROCESS_FAILED"
    REBUILDS_IDENTICAL = "REBUILDS_IDENTICAL"
    THROTTLED = "THROTTLED"
    TRTEXEC_DISAGREES = "TRTEXEC_DISAGREES"

    # audit: findings on compiled layers and timed tactics.
    ATTENTION_FELL_BACK = "ATTENTION_FELL_BACK"
    ATTENTION_NOT_FUSED = "ATTENTION_NOT_FUSED"
    ATTENTION_NOT_QUANTIZED = "ATTENTION_NOT_QUANTIZED"
    ATTENTION_SLOW_KERNEL = "ATTENTION_SLOW_KERNEL"
    EMULATED = "EMULATED"
    FLOPS_MISMATCH = "FLOPS_MISMATCH"
    FP32_ACTIVATIONS = "FP32_ACTIVATIONS"
    GEMM_FELL_BACK = "GEMM_FELL_BACK"
    HEAD_NOT_QUANTIZED = "HEAD_NOT_QUANTIZED"
    LAYERS_NOT_READ = "LAYERS_NOT_READ"
    LINEAR_NOT_QUANTIZED = "LINEAR_NOT_QUANTIZED"
    NEAR_TIE = "NEAR_TIE"
    ONE_OPERAND_QUANTIZED = "ONE_OPERAND_QUANTIZED"
    OPEN_DIMENSIONS = "OPEN_DIMENSIONS"
    PRODUCTS_NOT_COUNTED = "PRODUCTS_NOT_COUNTED"
    QUANTIZE_KERNELS = "QUANTIZE_KERNELS"
    SCALE_PADDING = "SCALE_PADDING"
    SPARSE_TACTIC_SLOWER = "SPARSE_TACTIC_SLOWER"
    SPARSITY_NOT_USED = "SPARSITY_NOT_USED"
    TACTICS_NOT_READ = "TACTICS_NOT_READ"

    # lint: findings on a model or a graph before it is built.
    ASYMMETRIC_QUANTIZER = "ASYMMETRIC_QUANTIZER"
    BATCHED_QUANTIZER = "BATCHED_QUANTIZER"
    BLOCK_ATTENTION = "BLOCK_ATTENTION"
    BLOCK_AXIS = "BLOCK_AXIS"
    BLOCK_DOES_NOT_DIVIDE = "BLOCK_DOES_NOT_DIVIDE"
    BLOCK_SIZE = "BLOCK_SIZE"
    COLUMNS_NOT_64 = "COLUMNS_NOT_64"
    CONVOLUTION_PRECISION = "CONVOLUTION_PRECISION"
    DYNAMIC_SHAPE = "DYNAMIC_SHAPE"
    FEW_KEYS = "FEW_KEYS"
    FOREIGN_TYPE = "FOREIGN_TYPE"
    FP32_ATTENTION = "FP32_ATTENTION"
    FUSED_QKV = "FUSED_QKV"
    HEAD_DIM_NOT_FUSED = "HEAD_DIM_NOT_FUSED"
    HEAD_DIM_PADDED = "HEAD_DIM_PADDED"
    INT32_BIAS = "INT32_BIAS"
    INT8_ATTENTION = "INT8_ATTENTION"
    INTEGER_OPERATOR = "INTEGER_OPERATOR"
    MXFP8_EMULATED = "MXFP8_EMULATED"
    ODD_OUTPUTS = "ODD_OUTPUTS"
    PARTLY_FP8_ATTENTION = "PARTLY_FP8_ATTENTION"
    PATCH_EMBEDDING_IN_16_BITS = "PATCH_EMBEDDING_IN_16_BITS"
    PIXELS_DROPPED = "PIXELS_DROPPED"
    PRODUCTS_NOT_JUDGED = "PRODUCTS_NOT_JUDGED"
    QUANTIZER_RANK = "QUANTIZER_RANK"
    QUANTIZER_READS_FP32 = "QUANTIZER_READS_FP32"
    ROWS_NOT_128 = "ROWS_NOT_128"
    SINGLE_BLOCK = "SINGLE_BLOCK"
    SINGLE_QUERY = "SINGLE_QUERY"
    SPARSITY_IGNORED = "SPARSITY_IGNORED"
    TARGET_LACKS_TYPE = "TARGET_LACKS_TYPE"
    UNSIGNED_QUANTIZER = "UNSIGNED_QUANTIZER"

    # trace: why a file is refused.
    TRACE_FOREIGN = "TRACE_FOREIGN"
    TRACE_WITHOUT_KERNELS = "TRACE_WITHOUT_KERNELS"

    # trace: findings.
    GPU_IDLE = "GPU_IDLE"
    INFERENCES_NOT_FOUND = "INFERENCES_NOT_FOUND"
    LAYER_SUMS = "LAYER_SUMS"
    OLDER_KERNELS = "OLDER_KERNELS"
    TRACE_HIDES_KERNELS = "TRACE_HIDES_KERNELS"
    UNKNOWN_KERNELS = "UNKNOWN_KERNELS"

    # compare: findings on rows and on stored results.
    FIDELITY_UNKNOWN = "FIDELITY_UNKNOWN"
    MACHINE_DIFFERS = "MACHINE_DIFFERS"
    NOT_INTERLEAVED = "NOT_INTERLEAVED"

    # environments and doctor: findings on what is installed.
    ENVIRONMENT_MISMATCH = "ENVIRONMENT_MISMATCH"
    TWO_ONNXRUNTIMES = "two-onnxruntimes"

    def __str__(self) -> str:
        """The code as JSON and reports show it, in every version of Python."""
        return self.value


class TrtbenchError(Exception):
    """Base of all errors below; the command line prints its text and exits 1.

    Args:
        text: what went wrong and what to do; it becomes one line of at most 500 characters, in which what
            a terminal would obey stands as escapes.
        code: what went wrong, if more is known than the type of the error says.
    """

    code: Code

    def __init__(self, text: str, *, code: Code | None = None) -> None:
        super().__init__(shortened(visible(text.replace("\n", " "))))
        if code is not None:
            self.code = code


class SpecError(TrtbenchError):
    """The request itself is wrong (unknown recipe, model, target, batch of 0); exit code 2."""

    code = Code.SPEC_ERROR


class SpecErrors(SpecError):
    """Several faults of one request; the command line prints each on a line."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__("; ".join(texts))
        self.texts = tuple(str(SpecError(text)) for text in texts)


class ArtifactError(TrtbenchError):
    """A stored file is missing, damaged, of another schema, or cannot be written."""

    code = Code.ARTIFACT_DAMAGED


class RuntimeUnavailable(TrtbenchError):
    """An optional package or a device that the request needs is not there."""

    code = Code.RUNTIME_UNAVAILABLE


class ExportError(TrtbenchError):
    """A model could not be quantised or written as ONNX."""

    code = Code.EXPORT_FAILED


class WeightsError(ExportError):
    """Weights cannot be read or downloaded, or do not fit: whatever the recipe."""


class BuildError(TrtbenchError):
    """The compiler refused the model, crashed, ran out of time or out of memory."""

    code = Code.BUILD_FAILED


class MeasureError(TrtbenchError):
    """An arm could not be loaded or timed: out of GPU memory, a lost device, a capture that failed."""

    code = Code.MEASURE_FAILED


class OutputError(TrtbenchError):
    """The result is there, and cannot be written to stdout."""

    code = Code.OUTPUT_FAILED


class IncompatibleResults(TrtbenchError):
    """Stored results that cannot stand in one comparison, or a file of another kind or schema."""

    code = Code.INCOMPATIBLE_RESULTS
