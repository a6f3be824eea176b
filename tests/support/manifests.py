"""Manifests of models that no exporter made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trtbench.results import EngineManifest, OnnxManifest
from trtbench.specs import BuildSpec, ExportSpec
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


def engine_manifest(spec: BuildSpec, onnx: Path, files: Sequence[Path], **fields: Any) -> EngineManifest:
    """One of ``files``, built from ``onnx``; what ``fields`` does not give is empty."""
    given: dict[str, Any] = {
        "spec_id": "e" * 16,
        "export": None,
        "backend": "tensorrt_rtx",
        "backend_version": "1.7.1.116",
        "activation_bytes": None,
        "weight_bytes": None,
        "scratch_bytes": None,
        "peak_rss_bytes": 1,
        "tool_versions": {},
        "created_utc": "2026-01-01T00:00:00+00:00",
        "build_s": 1.0,
    }
    records = tuple(map(file_record, files))
    source = {"onnx_path": str(onnx), "onnx_sha256": file_record(onnx).sha256}
    return EngineManifest(spec=spec, files=records, **source, **{**given, **fields})
