"""What works on this machine, what does not, what that costs, and the command that gets it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from trtbench.errors import Code, RuntimeUnavailable
from trtbench.host.hardware import collect_environment, package_versions
from trtbench.host.installation import LICENCE, TENSORRT_IMAGE, gpu_remedy, install_command, swap_command
from trtbench.host.signals import signal_name
from trtbench.results import Finding
from trtbench.results.doctor import Backend, Capability, Diagnosis, Status, Task
from trtbench.results.environments import Environment, Gpu
from trtbench.trtexec.tool import find_trtexec, locate_trtexec

_IMPORT_TIMEOUT_S = 60.0
_DEEP_IMPORT_TIMEOUT_S = 300.0
_COMMAND_TIMEOUT_S = 20.0

# Shown as versions of the export stage; the others of the extra are only checked.
_MAIN_EXPORT_PACKAGES = ("torch", "torchvision", "timm", "nvidia-modelopt", "onnx")
_EXPORT_IMPORTS = (
    "import torch, torchvision, timm, onnx_graphsurgeon, modelopt.torch.quantization, modelopt.onnx"
)
_PRINT_TARGETS = "import tensorrt_rtx as trt; print(*trt.ComputeCapability.__members__)"
_DRIVER_DEVICES = ("/dev/nvidiactl", "/dev/nvhost-ctrl-gpu", "/dev/dxg")
# docker needs its daemon, so the daemon is asked; podman has none.
_CONTAINER_ENGINES = {"docker": ("version", "--format", "{{.Server.Version}}"), "podman": ("--version",)}
_NGC_COMMAND = (
    f'docker run --rm -it --gpus all -v "$PWD":/workspace -w /workspace {TENSORRT_IMAGE}  '
    f"# TensorRT 10.14, {LICENCE}"
)


_EXPORT, _QUANTISED = ("export",), ("export", "ONNX Runtime")
_TASKS: dict[str, tuple[str, ...]] = {
    "export fp32, fp16, bf16": _EXPORT,
    "export int8, fp8, mxfp8, nvfp4": _QUANTISED,
    "lint and roofline of a model": _EXPORT,
    "build, inspect, diff": ("compiler",),
    "verify": _QUANTISED,
    "compare, predict, explain, tune": (*_QUANTISED, "compiler"),
    "bench --runtime onnxruntime-cpu": _QUANTISED,
    "bench and compare on a GPU": ("GPU", "cuda-bindings", "compiler"),
}
"""What trtbench does, by commands, and the capabilities that it takes."""
_COMPILER_NAME = "TensorRT-RTX"
"""Named as missing where no compiler works: the only one that needs no GPU."""


@dataclass(frozen=True)
class _Outcome:
    """How a short command ended: the last line it printed, or why it failed."""

    output: str
    problem: str | None


def diagnose(deep: bool = False) -> Diagnosis:
    """Look at all capabilities; ``deep`` also imports torch and ModelOpt, which takes several seconds."""
    environment = collect_environment()
    rtx, rtx_targets = _tensorrt_rtx()
    tensorrt, onnxruntime, trtexec = _tensorrt(), _onnxruntime(), _trtexec()
    capabilities = (
        _export(deep),
        rtx,
        tensorrt,
        onnxruntime,
        _gpu(environment),
        _cuda_bindings(),
        trtexec,
        _container_engine(),
    )
    return Diagnosis(
        environment=environment,
        capabilities=capabilities,
        tasks=tasks_of({each.name: each.status == "ok" for each in capabilities}),
        backends=(
            _rtx_backend(rtx_targets, environment.gpus),
            _gpu_backend("tensorrt", tensorrt, environment.gpus),
            _gpu_backend("trtexec", trtexec, environment.gpus),
            _onnxruntime_backend(onnxruntime),
        ),
        findings=_findings(environment.packages),
    )


def tasks_of(works: dict[str, bool]) -> tuple[Task, ...]:
    """Say of each task which capabilities it lacks; ``works``: by their names."""
    has_compiler = works["TensorRT-RTX"] or (works["GPU"] and (works["TensorRT"] or works["trtexec"]))
    usable = {**works, "compiler": has_compiler}
    named = {"compiler": _COMPILER_NAME}
    return tuple(
        Task(name=name, lacks=tuple(named.get(each, each) for each in needs if not usable[each]))
        for name, needs in _TASKS.items()
    )


def _export(deep: bool) -> Capability:
    versions = package_versions(_MAIN_EXPORT_PACKAGES)
    status, problem = _extra("export")
    if deep and status == "ok":
        problem = _run_python(_EXPORT_IMPORTS, _DEEP_IMPORT_TIMEOUT_S).problem
        status = "broken" if problem else "ok"
    return Capability(
        name="export",
        status=status,
        version=", ".join(f"{name} {version}" for name, version in versions.items()) or None,
        problem=problem,
        cost="timm models cannot be quantised and exported; any ONNX file can be built and inspected",
        command=install_command("export"),
    )


def _tensorrt_rtx() -> tuple[Capability, tuple[str, ...]]:
    """Check TensorRT-RTX; also list the GPU targets that the installed version names."""
    outcome = _Outcome("", None)
    status, problem = _extra("rtx")
    if status == "ok":
        outcome = _run_python(_PRINT_TARGETS, _IMPORT_TIMEOUT_S)
        problem = outcome.problem
        status = "broken" if problem else "ok"
    capability = Capability(
        name="TensorRT-RTX",
        status=status,
        version=package_versions(["tensorrt-rtx"]).get("tensorrt-rtx"),
        problem=problem,
        cost="no engine can be built without a GPU, so what a compiler makes of a model stays unknown",
        command=f"{install_command('rtx')}  # {LICENCE}",
    )
    members = [name.lower() for name in outcome.output.split()]
    targets = [name for name in members if name not in ("none", "current")]
    return capability, tuple(sorted(targets, key=lambda target: (len(target), target)))


def _tensorrt() -> Capability:
    return _module(
        "TensorRT",
        module="tensorrt",
        distribution="tensorrt",
        cost="TensorRT-RTX alone has nothing for sm90 to sm110, emulates MXFP8 and ignores 2:4 sparsity",
        command=_NGC_COMMAND,
    )


def _onnxruntime() -> Capability:
    installed = package_versions(["onnxruntime", "onnxruntime-gpu"])
    return _module(
        "ONNX Runtime",
        module="onnxruntime",
        distribution=next(iter(installed), "onnxruntime"),
        cost="int8, fp8, mxfp8 and nvfp4 cannot be exported, and exported models cannot be run on the CPU",
        command=install_command("ort"),
    )


def _gpu(environment: Environment) -> Capability:
    has_device = any(Path(device).exists() for device in _DRIVER_DEVICES)
    drivers = sorted({gpu.driver_version for gpu in environment.gpus})
    names = ", ".join(f"{gpu.name} ({gpu.target})" for gpu in environment.gpus)
    return Capability(
        name="GPU",
        status="ok" if environment.gpus else "broken" if has_device else "missing",
        version=f"{names}, driver {', '.join(drivers)}" if environment.gpus else None,
        problem=environment.no_gpu_reason,
        cost="no engine can be measured, only ONNX on the CPU; what was compiled is known without a GPU",
        command=gpu_remedy() if _is_there("pynvml") else install_command(),
    )


def _cuda_bindings() -> Capability:
    status, problem = _extra("gpu")
    return Capability(
        name="cuda-bindings",
        status=status,
        version=package_versions(["cuda-bindings"]).get("cuda-bindings"),
        problem=problem,
        cost="no arm can be timed on a GPU, except by trtexec",
        command=install_command("gpu"),
    )


def _trtexec() -> Capability:
    path = locate_trtexec()
    status: Status = "missing"
    version = problem = None
    try:
        found = find_trtexec()
        status, version = "ok", f"{found.version}, {found.path}"
    except RuntimeUnavailable as error:
        problem = str(error)
        if path is not None:
            status, version = "broken", str(path)
    return Capability(
        name="trtexec",
        status=status,
        version=version,
        problem=problem,
        cost="no engines and no timings by NVIDIA's own tool",
        command=_NGC_COMMAND,
    )


def _container_engine() -> Capability:
    status: Status = "missing"
    problem: str | None = f"no {' or '.join(_CONTAINER_ENGINES)} on PATH"
    version = None
    for engine, arguments in _CONTAINER_ENGINES.items():
        path = shutil.which(engine)
        if path is None:
            continue
        outcome = _run([path, *arguments], _COMMAND_TIMEOUT_S)
        if outcome.problem is None:
            status, problem, version = "ok", None, f"{engine} {outcome.output.rpartition(' ')[2]}"
            break
        status, problem = "broken", outcome.problem
    return Capability(
        name="containers",
        status=status,
        version=version,
        problem=problem,
        cost="NVIDIA's containers, and with them other versions of TensorRT, cannot be started from here",
        command=_container_command(problem),
    )


def _container_command(problem: str | None) -> str:
    """Distinguish docker's usual failures: no right to use it, no daemon, not there."""
    if problem is not None and "permission denied" in problem.lower():
        return 'sudo usermod -aG docker "$USER"  # then log in again'
    if problem is not None and "daemon" in problem.lower():
        return "sudo systemctl start docker"
    return "sudo apt-get install -y podman"


