"""Codes of errors and findings: what each means and what to do. The documentation shows them."""

from enum import Enum
from functools import partial
from typing import NamedTuple


class _Entry(NamedTuple):
    topic: str
    value: str
    meaning: str
    remedy: str


_failure = partial(_Entry, "Failures")
_weights = partial(_Entry, "Weights and activations")
_compiled = partial(_Entry, "Compiled layers")
_design = partial(_Entry, "Design rules")
_check = partial(_Entry, "Checks before timing")
_timing = partial(_Entry, "Times")
_trace = partial(_Entry, "Traces")
_result = partial(_Entry, "Comparisons and the machine")


class Code(str, Enum):
    """What went wrong, or what a finding is about.

    Attributes:
        topic: the heading under which the documentation lists it.
        meaning: what is wrong, in Markdown.
        remedy: what to do, in Markdown.
    """

    topic: str
    meaning: str
    remedy: str

    def __new__(cls, topic: str, value: str, meaning: str, remedy: str) -> "Code":
        """Keep the texts beside the value; a code without them is an error."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.topic, code.meaning, code.remedy = topic, meaning, remedy
        return code

    # Why a command, a build or an arm failed.
    ARTIFACT_DAMAGED = _failure(
        "ARTIFACT_DAMAGED",
        "a stored file is missing, damaged, of another schema, or not writable",
        "make it again; make room",
    )
    BUILD_FAILED = _failure(
        "BUILD_FAILED", "the compiler refused the model", "read the log that the text names"
    )
    EXPORT_FAILED = _failure(
        "EXPORT_FAILED",
        "the model could not be quantised or written as ONNX",
        "read the log that the text names",
    )
    INCOMPATIBLE_RESULTS = _failure(
        "INCOMPATIBLE_RESULTS",
        "stored results cannot be compared, or a file is not a result",
        "measure with one version",
    )
    MEASURE_FAILED = _failure(
        "MEASURE_FAILED", "an arm could not be loaded or timed", "read the log that the text names"
    )
    OUTPUT_FAILED = _failure(
        "OUTPUT_FAILED", "the result is stored, but stdout cannot be written", "read the stored result"
    )
    RUNTIME_UNAVAILABLE = _failure(
        "RUNTIME_UNAVAILABLE", "a package, a GPU, a driver or a container is missing", "run `trtbench doctor`"
    )
    SPEC_ERROR = _failure(
        "SPEC_ERROR",
        "the request is wrong: recipe, model, target or option (exit code 2)",
        "correct what the text names",
    )
    BUILD_KILLED = _failure(
        "BUILD_KILLED",
        "a signal ended the compiler: a crash, or no host memory left",
        "free memory, or take a smaller batch",
    )
    BUILD_MEMORY_LIMIT = _failure(
        "BUILD_MEMORY_LIMIT",
        "the build was stopped at `--memory-limit-gb`",
        "allow more memory, or take a smaller batch",
    )
    BUILD_TIME_LIMIT = _failure(
        "BUILD_TIME_LIMIT",
        "the build was stopped at `--timeout-s`",
        "allow more time, or take a smaller model",
    )
    GPU_OUT_OF_MEMORY = _failure(
        "GPU_OUT_OF_MEMORY", "CUDA had no memory left", "take a smaller batch, or fewer arms at a time"
    )
    MEASURE_KILLED = _failure(
        "MEASURE_KILLED",
        "a signal ended the worker or trtexec: a crash, or no host memory left",
        "take fewer arms",
    )
    MEASURE_TIME_LIMIT = _failure(
        "MEASURE_TIME_LIMIT",
        "the worker or trtexec gave no answer in time and was killed",
        "look for other work on the GPU",
    )
    TRACE_FOREIGN = _failure(
        "TRACE_FOREIGN",
        "a file of a tool whose traces are not read, or in another format",
        "export it as the text says",
    )
    TRACE_WITHOUT_KERNELS = _failure(
        "TRACE_WITHOUT_KERNELS",
        "a trace without kernels, mostly of whole CUDA graphs",
        "record it as the text says",
    )

    # On weights and activations, from the export.
    ACTIVATION_BEYOND_FP16 = _weights(
        "ACTIVATION_BEYOND_FP16",
        "an output exceeds 65504 on the calibration images (or two synthetic ones)",
        "use `bf16`",
    )
    WEIGHT_BELOW_FP16 = _weights(
        "WEIGHT_BELOW_FP16",
        "all weights of a layer are so small that FP16 rounds them by over 1 %",
        "use `bf16`",
    )

    # On compiled layers and timed tactics; P is the output of the softmax.
    ATTENTION_FELL_BACK = _compiled(
        "ATTENTION_FELL_BACK",
        "attention is quantised in the graph, computed in 16 bits",
        "one scale a tensor; scale Q first",
    )
    ATTENTION_NOT_FUSED = _compiled(
        "ATTENTION_NOT_FUSED",
        "attention runs as separate products, scores in memory",
        "quantise all of Q, K, V and P, or none",
    )
    ATTENTION_NOT_QUANTIZED = _compiled(
        "ATTENTION_NOT_QUANTIZED", "attention stays in 16 bits in a quantised recipe", "add `+fp8attn`"
    )
    ATTENTION_SLOW_KERNEL = _compiled(
        "ATTENTION_SLOW_KERNEL",
        "attention takes the fused kernel of the first generation",
        "quantise Q, K, V and P, or none",
    )
    EMULATED = _compiled(
        "EMULATED",
        "the compiler has no GEMM in this precision: it multiplies in 16 bits",
        "another precision or backend",
    )
    FLOPS_MISMATCH = _compiled(
        "FLOPS_MISMATCH",
        "two counts of the same FLOPs differ: shares of FLOPs are not reliable",
        "find it with `--layers`",
    )
    FP32_ACTIVATIONS = _compiled(
        "FP32_ACTIVATIONS",
        "large tensors between kernels are FP32 in a model of 16 bits or fewer",
        "remove Casts to float",
    )
    GEMM_FELL_BACK = _compiled(
        "GEMM_FELL_BACK",
        "GEMMs quantised in the graph run in a wider precision",
        "drop `@stock`; make Q, K, V three Linears",
    )
    HEAD_NOT_QUANTIZED = _compiled(
        "HEAD_NOT_QUANTIZED", "the head stays in 16 bits", "nothing: it is a small part of the work"
    )
    LAYERS_NOT_READ = _compiled(
        "LAYERS_NOT_READ",
        "layers in an unknown form, which count no FLOPs and no bytes",
        "read them in `build.log`",
    )
    LINEAR_NOT_QUANTIZED = _compiled(
        "LINEAR_NOT_QUANTIZED",
        "the recipe quantises Linear layers that are wider in the graph",
        "read the notes of the export",
    )
    NEAR_TIE = _compiled(
        "NEAR_TIE",
        "the second tactic is nearly as fast: another build may take it",
        "`--rebuilds`, or a shared timing cache",
    )
    ONE_OPERAND_QUANTIZED = _compiled(
        "ONE_OPERAND_QUANTIZED",
        "products with one quantised operand run in the wider type",
        "quantise both, or neither",
    )
    OPEN_DIMENSIONS = _compiled(
        "OPEN_DIMENSIONS",
        "an optimization profile: FLOPs are those at its optimum or `--shape`",
        "name inputs with `--shape`",
    )
    PRODUCTS_NOT_COUNTED = _compiled(
        "PRODUCTS_NOT_COUNTED",
        "FLOPs leave out If, Loop, LSTM, foreign operators",
        "read shares as those of the listed layers",
    )
    QUANTIZE_KERNELS = _compiled(
        "QUANTIZE_KERNELS",
        "kernels that only quantise, dequantise or arrange scales",
        "static scales mostly fold away",
    )
    SCALE_PADDING = _compiled(
        "SCALE_PADDING",
        "kernels pad block scales, since rows are not a multiple of 128",
        "choose tokens or batch to fit",
    )
    SPARSE_TACTIC_SLOWER = _compiled(
        "SPARSE_TACTIC_SLOWER", "a sparse kernel was timed and lost", "try other batches"
    )
    SPARSITY_NOT_USED = _compiled(
        "SPARSITY_NOT_USED",
        "2:4 sparsity was asked for, and no GEMM names a sparse kernel",
        "drop `+sparse` for this backend",
    )
    TACTICS_NOT_READ = _compiled(
        "TACTICS_NOT_READ",
        "a table of tactics in the build log has an unknown form",
        "read it in `build.log`",
    )

    # On a model or a graph before it is built, from lint.
    ASYMMETRIC_QUANTIZER = _design(
        "ASYMMETRIC_QUANTIZER",
        "a quantiser has a zero point other than 0, or weights in uint8, which the parser refuses",
        "quantise symmetrically to int8",
    )
    BATCHED_QUANTIZER = _design(
        "BATCHED_QUANTIZER",
        "two kernels rearrange the block scales of a 3-D activation with a batch above 1",
        "reshape activations to (batch * tokens, width)",
    )
    BLOCK_ATTENTION = _design(
        "BLOCK_ATTENTION", "attention in a block format is not fused", "quantise attention to FP8"
    )
    BLOCK_AXIS = _design(
        "BLOCK_AXIS", "blocks lie along an axis that the compiler refuses", "put blocks along the last axis"
    )
    BLOCK_DOES_NOT_DIVIDE = _design(
        "BLOCK_DOES_NOT_DIVIDE",
        "the block does not divide the dimension that it lies along",
        "make it a multiple of 16 (NVFP4) or 32 (MXFP8)",
    )
    BLOCK_SIZE = _design(
        "BLOCK_SIZE", "the block has another size than its format", "use blocks of 16 (NVFP4) or 32 (MXFP8)"
    )
    COLUMNS_NOT_64 = _design(
        "COLUMNS_NOT_64",
        "one kernel more pads the scales, since the width is not a multiple of 64",
        "choose a width that is a multiple of 64",
    )
    CONVOLUTION_PRECISION = _design(
        "CONVOLUTION_PRECISION",
        "a quantised convolution is dequantised and runs in FP16",
        "leave the convolution in 16 bits",
    )
    DYNAMIC_SHAPE = _design(
        "DYNAMIC_SHAPE",
        "the graph has a dynamic dimension and no optimization profile",
        "make the shape static, or `build --profile`",
    )
    FEW_KEYS = _design(
        "FEW_KEYS", "FP8 attention over fewer than 32 keys is not fused", "leave this attention in 16 bits"
    )
    FOREIGN_TYPE = _design(
        "FOREIGN_TYPE", "a tensor has a type that the compiler cannot import", "cast it in the exporter"
    )
    FP32_ATTENTION = _design(
        "FP32_ATTENTION",
        "attention scores are FP32, so attention is not fused",
        "compute them in FP16 or BF16",
    )
    FUSED_QKV = _design(
        "FUSED_QKV",
        "one NVFP4 product for Q, K and V that is split behind it runs in FP16",
        "make Q, K, V three Linear layers",
    )
    HEAD_DIM_NOT_FUSED = _design(
        "HEAD_DIM_NOT_FUSED", "attention with heads of this width is not fused", "choose heads 16 to 256 wide"
    )
    HEAD_DIM_PADDED = _design(
        "HEAD_DIM_PADDED",
        "Q, K and V are copied into wider heads and the result is cut",
        "choose a width that is a multiple of 8",
    )
    INT32_BIAS = _design(
        "INT32_BIAS", "a bias is Int32, which the parser refuses", "keep biases in floating point"
    )
    INT8_ATTENTION = _design("INT8_ATTENTION", "attention in INT8 is not fused", "quantise attention to FP8")
    INTEGER_OPERATOR = _design(
        "INTEGER_OPERATOR",
        "an operator computes on integers, which the parser lacks",
        "use pairs of QuantizeLinear and DequantizeLinear",
    )
    MXFP8_EMULATED = _design(
        "MXFP8_EMULATED",
        "TensorRT-RTX has no MXFP8 GEMM: it dequantises and multiplies in FP16",
        "use `fp8` or `nvfp4`",
    )
    ODD_OUTPUTS = _design(
        "ODD_OUTPUTS", "an odd number of outputs is padded at run time, or cannot be built", "add one output"
    )
    PARTLY_FP8_ATTENTION = _design(
        "PARTLY_FP8_ATTENTION",
        "only some of Q, K, V and the output of the softmax are FP8",
        "quantise all four, or none",
    )
    PATCH_EMBEDDING_IN_16_BITS = _design(
        "PATCH_EMBEDDING_IN_16_BITS",
        "the patch embedding stays in 16 bits: block formats have no convolution",
        "nothing: it is a small part of the work",
    )
    PIXELS_DROPPED = _design(
        "PIXELS_DROPPED",
        "the image is not a whole number of patches, so pixels are ignored",
        "choose an image of whole patches",
    )
    PRODUCTS_NOT_JUDGED = _design(
        "PRODUCTS_NOT_JUDGED",
        "shapes of products are not known, so rules cannot judge them",
        "simplify the graph, or name inputs with `--shape`",
    )
    QUANTIZER_RANK = _design(
        "QUANTIZER_RANK",
        "a dynamic quantiser reads a tensor that has neither 2 nor 3 dimensions",
        "reshape it",
    )
    QUANTIZER_READS_FP32 = _design(
        "QUANTIZER_READS_FP32",
        "a quantiser reads FP32, so the kernel in front writes twice the bytes",
        "remove the Cast to float",
    )
    ROWS_NOT_128 = _design(
        "ROWS_NOT_128",
        "a kernel more per quantiser pads the scales: batch x tokens is not a multiple of 128",
        "choose batch or image size to fit",
    )
    SINGLE_BLOCK = _design(
        "SINGLE_BLOCK",
        "a row is a single block: the product runs in FP16, or cannot be built",
        "leave this layer in 16 bits or FP8",
    )
    SINGLE_QUERY = _design(
        "SINGLE_QUERY",
        "FP8 attention of a single query runs in FP16",
        "nothing: attention pooling is a small part of the work",
    )
    SPARSITY_IGNORED = _design(
        "SPARSITY_IGNORED", "TensorRT-RTX runs 2:4 sparse weights as dense ones", "drop `+sparse`"
    )
    TARGET_LACKS_TYPE = _design(
        "TARGET_LACKS_TYPE",
        "the target has no kernels for a type of the graph",
        "choose another target or precision",
    )
    UNSIGNED_QUANTIZER = _design(
        "UNSIGNED_QUANTIZER",
        "activations are quantised to uint8, and codes above 127 are cut off",
        "calibrate symmetrically to int8",
    )

    # Why an arm was not timed: checks of its outputs and of its CUDA graph.
    GRAPH_CAPTURE_FAILED = _check(
        "GRAPH_CAPTURE_FAILED", "CUDA or the runtime refused to capture a query", "measure with `--no-graph`"
    )
    GRAPH_DIFFERS = _check(
        "GRAPH_DIFFERS",
        "the CUDA graph's outputs differ from those of plain queries",
        "measure with `--no-graph`",
    )
    GRAPH_STALE = _check(
        "GRAPH_STALE", "replays of the CUDA graph ignore the input", "measure with `--no-graph`"
    )
    OUTPUT_CONSTANT = _check(
        "OUTPUT_CONSTANT", "all values of an output are the same", "check the weights and `trtbench verify`"
    )
    OUTPUT_IGNORES_INPUT = _check(
        "OUTPUT_IGNORES_INPUT", "outputs do not depend on the input", "check the model and `trtbench verify`"
    )
    OUTPUT_NOT_FINITE = _check(
        "OUTPUT_NOT_FINITE", "an output holds infinities or NaNs: the recipe overflows", "use `bf16`"
    )
    OUTPUT_NOT_WRITTEN = _check(
        "OUTPUT_NOT_WRITTEN",
        "the query left values of an output unwritten",
        "build again, or try another version of the runtime",
    )
    OUTPUT_UNSTABLE = _check(
        "OUTPUT_UNSTABLE",
        "outputs change from query to query",
        "build again, or try another version of the runtime",
    )
    WORK_OFF_STREAM = _check(
        "WORK_OFF_STREAM",
        "the GPU works on after the query's stream is done, so events would time too little",
        "use another runtime",
    )

    # On times; the first two are also reasons why an arm failed.
    FOREIGN_PROCESS = _timing(
        "FOREIGN_PROCESS", "another process had the GPU open", "stop it, and measure again"
    )
    GRAPH_EMPTY = _timing(
        "GRAPH_EMPTY",
        "the CUDA graph holds no kernel, or its replay leaves outputs unwritten",
        "measure with `--no-graph`",
    )
    ENQUEUE_BOUND = _timing(
        "ENQUEUE_BOUND",
        "the host takes over 80 % of the GPU time to enqueue a query",
        "use a CUDA graph (remove `--no-graph`), or a larger batch",
    )
    RUNTIME_OVERHEAD = _timing(
        "RUNTIME_OVERHEAD",
        "a query that computes nothing takes over 10 % of the median",
        "use a larger batch, or compare models in one runtime",
    )
    INPUT_DEPENDENT_POWER = _timing(
        "INPUT_DEPENDENT_POWER",
        "under the power cap, inputs of zeros are computed measurably faster than images",
        "read times as those of these inputs",
    )
    L2_FITS_ONE_ARM = _timing(
        "L2_FITS_ONE_ARM",
        "one arm fits into the L2 cache and the other does not",
        "measure with `--l2 flushed`, too",
    )
    NOISY = _timing(
        "NOISY",
        "times vary by over 2.5 %, or the interval is wider than asked",
        "measure longer (`--duration-s`), in more processes, on an idle machine",
    )
    NOT_STEADY = _timing(
        "NOT_STEADY",
        "times still changed after warming up, or drifted by 1 % in every process",
        "warm up longer (`--warmup-ms`)",
    )
    NO_GRAPH = _timing(
        "NO_GRAPH",
        "a CUDA graph was asked for, but the runtime runs without one",
        "compare with an arm without one (`--no-graph`), too",
    )
    OUTPUT_DIFFERS = _timing(
        "OUTPUT_DIFFERS",
        "outputs on the same inputs are further from the baseline than the precision explains",
        "run `trtbench verify` first",
    )
    PROCESS_FAILED = _timing(
        "PROCESS_FAILED",
        "a process of the arm failed before an interruption",
        "find out why; measure again from the start",
    )
    REBUILDS_IDENTICAL = _timing(
        "REBUILDS_IDENTICAL", "rebuilt engines are identical byte for byte", "remove `--rebuilds`"
    )
    THROTTLED = _timing(
        "THROTTLED",
        "the driver held the clock down for over 1 % of the time",
        "cool the GPU, or lock its clock; the text names the reason",
    )
    TRTEXEC_DISAGREES = _timing(
        "TRTEXEC_DISAGREES",
        "`tensorrt` and `trtexec` differ by over 2 % on one engine",
        "measure both again; compare clocks and inputs",
    )

    # On traces of profilers.
    GPU_IDLE = _trace(
        "GPU_IDLE",
        "no kernel runs in a fifth of the time or more; the text says what does",
        "as the text says",
    )
    INFERENCES_NOT_FOUND = _trace(
        "INFERENCES_NOT_FOUND",
        "nothing repeats, so there are no numbers for one inference",
        "put NVTX ranges around them",
    )
    LAYER_SUMS = _trace(
        "LAYER_SUMS",
        "layers were timed one by one, so their sum is not the latency",
        "measure with `trtbench bench`",
    )
    OLDER_KERNELS = _trace(
        "OLDER_KERNELS",
        "kernels for an older architecture than the GPU's (`sm80_*` on `sm120`)",
        "try a newer library",
    )
    TRACE_HIDES_KERNELS = _trace(
        "TRACE_HIDES_KERNELS",
        "replays of CUDA graphs were recorded without kernels",
        "`nsys profile --cuda-graph-trace=node`",
    )
    UNKNOWN_KERNELS = _trace(
        "UNKNOWN_KERNELS",
        "names of kernels do not say what they do",
        "add patterns to `trtbench/trace/taxonomy.yaml`",
    )

    # On rows, stored results and what is installed.
    FIDELITY_UNKNOWN = _result(
        "FIDELITY_UNKNOWN", "the distance from the FP32 model could not be computed", "run `trtbench verify`"
    )
    MACHINE_DIFFERS = _result(
        "MACHINE_DIFFERS",
        "stored results of machines that differ in a recorded version",
        "measure again on one machine",
    )
    NOT_INTERLEAVED = _result(
        "NOT_INTERLEAVED",
        "stored results of two runs: changes in between are not in the interval",
        "measure both in one run",
    )
    ENVIRONMENT_MISMATCH = _result(
        "ENVIRONMENT_MISMATCH",
        "an environment holds another version than expected",
        "remove its folder, or fix `containers/`",
    )
    TWO_ONNXRUNTIMES = _result(
        "two-onnxruntimes",
        "onnxruntime and onnxruntime-gpu overwrite each other's files",
        "uninstall both, install one",
    )

    def __str__(self) -> str:
        """The code as JSON and reports show it, in every version of Python."""
        return str.__str__(self)
