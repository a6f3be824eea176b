"""How much of each role's work is asked, held by the graph and compiled in which precision."""

from collections.abc import Iterable

from trtbench.audit.evidence import Evidence, asked_precision
from trtbench.results import AuditedLayer, RoleCoverage
from trtbench.vit import PRODUCT_ROLES


def coverage_by_role(evidence: Evidence) -> tuple[RoleCoverage, ...]:
    """One line a role that holds matrix products, in the order of the data flow."""
    roles = {product.role for product in evidence.products}
    ordered = [role for role in PRODUCT_ROLES if role in roles] + sorted(roles.difference(PRODUCT_ROLES))
    return tuple(_coverage(evidence, role) for role in ordered)


def flops_share(layers: Iterable[AuditedLayer]) -> dict[str, float]:
    """Share of the FLOPs of ``layers`` by precision, the largest first; the shares add up to 1."""
    flops: dict[str, int] = {}
    for layer in layers:
        if layer.flops:
            flops[layer.precision_in] = flops.get(layer.precision_in, 0) + layer.flops
    total = sum(flops.values())
    return {precision: flops[precision] / total for precision in sorted(flops, key=lambda p: -flops[p])}


def _coverage(evidence: Evidence, role: str) -> RoleCoverage:
    products = [product for product in evidence.products if product.role == role]
    kernels = [layer for layer in evidence.layers if layer.role == role]
    return RoleCoverage(
        role=role,
        flops=sum(product.flops for product in products),
        asked=asked_precision(evidence.recipe, role),
        onnx=flops_share(products),
        compiled=flops_share(kernels) if evidence.compiled else None,
    )
