"""From what was asked for to a place that is ready."""

import sys

from trtbench.environments import probe
from trtbench.environments.container import prepare_container
from trtbench.environments.contents import read_contents
from trtbench.environments.prepared import Prepared
from trtbench.environments.venv import prepare_venv
from trtbench.progress import OnStep, silent
from trtbench.specs.environment import EnvironmentSpec
from trtbench.store.artifacts import Store


def prepare(spec: EnvironmentSpec, store: Store, on_step: OnStep = silent, timed: bool = False) -> Prepared:
    """Set the environment up, and list its contents.

    Args:
        spec: where to run.
        store: what a container mounts, at the path that it has here.
        on_step: progress callback.
        timed: something will be timed in it, for which a ``venv`` needs trtbench; a container has it anyway.

    Raises:
        RuntimeUnavailable: something that it needs is not there, in one line with what to do.
        ArtifactError: the cache cannot be written.
    """
    if spec.kind == "venv":
        return prepare_venv(spec, timed, on_step)
    if spec.kind == "docker":
        return prepare_container(spec, store, on_step)
    python = (sys.executable,)
    return Prepared(spec=spec, python=python, contents=read_contents((*python, probe.__file__), str(spec)))