def _module(name: str, module: str, distribution: str, cost: str, command: str) -> Capability:
    """Check one importable package, also where no package manager knows of it."""
    status: Status = "ok"
    problem = None
    recorded = package_versions([distribution]).get(distribution)
    if not _is_there(module):
        status = "broken" if recorded else "missing"
        problem = f"no module {module}" + (
            f", though {distribution} {recorded} is recorded" if recorded else ""
        )
    else:
        outcome = _run_python(f"import {module}; print({module}.__version__)", _IMPORT_TIMEOUT_S)
        problem = outcome.problem
        status = "broken" if problem else "ok"
        recorded = outcome.output or recorded
    return Capability(name=name, status=status, version=recorded, problem=problem, cost=cost, command=command)


def _is_there(module: str) -> bool:
    """Look for a top-level module without importing it; a mere folder of that name has no origin."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def _extra(extra: str) -> tuple[Status, str | None]:
    """Compare what is installed with what trtbench's own metadata asks for under ``extra``."""
    try:
        requirements = [Requirement(text) for text in metadata.requires("trtbench") or ()]
    except metadata.PackageNotFoundError:
        return "broken", f"trtbench itself is not installed, so what it needs is unknown: {install_command()}"
    needed = [r for r in requirements if r.marker and _belongs_to(r, extra)]
    installed = package_versions(r.name for r in needed)
    absent = [r.name for r in needed if r.name not in installed]
    misfits = [
        f"{r.name} {installed[r.name]} (needs {r.specifier})"
        for r in needed
        if r.name in installed and not _fits(r, installed[r.name])
    ]
    problems = [f"not installed: {', '.join(absent)}"] * bool(absent)
    problems += [f"unsuitable version: {', '.join(misfits)}"] * bool(misfits)
    return "missing" if absent else "broken" if misfits else "ok", "; ".join(problems) or None


