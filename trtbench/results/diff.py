"""What the compiled layers of two engines have in common, and in what they differ."""

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION, Count, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import RecipeField, Spec

ChangeKind = Literal[
    "same", "precision", "replaced", "bytes", "fused", "split", "regrouped", "appeared", "vanished"
]
"""One kernel for one: ``same``, in another ``precision``, ``replaced`` by one of another role, operation or
shape, or with other ``bytes``. One for several:
``fused``; several for one: ``split``; several for several: ``regrouped``; with nothing on the other side:
``appeared`` or ``vanished``."""


class DiffedLayer(Spec):
    """A kernel without its number: ``place`` is the module that it works for (``fc1``, ``fc1 input``).

    ``m, n, k`` and ``bytes`` as in an audited layer.
    """

    role: str
    op: str
    place: str
    precision_in: str
    precision_out: str
    m: int | None
    n: int | None
    k: int | None
    bytes: int


class LayerChange(Spec):
    """What became of some kernels, ``count`` times over, once in each of ``blocks`` if it is in any.

    ``gained`` and ``lost``: nodes of the graph that kernels of another place computed before, or compute now.
    """

    kind: ChangeKind
    place: str
    blocks: tuple[int, ...]
    count: int
    before: tuple[DiffedLayer, ...]
    after: tuple[DiffedLayer, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def kernels(self) -> int:
        """Kernels more than before, in all places together."""
        return self.count * (len(self.after) - len(self.before))

    @property
    def bytes(self) -> int:
        """Bytes more than before, in all places together."""
        return self.count * (
            sum(layer.bytes for layer in self.after) - sum(layer.bytes for layer in self.before)
        )


class RoleTotals(Spec):
    """Kernels of one role, and the bytes they move, in either engine."""

    role: str
    kernels_before: int
    kernels_after: int
    bytes_before: int
    bytes_after: int


class DiffedEngine(Spec):
    """One of the two engines.

    ``model``: a timm name with the arguments of its constructor; null for a bare ONNX file. ``inputs``:
    shapes by name.
    """

    path: str
    sha256: str
    size_bytes: Count
    model: str | None = None
    inputs: dict[str, tuple[int, ...]] = Field(default={})
    recipe: RecipeField | None
    backend: str
    backend_version: str
    targets: tuple[str, ...]
    onnx_sha256: str
    kernels: int
    bytes: int

    @property
    def network(self) -> str:
        """``vit_tiny_patch16_224, batch 8, 224 x 224 pixels``; of a bare ONNX file ``x (8 x 3 x 8 x 8)``."""
        if self.model is None:
            return ", ".join(f"{name} ({_sizes(shape)})" for name, shape in self.inputs.items())
        images = [f"batch {batch}, {_sizes(size)} pixels" for batch, _, *size in self.inputs.values()]
        return ", ".join((self.model, *images))


def _sizes(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


class EngineDiff(Result):
    """Two engines of one network. Evidence kind: compiled.

    Every kernel of either is in one of ``changes``, so that these add up to the differences of ``by_role``.
    """

    EVIDENCE: ClassVar[tuple[str, ...]] = ("compiled",)

    schema_version: int = SCHEMA_VERSION
    kind: Literal["engine_diff"] = "engine_diff"
    before: DiffedEngine
    after: DiffedEngine
    changes: tuple[LayerChange, ...]
    by_role: tuple[RoleTotals, ...]

    def to_rows(self) -> list[Row]:
        """One a change; ``kernels`` and ``bytes`` are how many more there are after it, in all blocks."""
        return aligned(
            {
                **flat(each, "kind", "place", "blocks", "count", "kernels", "bytes"),
                **{
                    f"{side}_precision": ", ".join(layer.precision_in for layer in getattr(each, side))
                    for side in ("before", "after")
                },
            }
            for each in self.changes
        )
