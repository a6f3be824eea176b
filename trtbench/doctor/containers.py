"""Which of NVIDIA's images are known, and what this machine could run of them."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import trtbench
from trtbench.build.backends import child_command
from trtbench.environments import probe
from trtbench.environments.cache import cache_root
from trtbench.environments.catalogue import read_catalogue
from trtbench.environments.container import (
    ContainerEngine,
    find_engine,
    image_digest,
    install_command,
    run_command_of,
    store_roots,
)
from trtbench.environments.prepared import Container
from trtbench.environments.wheel import wheel_command
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.host.hardware import read_gpus
from trtbench.measure.process import WORKER
from trtbench.results.containers import ContainerEntry, ContainerList
from trtbench.results.environments import Gpu, KnownImage
from trtbench.specs import BenchSpec, BuildSpec
from trtbench.specs.build import BuildPaths
from trtbench.store.artifacts import Store
from trtbench.trtexec.command import Exports, bench_command, build_command
from trtbench.trtexec.tool import Trtexec


def list_containers(store_root: Path, tags: Sequence[str] = (), dry_run: bool = False) -> ContainerList:
    """Look at this machine and the catalogue; an absent engine or GPU is a recorded reason, not an error.

    Args:
        store_root: what commands mount.
        tags: only these images, such as ``25.11`` or ``25.11-py3``; all if there is none.
        dry_run: also give the commands that fetch and use each image.

    Raises:
        SpecError: no known image has one of these tags.
        ArtifactError: a file of the catalogue is wrong.
    """
    images = _chosen(read_catalogue(), tags)
    engine, problem = _engine()
    gpus, no_gpu_reason = _gpus()
    return ContainerList(
        engine=f"{engine.name} {engine.version}" if engine else None,
        problem=problem,
        gpus=gpus,
        no_gpu_reason=no_gpu_reason,
        containers=tuple(
            ContainerEntry(
                image=image,
                digest=_digest(engine, image.image),
                commands=commands_for(engine or ContainerEngine("docker", ""), image, Store(store_root))
                if dry_run
                else (),
            )
            for image in images
        ),
    )


def commands_for(engine: ContainerEngine, image: KnownImage, store: Store) -> tuple[str, ...]:
    """What it takes, by hand, to use an image.

    In this order: fetch it, install trtbench for it, ask it what it holds, build an engine with its TensorRT,
    time one (the worker reads its job from standard input), and build and time with its trtexec. MODEL and
    ENGINE stand for folders of the store.
    """
    container = Container(
        engine=engine.name, image=image.image, name=f"trtbench-{image.image.rpartition(':')[2]}"
    )
    folder = cache_root() / "by-hand" / container.name
    wheel = folder / f"trtbench-{trtbench.__version__}-py3-none-any.whl"
    packages, roots = folder / "packages", store_roots(store)
    inside = run_command_of(engine, container, roots, packages)
    python, paths, version = (*inside, "python3"), _paths_by_hand(roots[-1]), image.tensorrt.oldest
    trtexec = Trtexec(Path("trtexec"), version)
    exports = Exports(paths.engine.with_name("times.json"), paths.engine.with_name("profile.json"))
    commands = (
        (engine.name, "pull", image.image),
        ("mkdir", "-p", str(packages), str(paths.engine.parent)),
        wheel_command(folder),
        install_command(engine, container, wheel, packages, image.cuda.oldest),
        (*python, probe.__file__),
        child_command(BuildSpec(backend="tensorrt"), version, paths, python),
        (*python, *WORKER),
        (*inside, *build_command(trtexec, BuildSpec(backend="trtexec"), paths)),
        (*inside, *bench_command(trtexec, BenchSpec(), paths.engine, exports)),
    )
    return tuple(shlex.join(command) for command in commands)


def _paths_by_hand(root: Path) -> BuildPaths:
    engine = root / "engines" / "ENGINE"
    return BuildPaths(
        onnx=root / "models" / "MODEL" / "model.onnx",
        engine=engine / "model.engine",
        log=engine / "build.log",
        inspector=engine / "inspector.json",
        timing_cache=engine / "timing.cache",
    )


def _chosen(images: Sequence[KnownImage], tags: Sequence[str]) -> tuple[KnownImage, ...]:
    by_tag = {image.image.rpartition(":")[2].removesuffix("-py3"): image for image in images}
    for tag in tags:
        if tag.removesuffix("-py3") not in by_tag:
            raise SpecError(
                f"container {tag}: no known image has that tag: expected one of {', '.join(by_tag)}"
            )
    asked = {tag.removesuffix("-py3") for tag in tags} or by_tag.keys()
    return tuple(image for tag, image in by_tag.items() if tag in asked)


def _engine() -> tuple[ContainerEngine | None, str | None]:
    try:
        return find_engine(), None
    except RuntimeUnavailable as error:
        return None, str(error)


def _gpus() -> tuple[tuple[Gpu, ...], str | None]:
    try:
        return read_gpus(), None
    except RuntimeUnavailable as error:
        return (), str(error)


def _digest(engine: ContainerEngine | None, image: str) -> str | None:
    try:
        return image_digest(engine, image) if engine else None
    except RuntimeUnavailable:
        return None
