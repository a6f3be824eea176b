"""Audits of engines that the real compiler made of a small ViT, one block deep."""

from pathlib import Path

from trtbench.audit import audit_engine
from trtbench.results import Audit, CompiledEngine
from trtbench.specs.recipe import Recipe, parse_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
FILES = {"fp16": "fp16", "fp8@stock": "fp8_stock", "mxfp8": "mxfp8", "nvfp4@stock": "nvfp4_stock"}


def golden_audit(recipe: Recipe) -> Audit:
    """The audit of one of the recipes in ``FILES``."""
    name = FILES[str(recipe)]
    compiled = CompiledEngine.model_validate_json((GOLDEN / f"{name}.layers.json").read_bytes())
    return audit_engine(GOLDEN / f"{name}.onnx", compiled.layers, recipe, "tensorrt_rtx", None)


AUDITS = {word: golden_audit(parse_recipe(word)) for word in FILES}
