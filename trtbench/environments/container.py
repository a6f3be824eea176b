"""A container with all GPUs, the store mounted where it is here, and trtbench from a wheel made here."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trtbench.environments import probe
from trtbench.environments.cache import cache_root, get_or_make_folder
from trtbench.environments.catalogue import expectation_of
from trtbench.environments.container_errors import explain
from trtbench.environments.contents import read_contents
from trtbench.environments.prepared import Container, Prepared, container_name
from trtbench.environments.wheel import EXTRAS, Wheel, check_uv, made_wheel
from trtbench.errors import RuntimeUnavailable
from trtbench.host.commands import run_command
from trtbench.host.installation import package_root
from trtbench.progress import OnStep, Step
from trtbench.specs import canonical_hash
from trtbench.specs.environment import EnvironmentSpec
from trtbench.store.artifacts import Store


@dataclass(frozen=True)
class _Arguments:
    """Arguments that differ between container engines: to print the version, to run, to pass all GPUs."""

    version: tuple[str, ...]
    run: tuple[str, ...]
    gpus: tuple[str, ...]


# podman has no daemon to ask, and without keep-id files would belong to another user. Before 5.0 it ignores
# --gpus; what NVIDIA documents for it are CDI devices, and no SELinux labels, which would shut them out.
# https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html
_ENGINES = {
    "docker": _Arguments(("version", "--format", "{{.Server.Version}}"), (), ("--gpus", "all")),
    "podman": _Arguments(
        ("version", "--format", "{{.Client.Version}}"),
        ("--userns", "keep-id", "--security-opt", "label=disable"),
        ("--device", "nvidia.com/gpu=all"),
    ),
}
_DIGEST = "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}"
_SHORT_TIMEOUT_S = 30.0
_INSTALL_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class ContainerEngine:
    """What starts containers: ``docker`` or ``podman``."""

    name: str
    version: str

    @property
    def user_options(self) -> tuple[str, ...]:
        """Run as the current user, who then owns what is written to the store."""
        return (*_ENGINES[self.name].run, "--user", f"{os.getuid()}:{os.getgid()}")

    @property
    def gpu_options(self) -> tuple[str, ...]:
        """Give the container all GPUs."""
        return _ENGINES[self.name].gpus


def prepare_container(spec: EnvironmentSpec, store: Store, on_step: OnStep) -> Prepared:
    """Find the image, ask its Python what is in it, and install trtbench for it.

    Raises:
        RuntimeUnavailable: no container engine, no uv, no image, no GPU for it: one line with what to do.
        ArtifactError: the cache cannot be written.
    """
    image = str(spec.image)
    engine = find_engine()
    check_uv(spec)
    digest = image_digest(engine, image)
    store.root.mkdir(parents=True, exist_ok=True)
    container = Container(engine=engine.name, image=image, name=container_name())
    roots = store_roots(store)
    on_step(Step("setup", f"ask {spec} what is in it"))
    contents = read_contents(
        (*run_command_of(engine, container, roots), "python3", probe.__file__),
        str(spec),
        partial(explain, engine.name, image),
        container.stop,
    )
    packages = _install(engine, container, digest, contents.cuda, on_step)
    return Prepared(
        spec=spec,
        python=(*run_command_of(engine, container, roots, packages), "python3"),
        container=container,
        contents=contents,
        image_digest=digest,
        findings=expectation_of(image, contents),
    )


def store_roots(store: Store) -> tuple[Path, ...]:
    """The store by the paths that commands and manifests name it: with and without symbolic links."""
    return tuple(dict.fromkeys((store.root.absolute(), store.root.resolve())))


def find_engine() -> ContainerEngine:
    """The first container engine that answers.

    Raises:
        RuntimeUnavailable: there is none on PATH, or none answers.
    """
    problem = f"no {' or '.join(_ENGINES)} on PATH: sudo apt-get install podman"
    for name, arguments in _ENGINES.items():
        if shutil.which(name) is None:
            continue
        outcome = run_command((name, *arguments.version), _SHORT_TIMEOUT_S)
        if outcome.returncode == 0:
            return ContainerEngine(name, outcome.stdout.strip())
        problem = explain(name, None, outcome)
    raise RuntimeUnavailable(f"no container can be started: {problem}")


def image_digest(engine: ContainerEngine, image: str) -> str:
    """What identifies the image for good: its digest in the registry, or of one built here its own.

    Raises:
        RuntimeUnavailable: the image is not on this machine.
    """
    outcome = run_command(
        (engine.name, "image", "inspect", "--format", _DIGEST, image),
        _SHORT_TIMEOUT_S,
    )
    if outcome.returncode != 0:
        raise RuntimeUnavailable(f"docker:{image}: {explain(engine.name, image, outcome)}")
    return outcome.stdout.strip()


def run_command_of(
    engine: ContainerEngine, container: Container, roots: Sequence[Path], packages: Path | None = None
) -> tuple[str, ...]:
    """The command in front of a program: a container that ends with it, and reads what this process writes.

    Folders have the same path inside as outside, so that paths in manifests hold in both.

    Args:
        engine: what starts it.
        container: its image and its name.
        roots: folders that it may write.
        packages: what was installed for it, if something was.

    Raises:
        RuntimeUnavailable: one of them cannot be mounted.
    """
    return (
        *_run(engine, container, packages, "readonly"),
        *("--interactive", *engine.gpu_options),
        # The GPU that telemetry is read from: numbered as NVML does, and the first that this process may see.
        *("--env", "CUDA_DEVICE_ORDER=PCI_BUS_ID", "--env", "CUDA_VISIBLE_DEVICES"),
        *(word for root in roots for word in _mount(root)),
        *_mount(package_root(), "readonly"),
        container.image,
    )


def install_command(
    engine: ContainerEngine, container: Container, wheel: Path, packages: Path, cuda: str | None
) -> tuple[str, ...]:
    """The command that installs ``wheel``, and what the image lacks for timing, in the folder ``packages``.

    ``cuda``: the version in the image, which decides that of cuda-bindings: newer ones refuse its drivers.
    """
    bindings = () if cuda is None else (f"cuda-bindings=={cuda.partition('.')[0]}.*",)
    return (
        *_run(engine, container, packages),
        *_mount(wheel, "readonly"),
        *(container.image, "python3", "-m", "pip", "install", "--quiet", "--user", "--break-system-packages"),
        *(f"{wheel}[{EXTRAS}]", *bindings),
    )


def _run(
    engine: ContainerEngine, container: Container, packages: Path | None, *options: str
) -> tuple[str, ...]:
    installed = () if packages is None else ("--env", f"PYTHONUSERBASE={packages}")
    mounted = () if packages is None else _mount(packages, *options)
    return (
        *(engine.name, "run", "--rm", "--pull", "never", "--name", container.name, *engine.user_options),
        # The user's id is unknown in the image: without these it has no home, and no name for torch's caches.
        *("--env", "HOME=/tmp", "--env", "USER=trtbench", *installed, *mounted),
    )


def _mount(path: Path, *options: str) -> tuple[str, str]:
    """Show ``path`` in the container where it is here.

    Raises:
        RuntimeUnavailable: docker and podman cannot read this path.
    """
    # They read the argument as a line of CSV; --volume would end a path at its first colon.
    if any(character in str(path) for character in ',"\n'):
        raise RuntimeUnavailable(
            f"{str(path)!r}: cannot be mounted in a container: use one without commas, quotes and line ends"
        )
    return "--mount", ",".join(("type=bind", f"source={path}", f"target={path}", *options))


def _install(
    engine: ContainerEngine, container: Container, digest: str, cuda: str | None, on_step: OnStep
) -> Path:
    """Install trtbench for an image, once for each of its digests and each state of trtbench."""
    with made_wheel(on_step) as wheel:
        identity = canonical_hash({"wheel": f"{wheel.sha256}[{EXTRAS}]", "image": digest})[:16]
        make = partial(_fill, engine=engine, container=container, wheel=wheel, cuda=cuda, on_step=on_step)
        return get_or_make_folder(cache_root() / "containers" / identity, make, on_step)


def _fill(
    packages: Path,
    engine: ContainerEngine,
    container: Container,
    wheel: Wheel,
    cuda: str | None,
    on_step: OnStep,
) -> None:
    on_step(Step("setup", f"install trtbench for {container.image}"))
    packages.mkdir()
    command = install_command(engine, container, wheel.path, packages, cuda)
    outcome = run_command(command, _INSTALL_TIMEOUT_S, container.stop)
    if outcome.returncode != 0:
        image = container.image
        raise RuntimeUnavailable(f"docker:{image}: {explain(engine.name, image, outcome)}")
