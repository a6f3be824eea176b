"""NVIDIA's own tool as a builder: which one there is, and its arguments for that version.

Up to 10.16 networks are strongly typed only if it is said; from 11.0 on always, and the flags for precisions
are gone (``samples/common/sampleOptions.cpp`` of TensorRT, v10.14 to v11.1).
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trtbench.build.dialect import BuildPaths, check_options
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.specs import BuilderOptions, BuildSpec, ShapeRange

PLACES = ("/opt/tensorrt/bin", "/usr/src/tensorrt/bin")
"""Where NVIDIA's containers and packages put it before they put it in /usr/bin, in 10.15."""

# "&&&& RUNNING TensorRT.trtexec [TensorRT v101401] [b48] # trtexec --help": 10.14.1, build 48.
_BANNER = re.compile(r"TensorRT\.trtexec \[TensorRT v(\d+)(\d\d)(\d\d)\](?: \[b(\d+)\])?")
_TIMEOUT_S = 120.0

_MIB = 2**20
_HARDWARE = {"none": "none", "ampere_plus": "ampere+", "same_compute_capability": "sameComputeCapability"}
_TILING = {"none": 0, "fast": 1, "moderate": 2, "full": 3}  # TilingOptimizationLevel
_SEPARATORS = "':,"


@dataclass(frozen=True)
class Trtexec:
    """The program at ``path``, of TensorRT ``version`` (``10.14.1.48``)."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        """The number that decides what its flags mean."""
        return int(self.version.partition(".")[0])


def find_trtexec(path: Path | None = None) -> Trtexec:
    """Look for it, on PATH and where NVIDIA puts it unless ``path`` is given, and ask which it is.

    It is asked again only if another file is there by now: every build and process of an arm wants to know.

    Raises:
        RuntimeUnavailable: there is none, it does not start, or it names no version.
    """
    found = path or locate_trtexec()
    if found is None:
        raise RuntimeUnavailable(
            f"no trtexec on PATH or in {', '.join(PLACES)}: it comes with NVIDIA's containers, such as "
            "nvcr.io/nvidia/tensorrt:25.11-py3, and not with pip packages"
        )
    return _asked(found, found.stat().st_mtime_ns if found.exists() else 0)


@lru_cache
def _asked(found: Path, mtime_ns: int) -> Trtexec:
    try:
        # Not --version, which 11 takes for an error: it wants a model, too.
        run = subprocess.run(
            [found, "--help"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeUnavailable(f"{found} does not start ({error}): is it for this machine?") from error
    version = read_version(run.stdout + run.stderr)
    if version is None:
        last = " ".join((run.stderr or run.stdout).split())[-200:]
        raise RuntimeUnavailable(
            f"{found} --help names no version of TensorRT, it ends with: {last or 'nothing'}"
        )
    return Trtexec(found, version)


def locate_trtexec() -> Path | None:
    """Where it is: on PATH, or where NVIDIA puts it."""
    found = shutil.which("trtexec")
    places = (Path(place) / "trtexec" for place in PLACES)
    return Path(found) if found is not None else next((path for path in places if path.is_file()), None)


def read_version(text: str) -> str | None:
    """Find the version in a banner, with its build number where it has one."""
    banner = _BANNER.search(text)
    if banner is None:
        return None
    return ".".join(str(int(number)) for number in banner.groups() if number is not None)


def build_command(trtexec: Trtexec, spec: BuildSpec, paths: BuildPaths) -> tuple[str, ...]:
    """Build an engine and time nothing; the layers go to ``paths.inspector``.

    Raises:
        SpecError: trtexec has no such option, or an input has a name that its syntax cannot hold.
    """
    check_options(spec, trtexec.version)
    options = spec.options
    return (
        str(trtexec.path),
        f"--onnx={paths.onnx}",
        f"--saveEngine={paths.engine}",
        "--skipInference",
        *(("--stronglyTyped",) if trtexec.major < 11 else ()),
        "--noTF32",
        f"--sparsity={'enable' if spec.sparsity else 'disable'}",
        "--profilingVerbosity=detailed",
        "--verbose",
        f"--exportLayerInfo={paths.inspector}",
        f"--hardwareCompatibilityLevel={_HARDWARE[options.hardware_compatibility]}",
        *_timing_cache(options, paths),
        *_build_choices(options),
        *_profiles(options.profiles),
    )


def shape_argument(name: str, shape: Sequence[int]) -> str:
    """Write ``images:8x3x224x224``; a scalar is ``x:scalar``.

    Raises:
        SpecError: the name holds what separates names and shapes.
    """
    if any(separator in name for separator in _SEPARATORS):
        raise SpecError(f"input {name!r}: a name with one of {_SEPARATORS} cannot be told to trtexec")
    return f"{name}:{'x'.join(map(str, shape)) or 'scalar'}"


def shape_arguments(shapes: Iterable[tuple[str, Sequence[int]]]) -> str:
    """Write shapes by name, ``images:8x3x224x224,mask:8x197``."""
    return ",".join(shape_argument(name, shape) for name, shape in shapes)


def number(value: float) -> str:
    """Write 500.0 as 500; trtexec reads both."""
    return str(int(value)) if value == int(value) else repr(value)


def _timing_cache(options: BuilderOptions, paths: BuildPaths) -> tuple[str, ...]:
    if options.timing_cache == "off":
        return ("--noBuilderCache",)
    return (f"--timingCacheFile={paths.timing_cache}",) if options.timing_cache == "shared" else ()


def _build_choices(options: BuilderOptions) -> tuple[str, ...]:
    flags = []
    if options.workspace_bytes is not None:
        flags.append(f"--memPoolSize=workspace:{number(options.workspace_bytes / _MIB)}")
    if options.optimization_level is not None:
        flags.append(f"--builderOptimizationLevel={options.optimization_level}")
    if options.tiling is not None:
        flags.append(f"--tilingOptimizationLevel={_TILING[options.tiling]}")
    if options.max_aux_streams is not None:
        flags.append(f"--maxAuxStreams={options.max_aux_streams}")
    if options.version_compatible:
        flags.append("--versionCompatible")
    return tuple(flags)


def _profiles(profiles: Sequence[Sequence[ShapeRange]]) -> tuple[str, ...]:
    flags = []
    for index, profile in enumerate(profiles):
        if len(profiles) > 1:
            flags.append(f"--profile={index}")
        for flag, shapes in (
            ("minShapes", [(entry.input, entry.min_shape) for entry in profile]),
            ("optShapes", [(entry.input, entry.opt_shape) for entry in profile]),
            ("maxShapes", [(entry.input, entry.max_shape) for entry in profile]),
        ):
            flags.append(f"--{flag}={shape_arguments(shapes)}")
    return tuple(flags)
