"""From groups of kernels to changes; those that are alike in several blocks become one."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from trtbench.diff.align import Group
from trtbench.diff.places import PlacedLayer, short_name
from trtbench.results import AuditedLayer
from trtbench.results.diff import ChangeKind, DiffedLayer, LayerChange, RoleTotals
from trtbench.vit import PRODUCT_ROLES, role_of

_MAIN_OPS = ("gemm", "conv", "attention", "norm", "gelu")


def changes_of(groups: Sequence[Group]) -> tuple[LayerChange, ...]:
    """One change for all groups that differ in nothing but their block."""
    named = [_names(group.before for group in groups), _names(group.after for group in groups)]
    alike: dict[LayerChange, list[int | None]] = defaultdict(list)
    for group in groups:
        alike[_change(group, *named)].append(_block(group))
    return tuple(
        change.model_copy(
            update={"blocks": tuple(sorted({b for b in blocks if b is not None})), "count": len(blocks)}
        )
        for change, blocks in alike.items()
    )


def totals_by_role(before: Sequence[AuditedLayer], after: Sequence[AuditedLayer]) -> tuple[RoleTotals, ...]:
    """Kernels and bytes of each role, in the order of the data flow."""
    roles = {layer.role for layer in (*before, *after)}
    ordered = [role for role in PRODUCT_ROLES if role in roles] + sorted(roles.difference(PRODUCT_ROLES))
    return tuple(
        RoleTotals(
            role=role,
            kernels_before=sum(layer.role == role for layer in before),
            kernels_after=sum(layer.role == role for layer in after),
            bytes_before=sum(layer.bytes for layer in before if layer.role == role),
            bytes_after=sum(layer.bytes for layer in after if layer.role == role),
        )
        for role in ordered
    )


def _change(group: Group, named_before: frozenset[str], named_after: frozenset[str]) -> LayerChange:
    before = tuple(layer.diffed() for layer in group.before)
    after = tuple(layer.diffed() for layer in group.after)
    nodes_before, nodes_after = _names([group.before]), _names([group.after])
    return LayerChange(
        kind=_kind(before, after),
        place=_main(group).place,
        blocks=(),
        count=1,
        before=before,
        after=after,
        # Only what moved: a node that only one graph has does not count.
        gained=_moved((nodes_after - nodes_before) & named_before, group),
        lost=_moved((nodes_before - nodes_after) & named_after, group),
    )


def _kind(before: tuple[DiffedLayer, ...], after: tuple[DiffedLayer, ...]) -> ChangeKind:
    if not before or not after:
        return "appeared" if after else "vanished"
    if len(before) == len(after) == 1:
        precisions = [(layer.precision_in, layer.precision_out) for layer in (*before, *after)]
        if precisions[0] != precisions[1]:
            return "precision"
        if _work(before[0]) != _work(after[0]):
            return "replaced"
        return "same" if before[0].bytes == after[0].bytes else "bytes"
    if len(after) == 1:
        return "fused"
    return "split" if len(before) == 1 else "regrouped"


def _work(layer: DiffedLayer) -> tuple[object, ...]:
    """What a kernel does, apart from precisions and bytes."""
    return layer.role, layer.op, layer.m, layer.n, layer.k


def _main(group: Group) -> PlacedLayer:
    """The kernel that gives the change its name: a product before all others."""
    layers = (*group.after, *group.before)
    ranks = {op: rank for rank, op in enumerate(_MAIN_OPS)}
    return min(layers, key=lambda layer: ranks.get(layer.layer.op, len(ranks)))


def _block(group: Group) -> int | None:
    return _main(group).block


def _names(sides: Iterable[tuple[PlacedLayer, ...]]) -> frozenset[str]:
    return frozenset(name for side in sides for layer in side for name in layer.nodes)


def _moved(names: Iterable[str], group: Group) -> tuple[str, ...]:
    """The nodes that compute; a kernel for scales names the whole Linear and computes nothing of it."""
    if _main(group).layer.role == "quantize":
        return ()
    return tuple(
        sorted({short_name(name) for name in names if role_of(name) not in ("quantize", "reformat")})
    )
