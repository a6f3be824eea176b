"""Which kernels of two engines do the same work.

First every kernel takes at most one partner of its role, operation and block: the one with which it shares
the most nodes. What is left joins the kernel of the other engine that names its nodes, and with it that
kernel's partner: so a GEMM whose bias moves to a kernel of its own is one kernel that became two.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trtbench.diff.places import PlacedLayer
from trtbench.results import AuditedLayer


@dataclass(frozen=True)
class Group:
    """Kernels of either engine that do the same work; every kernel is in exactly one group."""

    before: tuple[PlacedLayer, ...]
    after: tuple[PlacedLayer, ...]


def align(before: Sequence[PlacedLayer], after: Sequence[PlacedLayer]) -> list[Group]:
    """Group all kernels, in the order in which the second engine runs them, then those that it lost."""
    groups = _Groups(before, after)
    pairs = _pairs(before, after)
    for first, second in pairs:
        groups.join((0, first.index), (1, second.index))
    for side, own, other in ((0, before, after), (1, after, before)):
        paired = {pair[side].index for pair in pairs}
        groups.join_unpaired(side, [layer for layer in own if layer.index not in paired], own, other)
    return groups.all()


class _Groups:
    """Sets of kernels, each kernel named by its side (0, 1) and its index."""

    def __init__(self, before: Sequence[PlacedLayer], after: Sequence[PlacedLayer]) -> None:
        self._sides = (before, after)
        self._parent = {
            (side, layer.index): (side, layer.index) for side in (0, 1) for layer in self._sides[side]
        }

    def join(self, first: tuple[int, int], second: tuple[int, int]) -> None:
        self._parent[self._root(second)] = self._root(first)

    def join_unpaired(
        self,
        side: int,
        unpaired: Sequence[PlacedLayer],
        own: Sequence[PlacedLayer],
        other: Sequence[PlacedLayer],
    ) -> None:
        """Join each kernel to the one that has its work; one without nodes to its forerunner.

        Kernels of work that the other engine does not have are joined by place.
        """
        news: dict[tuple[int | None, str], PlacedLayer] = {}
        for layer in unpaired:
            key, heir = (side, layer.index), _heir(layer, other)
            if heir is not None:
                self.join((1 - side, heir.index), key)
            elif not layer.nodes and layer.index > 0:
                self.join((side, own[layer.index - 1].index), key)
            else:
                first = news.setdefault((layer.block, layer.place), layer)
                self.join((side, first.index), key)

    def all(self) -> list[Group]:
        members: dict[tuple[int, int], tuple[list[PlacedLayer], list[PlacedLayer]]] = defaultdict(
            lambda: ([], [])
        )
        for side in (1, 0):
            for layer in self._sides[side]:
                members[self._root((side, layer.index))][side].append(layer)
        return [Group(tuple(before), tuple(after)) for before, after in members.values()]

    def _root(self, key: tuple[int, int]) -> tuple[int, int]:
        while self._parent[key] != key:
            key = self._parent[key]
        return key


def _pairs(
    before: Sequence[PlacedLayer], after: Sequence[PlacedLayer]
) -> list[tuple[PlacedLayer, PlacedLayer]]:
    """Pair kernels one for one, the most alike first."""
    candidates = defaultdict(list)
    for layer in after:
        candidates[_kind(layer)].append(layer)
    ranked = sorted(
        (
            (
                -_likeness(first, second),
                first.place != second.place,
                abs(rank - other_rank),
                first.index,
                second.index,
            )
            for kind, firsts in _by_kind(before).items()
            for rank, first in enumerate(firsts)
            for other_rank, second in enumerate(candidates[kind])
            if _may_pair(first, second)
        ),
    )
    by_index = {layer.index: layer for layer in before}, {layer.index: layer for layer in after}
    taken: tuple[set[int], set[int]] = (set(), set())
    pairs = []
    for *_, first_index, second_index in ranked:
        if first_index not in taken[0] and second_index not in taken[1]:
            taken[0].add(first_index)
            taken[1].add(second_index)
            pairs.append((by_index[0][first_index], by_index[1][second_index]))
    return pairs


def _by_kind(layers: Iterable[PlacedLayer]) -> dict[tuple[str, str, int | None], list[PlacedLayer]]:
    kinds = defaultdict(list)
    for layer in layers:
        kinds[_kind(layer)].append(layer)
    return kinds


def _kind(placed: PlacedLayer) -> tuple[str, str, int | None]:
    layer: AuditedLayer = placed.layer
    return layer.role, layer.op, placed.block


def _may_pair(first: PlacedLayer, second: PlacedLayer) -> bool:
    return bool(first.nodes & second.nodes) or first.place == second.place


def _likeness(first: PlacedLayer, second: PlacedLayer) -> float:
    """Share of the nodes that both name (Jaccard)."""
    union = first.nodes | second.nodes
    return len(first.nodes & second.nodes) / len(union) if union else 1.0


def _heir(layer: PlacedLayer, others: Sequence[PlacedLayer]) -> PlacedLayer | None:
    """The kernel of the other engine that names the most of the work of ``layer``, or else of its nodes."""
    for sought in (layer.work, layer.nodes if layer.layer.role != "quantize" else frozenset[str]()):
        named = [other for other in others if sought & other.nodes]
        if named:
            return max(
                named, key=lambda other: (len(sought & other.nodes), other.layer.role == layer.layer.role)
            )
    return None
