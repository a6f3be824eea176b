"""What a builder does when it is scripted: parses, reports its progress, writes an engine or refuses.

Stands behind the API of any version (``trt_api``), which checks every name and argument that our code uses.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.host_code import HOST_CODE, HostCodeGate
from support.trt_api import Api, load_api, script_of

PLAN = b"an engine"
TOTALS = (
    "Max Scratch Memory: 512 bytes",
    "Total Activation Memory: 2048 bytes",
    "Total Weights Memory: 8192 bytes",
)
TACTICS = Path(__file__).parents[1] / "data" / "tensorrt" / "tactics-10.8.log"
LAYERS = '{"Layers": ["fc"], "Bindings": ["x", "y"]}'


@dataclass
class Script:
    """How the build goes, and what was seen of it."""

    parses: bool = True
    builds: bool = True
    loads: bool = True
    cache_fits: bool = True
    cache_combines: bool = True
    takes_targets: bool = True
    gives_context: bool = True
    takes_shapes: bool = True
    profile_index: int = 0
    timings: bytes = b"new "
    layers: str = LAYERS
    totals: tuple[str, ...] = TOTALS
    trt: Any = None
    network_flags: int | None = None
    config: Any = None
    logger: Any = None
    profile_shapes: list[tuple[Any, ...]] = field(default_factory=list)
    runtime: Any = None
    inspected_shapes: dict[str, tuple[int, ...]] | None = None

    def open_runtime(self, logger: Any) -> Any:
        self.runtime = _Runtime(self, logger)
        return self.runtime


def load_scripted(version: str, script: Script, **arguments: Any) -> Api:
    """Make the API of a version, with a builder that goes by ``script``."""
    scripts = {
        "Builder": lambda logger: _Builder(script, logger),
        "OnnxParser": lambda network, logger: _Parser(script),
        "Runtime": lambda logger: script.open_runtime(logger),
    }
    api = load_api(version, scripts, **arguments)
    script.trt = api.module
    return api


class _Builder:
    def __init__(self, script: Script, logger: Any) -> None:
        self.script = script
        script.logger = logger

    def create_network(self, flags: int = 0) -> Any:
        self.script.network_flags = flags
        return _Network()

    def create_builder_config(self) -> Any:
        self.script.config = _Config(self.script)
        return self.script.config

    def create_optimization_profile(self) -> Any:
        return _Profile(self.script)

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        monitor = script_of(config).progress_monitor
        monitor.phase_start("Building Engine", None, 2)
        monitor.phase_start("Timing", "Building Engine", 1)
        monitor.step_complete("Timing", 0)
        monitor.phase_finish("Timing")
        assert monitor.step_complete("Building Engine", 0)
        monitor.phase_finish("Building Engine")
        if "EDITABLE_TIMING_CACHE" in script_of(config).set_flags:
            for line in TACTICS.read_text().splitlines():
                self.script.logger.log(self.script.trt.ILogger.VERBOSE, line.removeprefix("[VERBOSE] "))
        for total in self.script.totals:
            self.script.logger.log(self.script.trt.ILogger.INFO, total)
        if not self.script.builds:
            return None
        return PLAN + HOST_CODE * ("VERSION_COMPATIBLE" in script_of(config).set_flags)


class _Network:
    api_class = "INetworkDefinition"


class _Profile:
    api_class = "IOptimizationProfile"

    def __init__(self, script: Script) -> None:
        self.script = script

    def set_shape(self, *arguments: Any) -> None:
        self.script.profile_shapes.append(arguments)


class _Config:
    api_class = "IBuilderConfig"
    profiling_verbosity: Any = None
    progress_monitor: Any = None
    builder_optimization_level: Any = None
    max_aux_streams: Any = None
    tiling_optimization_level: Any = None
    hardware_compatibility_level: Any = None
    num_compute_capabilities: Any = None

    def __init__(self, script: Script) -> None:
        self.script = script
        self.set_flags: set[str] = set()
        self.cleared_flags: set[str] = set()
        self.pools: dict[str, int] = {}
        self.capabilities: list[str] = []
        self.cache: Any = None

    def set_flag(self, flag: Any) -> None:
        self.set_flags.add(flag.name)

    def clear_flag(self, flag: Any) -> None:
        self.cleared_flags.add(flag.name)

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self.pools[pool.name] = pool_size

    def set_compute_capability(self, compute_capability: Any, index: int) -> bool:
        self.capabilities.append(compute_capability.name)
        return self.script.takes_targets

    def add_optimization_profile(self, profile: Any) -> int:
        return self.script.profile_index

    def create_timing_cache(self, content: bytes) -> Any:
        return _TimingCache(self.script, content)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        self.cache = script_of(cache)
        self.cache.content += self.script.timings
        return self.script.cache_fits

    def get_timing_cache(self) -> Any:
        return self.cache


class _TimingCache:
    api_class = "ITimingCache"

    def __init__(self, script: Script, content: bytes) -> None:
        self.script = script
        self.content = bytes(content)

    def combine(self, other: Any, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if self.script.cache_combines:
            self.content += script_of(other).content
        return self.script.cache_combines

    def serialize(self) -> bytes:
        return self.content


class _Parser:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.num_errors = 1

    def parse_from_file(self, model: str) -> bool:
        return self.script.parses

    def get_error(self, index: int) -> str:
        return "In node 3 with name: /q: unsupported"


class _Runtime(HostCodeGate):
    def __init__(self, script: Script, logger: Any) -> None:
        super().__init__(script.trt, logger)
        self.script = script

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        assert plan.startswith(PLAN)
        return _Engine(self.script) if self.script.loads and not self.refuses(plan) else None


class _Engine:
    api_class = "ICudaEngine"

    def __init__(self, script: Script) -> None:
        self.script = script

    def create_engine_inspector(self) -> Any:
        return _Inspector(self.script)

    def create_execution_context(self, strategy: Any) -> Any:
        assert strategy.name == "USER_MANAGED", "any other strategy takes the memory of the activations"
        return _Context(self.script) if self.script.gives_context else None


class _Context:
    api_class = "IExecutionContext"

    def __init__(self, script: Script) -> None:
        self.script = script
        self.shapes: dict[str, tuple[int, ...]] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = shape
        return self.script.takes_shapes


class _Inspector:
    api_class = "EngineInspector"
    execution_context: Any = None

    def __init__(self, script: Script) -> None:
        self.script = script

    def get_engine_information(self, information_format: Any) -> str:
        assert information_format.name == "JSON"
        if self.execution_context is not None:
            self.script.inspected_shapes = script_of(self.execution_context).shapes
        return self.script.layers
