"""Measure what a Vision Transformer really runs in, per precision, on NVIDIA Blackwell.

The functions of ``trtbench.api`` are attributes of this package: ``import trtbench as tb; tb.compare(...)``.
They are loaded when they are first used.
"""

import os
import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False  # as typing has it, which takes milliseconds to import
if TYPE_CHECKING:
    from trtbench.api import Code as Code
    from trtbench.api import Step as Step
    from trtbench.api import TrtbenchError as TrtbenchError
    from trtbench.api import bench as bench
    from trtbench.api import bench_against_itself as bench_against_itself
    from trtbench.api import break_even as break_even
    from trtbench.api import build as build
    from trtbench.api import compare as compare
    from trtbench.api import compare_stored as compare_stored
    from trtbench.api import diff as diff
    from trtbench.api import doctor as doctor
    from trtbench.api import explain as explain
    from trtbench.api import export as export
    from trtbench.api import gpus as gpus
    from trtbench.api import history as history
    from trtbench.api import inspect as inspect
    from trtbench.api import lint as lint
    from trtbench.api import load as load
    from trtbench.api import ls as ls
    from trtbench.api import pack as pack
    from trtbench.api import predict as predict
    from trtbench.api import prune as prune
    from trtbench.api import report as report
    from trtbench.api import rm as rm
    from trtbench.api import roofline as roofline
    from trtbench.api import sweep as sweep
    from trtbench.api import trace as trace
    from trtbench.api import tune as tune
    from trtbench.api import verify as verify

# onnxruntime sends usage data from any process that loads it, a timed one too, and keeps a device id in the
# user's cache (docs/Privacy.md of onnxruntime); huggingface_hub says with each download what asked for it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Ray sends usage data from the process that starts a cluster.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# torch keeps compiled code in a folder of the temporary directory whose name everyone knows, so that another
# user could make it first and put other code there.
_CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 (pathlib takes 5 ms)
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(_CACHE, "trtbench", "torchinductor"))  # noqa: PTH118

__version__ = "0.1.0"
__all__ = [
    "Code",
    "Step",
    "TrtbenchError",
    "bench",
    "bench_against_itself",
    "break_even",
    "build",
    "compare",
    "compare_stored",
    "diff",
    "doctor",
    "explain",
    "export",
    "gpus",
    "history",
    "inspect",
    "lint",
    "load",
    "ls",
    "pack",
    "predict",
    "prune",
    "report",
    "rm",
    "roofline",
    "sweep",
    "trace",
    "tune",
    "verify",
]


class _Package(ModuleType):
    """This package, whose functions have the names of rooms: ``trtbench.compare`` is the function.

    Importing the room ``trtbench.compare`` does not put the module in place of the function, and the function
    has the attributes of the room, so that ``trtbench.compare.grid`` still is what it says.
    """

    def __getattr__(self, name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import_module(f"{__name__}.api")
        return _with_its_room(name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            _with_its_room(name)
        else:
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


def _with_its_room(name: str) -> object:
    """The function of the API, with the attributes of the room of its name, as far as both are loaded."""
    found: object = getattr(sys.modules.get(f"{__name__}.api"), name, None)
    room = sys.modules.get(f"{__name__}.{name}")
    if found is not None and room is not None:
        found.__dict__ = room.__dict__
    return found


sys.modules[__name__].__class__ = _Package
