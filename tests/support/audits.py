"""Audits of engines that the real compiler made of a small ViT, from the golden files of the audit."""

from pathlib import Path

from trtbench.audit import audit_engine
from trtbench.results import Audit, CompiledEngine
from trtbench.specs.recipe import parse_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
AUDITED = {"fp16": "fp16", "fp8@stock": "fp8_stock", "mxfp8": "mxfp8", "nvfp4@stock": "nvfp4_stock"}
"""Golden files by recipe."""


def audit_of(recipe: str) -> Audit:
    """The audit of one of the recipes of ``AUDITED``."""
    name = AUDITED[recipe]
    compiled = CompiledEngine.model_validate_json((GOLDEN / f"{name}.layers.json").read_bytes())
    return audit_engine(GOLDEN / f"{name}.onnx", compiled.layers, parse_recipe(recipe), "rtx", None)
