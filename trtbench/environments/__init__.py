"""Where a stage runs: here, in a virtual environment, or in a container."""

from trtbench.environments.prepare import prepare
from trtbench.environments.prepared import Prepared
from trtbench.specs.environment import EnvironmentSpec, parse_environment, parse_environments

__all__ = [
    "EnvironmentSpec",
    "Prepared",
    "parse_environment",
    "parse_environments",
    "prepare",
]
