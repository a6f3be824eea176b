"""Audits of ONNX graphs and compiled engines."""

from trtbench.audit.audit import audit_engine, audit_onnx

__all__ = ["audit_engine", "audit_onnx"]
