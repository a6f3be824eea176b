"""Prints what the Python that runs this file has: one line of JSON, the fields of ``Contents``.

It is run by path in other environments, so it takes the standard library only.
"""

import importlib
import json
import os
import platform
import sys
from typing import Any


def contents() -> dict[str, Any]:
    """Import what can compile or run, and ask for versions; only TensorRT-RTX says what it compiles for."""
    compiler, problem = _import("tensorrt_rtx")
    standard, standard_problem = _import("tensorrt")
    onnxruntime, onnxruntime_problem = _import("onnxruntime")
    return {
        "python": platform.python_version(),
        "tensorrt_rtx": getattr(compiler, "__version__", None),
        "tensorrt": getattr(standard, "__version__", None),
        "targets": _targets(compiler) if compiler else (),
        "cuda": os.environ.get("CUDA_VERSION"),
        "problem": problem,
        "tensorrt_problem": standard_problem,
        "onnxruntime": getattr(onnxruntime, "__version__", None),
        "onnxruntime_problem": onnxruntime_problem,
    }


def _import(name: str) -> tuple[Any, str | None]:
    try:
        return importlib.import_module(name), None
    except ModuleNotFoundError as error:
        return None, None if error.name == name else str(error)
    except (ImportError, OSError, RuntimeError) as error:
        return None, " ".join(str(error).split())


def _targets(compiler: Any) -> list[str]:
    # CURRENT would need a GPU at build time.
    names = [name.lower() for name in compiler.ComputeCapability.__members__]
    return sorted((name for name in names if name.startswith("sm")), key=lambda name: int(name[2:]))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(contents()) + "\n")