def _belongs_to(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _fits(requirement: Requirement, version: str) -> bool:
    # By base version, since NVIDIA's containers carry a 2.8.0a0+... that is as good as 2.8.
    return requirement.specifier.contains(Version(version).base_version, prereleases=True)


def _rtx_backend(targets: tuple[str, ...], gpus: tuple[Gpu, ...]) -> Backend:
    runs_on = tuple(gpu.name for gpu in gpus if gpu.target in targets)
    strangers = ", ".join(f"{gpu.name} ({gpu.target})" for gpu in gpus if gpu.target not in targets)
    if not targets:
        note = "not usable here"
    elif strangers:
        note = f"has no code for {strangers}: builds and inspects here, runs elsewhere"
    elif not gpus:
        note = "builds and inspects without a GPU; its engines run elsewhere"
    else:
        note = "builds with and without a GPU"
    return Backend(name="tensorrt_rtx", builds_for=targets, runs_on=runs_on, note=note)


def _gpu_backend(name: str, capability: Capability, gpus: tuple[Gpu, ...]) -> Backend:
    """Standard TensorRT in either form: it needs the GPU that it builds for."""
    if capability.status != "ok":
        return Backend(name=name, builds_for=(), runs_on=(), note="not usable here")
    if not gpus:
        return Backend(name=name, builds_for=(), runs_on=(), note="needs a GPU even to build")
    targets = tuple(dict.fromkeys(gpu.target for gpu in gpus))
    note = "builds for the GPU that is here"
    return Backend(name=name, builds_for=targets, runs_on=tuple(gpu.name for gpu in gpus), note=note)


def _onnxruntime_backend(capability: Capability) -> Backend:
    is_usable = capability.status == "ok"
    note = "runs exported models as they are, for numerics and for times" if is_usable else "not usable here"
    return Backend(name="onnxruntime", builds_for=(), runs_on=("CPU",) if is_usable else (), note=note)


def _findings(packages: dict[str, str]) -> tuple[Finding, ...]:
    if not {"onnxruntime", "onnxruntime-gpu"} <= packages.keys():
        return ()
    return (
        Finding(
            code=Code.TWO_ONNXRUNTIMES,
            severity="warning",
            message="onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files",
            hint=swap_command("onnxruntime onnxruntime-gpu", "onnxruntime"),
        ),
    )


def _run_python(code: str, timeout_s: float) -> _Outcome:
    """Run a line of Python in a process of its own: an import can hang, crash, or print."""
    return _run([sys.executable, "-c", code], timeout_s)


def _run(command: list[str], timeout_s: float) -> _Outcome:
    # Without PYTHONSAFEPATH, a folder named onnx in the working directory would be imported (Python 3.11 on).
    variables = {**os.environ, "PYTHONSAFEPATH": "1"}
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=variables,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return _Outcome("", f"no answer within {timeout_s:.0f} s")
    except OSError as error:
        return _Outcome("", f"{command[0]}: {error.strerror}")
    if done.returncode == 0:
        return _Outcome(_last_line(done.stdout), None)
    if done.returncode < 0:
        return _Outcome("", f"died of {signal_name(-done.returncode)}")
    return _Outcome("", _last_line(done.stderr) or _last_line(done.stdout) or f"exit code {done.returncode}")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
