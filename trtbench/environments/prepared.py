"""An environment that is ready, and what was found in it."""

from trtbench.environments.parse import EnvironmentSpec
from trtbench.results import Finding
from trtbench.results.environments import Contents
from trtbench.specs import Spec


class Prepared(Spec):
    """An environment to run in: ``python`` is the command in front of a script and its arguments.

    ``stop`` ends what would survive when that command is killed; ``image_digest`` identifies the image.
    """

    spec: EnvironmentSpec
    python: tuple[str, ...]
    stop: tuple[str, ...] = ()
    contents: Contents
    image_digest: str | None = None
    findings: tuple[Finding, ...] = ()
