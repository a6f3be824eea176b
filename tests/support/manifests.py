"""Manifests of models that no exporter made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trtbench.results import OnnxManifest
from trtbench.specs import ExportSpec
from trtbench.store.files import file_record


def onnx_manifest(spec: ExportSpec, files: Sequence[Path], **fields: Any) -> OnnxManifest:
    """One of ``files``; what ``fields`` does not give is empty."""
    given: dict[str, Any] = {
        "spec_id": "0" * 16,
        "inputs": (),
        "outputs": (),
        "nodes": 1,
        "opset": 20,
        "analytic_flops": {},
        "calibration": None,
        "sparsity": None,
        "tool_versions": {},
        "created_utc": "2026-01-01T00:00:00+00:00",
        "duration_s": 1.0,
    }
    return OnnxManifest(spec=spec, files=tuple(map(file_record, files)), **{**given, **fields})
