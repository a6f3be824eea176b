"""An environment that is ready, and what was found in it."""

import secrets

from trtbench.results import Finding
from trtbench.results.environments import Contents
from trtbench.specs import ArmEnvironment, Spec
from trtbench.specs.environment import EnvironmentSpec


class Container(Spec):
    """One container: what starts it (``docker`` or ``podman``), its image, and its name while it runs."""

    engine: str
    image: str
    name: str

    @property
    def stop(self) -> tuple[str, ...]:
        """The command that ends it."""
        return (self.engine, "kill", self.name)

    @property
    def tell_pid(self) -> tuple[str, ...]:
        """The command that prints the id of its process on this machine, outside the container."""
        return (self.engine, "inspect", "--format", "{{.State.Pid}}", self.name)


class Prepared(Spec):
    """An environment to run in: ``python`` is the command in front of a script and its arguments.

    ``container``: the one that this command starts, if it starts one; ``image_digest`` identifies its image.
    """

    spec: EnvironmentSpec
    python: tuple[str, ...]
    container: Container | None = None
    contents: Contents
    image_digest: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def identity(self) -> ArmEnvironment:
        """Tells arms apart by where they run."""
        return ArmEnvironment(
            word=str(self.spec), versions=self.contents.versions, image_digest=self.image_digest
        )

    def for_another_process(self) -> "Prepared":
        """Describe how to start one more process while others run: a container needs its own name."""
        if self.container is None:
            return self
        container = self.container.model_copy(update={"name": container_name()})
        python = tuple(container.name if word == self.container.name else word for word in self.python)
        return self.model_copy(update={"container": container, "python": python})


def container_name() -> str:
    """Draw a name that no other container has."""
    return f"trtbench-{secrets.token_hex(4)}"
