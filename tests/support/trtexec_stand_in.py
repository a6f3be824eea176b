"""Stands in for trtexec: takes the flags that a version takes, refuses the others in that version's words.

Flags are those of ``samples/common/sampleOptions.cpp`` of TensorRT (10.x as of 10.14, 11.x as of 11.1), log
lines and exported files as that source and a public log of 10.9 have them.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from support.host_code import HOST_CODE, HOST_CODE_REFUSED

_DYNAMIC = b" of dynamic shapes"
_TIME = "11/21/2026-10:00:00"

_BUILD = """onnx minShapes optShapes maxShapes inputIOFormats outputIOFormats memPoolSize profilingVerbosity
avgTiming refit stripWeights stripAllWeights versionCompatible useRuntime leanDLLPath
excludeLeanRuntime sparsity noTF32 stronglyTyped directIO layerDeviceTypes decomposableAttentions
safe dumpKernelText buildDLAStandalone allowGPUFallback consistency saveEngine loadEngine
asyncFileReader getPlanVersionOnly tacticSources noBuilderCache noCompilationCache
errorOnTimingCacheMiss timingCacheFile preview builderOptimizationLevel maxTactics
hardwareCompatibilityLevel runtimePlatform tempdir tempfileControls maxAuxStreams profile
allowWeightStreaming markDebug markUnfusedTensorsAsDebugTensors tilingOptimizationLevel
l2LimitForTiling remoteAutoTuningConfig refitFromOnnx skipInference"""
_SYSTEM = "device useDLACore staticPlugins dynamicPlugins setPluginsToSerialize ignoreParsedPluginLibs"
_INFERENCE = """shapes loadInputs iterations warmUp duration sleepTime idleTime infStreams exposeDMA
noDataTransfers useManagedMemory useSpinWait threads useCudaGraph timeDeserialize timeRefit separateProfileRun
persistentCacheRatio useProfile allocationStrategy saveDebugTensors saveAllDebugTensors
weightStreamingBudget"""
_REPORTING = """verbose avgRuns percentile dumpRefit dumpOutput dumpRawBindingsToFile dumpProfile
dumpLayerInfo dumpOptimizationProfile exportTimes exportOutput exportProfile exportLayerInfo help"""
_ONLY_10 = """best bf16 fp16 fp8 int4 int8 calib calibProfile layerPrecisions layerOutputTypes
precisionConstraints restricted weightless minShapesCalib optShapesCalib maxShapesCalib"""
_ONLY_11 = "noCudaGraph noSpinWait includeDataTransfers"

_TRACE = ("startEnqMs", "endEnqMs", "startH2dMs", "endH2dMs", "startComputeMs", "endComputeMs", "startD2hMs")


def flags_of(major: int) -> set[str]:
    """All flags that trtexec of TensorRT ``major`` takes, with their dashes."""
    texts = (_BUILD, _SYSTEM, _INFERENCE, _REPORTING, _ONLY_10 if major < 11 else _ONLY_11)
    return {f"--{name}" for text in texts for name in text.split()}


def write_trtexec(path: Path, version: str, **behaviour: Any) -> Path:
    """Make an executable at ``path`` that acts as trtexec of ``version`` (``10.14.1.48``)."""
    path.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from support.trtexec_stand_in import main\n"
        f"sys.exit(main({version!r}, {behaviour!r}, sys.argv))\n"
    )
    path.chmod(0o755)
    return path


def main(version: str, behaviour: dict[str, Any], argv: list[str]) -> int:
    """Act: banner, options, and then a build, a measurement, or a refusal."""
    numbers = [int(number) for number in version.split(".")]
    code = numbers[0] * 10000 + numbers[1] * 100 + numbers[2]
    banner = f"TensorRT.trtexec [TensorRT v{code}] [b{numbers[3]}] # {' '.join(argv)}"
    _write(f"&&&& RUNNING {banner}")
    given = {flag: value for flag, _, value in (argument.partition("=") for argument in argv[1:])}
    if "--help" in given:
        _write("=== Model Options ===\n  --onnx=<file>               ONNX model")
        return 0
    unknown = sorted(given.keys() - flags_of(numbers[0]))
    problems = [f"Unknown option: {flag} {given[flag]}" for flag in unknown] + behaviour.get("errors", [])
    problems += _refusals_of_engine(given)
    if problems:
        for problem in problems:
            _say("E", problem)
        _write(f"&&&& FAILED {banner}")
        return 1
    protocol = _protocol(numbers[0], given)
    _echo(numbers[0], given, {**protocol, **behaviour.get("echo", {})})
    _say("I", f"TensorRT version: {'.'.join(map(str, numbers[:3]))}")
    for line in behaviour.get("harmless", []):
        _say("E", line)
    if "takes_bytes" in behaviour:
        _ = b"x" * behaviour["takes_bytes"]
        time.sleep(60)
    if "dies_of" in behaviour:
        os.kill(os.getpid(), behaviour["dies_of"])
    if "--saveEngine" in given:
        _build(numbers[0], given, behaviour.get("tells_memory", True))
        for line in behaviour.get("sparsity", []) if given.get("--sparsity") == "enable" else []:
            _say("I", f"[TRT] (Sparsity) {line}")
    if "--skipInference" not in given:
        _infer(numbers[0], given, protocol, behaviour)
    _write(f"&&&& PASSED {banner}")
    return 0


def _refusals_of_engine(given: dict[str, str]) -> list[str]:
    """What it prints about an engine with host code in it, unless an option allows such code."""
    engine = Path(given.get("--loadEngine", ""))
    has_host_code = engine.is_file() and engine.read_bytes().endswith(HOST_CODE)
    if not has_host_code or "--versionCompatible" in given:
        return []
    return [HOST_CODE_REFUSED, "Engine set up failed"]


def _say(severity: str, text: str) -> None:
    _write(f"[{_TIME}] [{severity}] {text}", sys.stderr if severity == "E" else sys.stdout)


def _write(text: str, stream: TextIO = sys.stdout) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def _protocol(major: int, given: dict[str, str]) -> dict[str, bool]:
    if major < 11:
        return {
            "CUDA Graph": "--useCudaGraph" in given,
            "Data transfers": "--noDataTransfers" not in given,
            "Spin-wait": "--useSpinWait" in given,
        }
    return {
        "CUDA Graph": "--noCudaGraph" not in given,
        "Data transfers": "--includeDataTransfers" in given,
        "Spin-wait": "--noSpinWait" not in given,
    }


def _echo(major: int, given: dict[str, str], protocol: dict[str, bool]) -> None:
    typed = "Strongly Typed" if major >= 11 or "--stronglyTyped" in given else "FP32"
    _say("I", "=== Build Options ===")
    _say("I", f"Precision: {typed}")
    _say("I", "=== Inference Options ===")
    _say("I", f"Iterations: {given.get('--iterations', 10)}")
    _say("I", f"Duration: {given.get('--duration', 3)}s (+ {given.get('--warmUp', 200)}ms warm up)")
    for name, enabled in protocol.items():
        _say("I", f"{name}: {'Enabled' if enabled else 'Disabled'}")


def _build(major: int, given: dict[str, str], tells_memory: bool) -> None:
    if tells_memory:
        _say("I", "[TRT] Max Scratch Memory: 512 bytes")
        _say("I", "[TRT] Total Activation Memory: 2048 bytes")
        _say("I", "[TRT] Total Weights Memory: 8192 bytes")
    plan = b"an engine of trtexec" + _DYNAMIC * ("--minShapes" in given)
    Path(given["--saveEngine"]).write_bytes(plan + HOST_CODE * ("--versionCompatible" in given))
    is_dynamic = "--minShapes" in given
    tensor: dict[str, Any] = {"Name": "x", "Dimensions": [-1 if is_dynamic else 4, 64]}
    if major < 11:
        # Without a run there is no execution context, and so no shape (samples/trtexec/trtexec.cpp).
        tensor["Format/Datatype"] = "N/A due to dynamic shapes" if is_dynamic else "Half"
        ends: dict[str, Any] = {"Bindings": ["x", "y"]}
    else:
        tensor |= {"DataType": "Half", "Format": "(Linear) Row major linear format"}
        ends = {"I/O Tensors": [{"Name": name} for name in ("x", "y")]}
    detailed = given.get("--profilingVerbosity") == "detailed"
    layer: Any = {"Name": "fc_myl0_0", "LayerType": "gemm", "Inputs": [tensor], "Outputs": [tensor]}
    if "--exportLayerInfo" in given:
        layers = [layer if detailed else "fc_myl0_0"]
        Path(given["--exportLayerInfo"]).write_text(json.dumps({"Layers": layers, **ends}))


def _infer(major: int, given: dict[str, str], protocol: dict[str, bool], behaviour: dict[str, Any]) -> None:
    if protocol["CUDA Graph"]:
        if behaviour.get("captures", True):
            more = ". When profiling with Nsight Systems, add ..." if major >= 11 else ""
            _say("I", f"Successfully captured CUDA graph for the current execution context{more}")
        else:
            _say(
                "W",
                "The built TensorRT engine contains operations that are not permitted under CUDA graph "
                "capture mode.",
            )
    compute = behaviour.get("compute_ms", [5.0, 5.25, 5.5])
    typed = " and type Half" if major >= 11 else ""
    _say("I", "Engine deserialized in 0.125 sec.")
    shape = _shape(given)
    _say("I", f"Input binding for x with dimensions {shape}{typed} is created.")
    _say("I", f"Output binding for y with dimensions {shape}{typed} is created.")
    copy_ms = 0.5 if protocol["Data transfers"] else 0.0
    _say("I", "=== Performance summary ===")
    median = sorted(compute)[len(compute) // 2]
    _say("I", f"Throughput: {1000 / median:g} qps")
    for name, value in (
        ("Latency", median + 2 * copy_ms),
        ("Enqueue Time", 0.25),
        ("GPU Compute Time", median),
    ):
        _say(
            "I",
            f"{name}: min = {value} ms, max = {value} ms, mean = {value} ms, median = {value} ms, "
            f"percentile(90%) = {value} ms",
        )
    if "--exportTimes" in given:
        Path(given["--exportTimes"]).write_text(behaviour.get("times", _times(compute, copy_ms)))
    if "--exportProfile" in given:
        rows = [
            {"count": 100},
            {"name": "fc\x1f_0", "timeMs": 500, "averageMs": 5.0, "medianMs": 4.75, "percentage": 100},
        ]
        Path(given["--exportProfile"]).write_text(json.dumps(rows).replace("\\u001f", "\x1f"))


def _shape(given: dict[str, str]) -> str:
    """The shape of the input and the output: 1 for a dynamic batch, unless an option sets it."""
    if "--shapes" in given:
        return given["--shapes"].rpartition(":")[2]
    engine = Path(given.get("--loadEngine", ""))
    if engine.is_file() and _DYNAMIC in engine.read_bytes():
        _say(
            "W",
            "Dynamic dimensions required for input: x, but no shapes were provided. Automatically overriding "
            "shape to: 1x64",
        )
        return "1x64"
    return "4x64"


def _times(compute: list[float], copy_ms: float) -> str:
    """The trace as C++ streams write it, six digits a number: of what takes microseconds, little is left."""
    rows, now_ms = [], 20_000.0
    for value in compute:
        trace = dict.fromkeys(_TRACE, now_ms) | {"endEnqMs": now_ms + 0.006, "endD2hMs": now_ms + value}
        trace |= {"h2dMs": copy_ms, "computeMs": value, "d2hMs": copy_ms, "latencyMs": value}
        rows.append({name: float(f"{number:.6g}") for name, number in trace.items()})
        now_ms += value
    return json.dumps(rows)
