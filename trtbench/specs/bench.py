"""What is timed, and how."""

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from trtbench.specs.base import Seed, Spec
from trtbench.specs.build import BuilderOptions
from trtbench.specs.model import ExportSpec, RecipeField

MAX_DURATION_S = 30 * 86400.0
MAX_MS = 3_600_000.0
MAX_ITERATIONS = 1_000_000
MAX_PROCESSES = 1000

L2Mode = Literal["warm", "flushed", "rotated"]


Regime = Literal["sustained", "burst"]


class InputValues(Spec, allow_inf_nan=False):
    """Values of the input that is called ``input``: those of a ``.npy`` file, or drawn from a range.

    ``low`` and ``high``: of the range, both included; ``path``, ``sha256``: of the file.
    """

    input: str
    low: float | None = None
    high: float | None = None
    path: str | None = None
    sha256: str | None = None


class BenchSpec(Spec, allow_inf_nan=False):
    """The protocol of a measurement; measurements compare only when theirs are equal.

    Every arm runs in ``processes`` processes, in each in blocks of ``block_ms`` that take turns with those of
    the other arms in random order. It ends at ``duration_s`` of blocks an arm, or sooner: after
    ``min_blocks`` in every process, once all intervals are narrower than ``target_half_width`` (relative to
    the median).

    ``l2``: what lies in the L2 cache before a query: what the query before left (``warm``), nothing of it
    (``flushed``, overwritten before each), or other buffers (``rotated``, inputs and outputs take turns).
    ``regime``: blocks follow at once (``sustained``), or after a rest of ``rest_ms`` (``burst``).
    """

    cuda_graph: bool = Field(default=True, description="where the runtime can; recorded for each arm")
    l2: L2Mode = "warm"
    regime: Regime = "sustained"
    rest_ms: float = Field(default=1000.0, gt=0, le=MAX_MS)
    warmup_ms: float = Field(default=500.0, ge=0, le=MAX_MS)
    warmup_iterations: int = Field(default=20, ge=1, le=MAX_ITERATIONS)
    processes: int = Field(default=5, ge=1, le=MAX_PROCESSES)
    block_ms: float = Field(default=250.0, gt=0, le=MAX_MS)
    min_blocks: int = Field(default=4, ge=1)
    duration_s: float = Field(default=10.0, gt=0, le=MAX_DURATION_S)
    target_half_width: float = Field(default=0.002, gt=0)
    seed: Seed = Field(default=0, description="of the inputs and of the order of the blocks")
    inputs: tuple[InputValues, ...] = Field(default=(), description="of inputs that hold no images")

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write ``inputs``, which came later, only where they are set."""
        fields: dict[str, Any] = serialize(self)
        if not self.inputs:
            fields.pop("inputs", None)
        return fields


class ArmEnvironment(Spec):
    """Where an arm runs: the word that asked for it, the versions in it, and the digest of its image."""

    word: str
    versions: dict[str, str]
    image_digest: str | None = None


class ArmSpec(Spec):
    """One thing that is timed: a model in a runtime.

    ``artifact`` is the file that the runtime loads, ``None`` when it makes the model from ``export`` itself;
    ``weights``: name and sha256 of each file beside it that holds weights of it. ``build`` counts engines
    built anew from the same model; ``options``: how the engine was built, as its manifest says.
    ``environment=None``: the Python that measures.
    """

    label: str
    runtime: str
    recipe: RecipeField | None
    export: ExportSpec | None
    artifact: str | None
    artifact_sha256: str | None
    weights: tuple[tuple[str, str], ...] = ()
    build: int = Field(default=0, ge=0)
    options: BuilderOptions = BuilderOptions()
    environment: ArmEnvironment | None = None

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write what came later only where it is set: runs of older versions keep their identity."""
        fields: dict[str, Any] = serialize(self)
        unset = {name for name in _CAME_LATER if getattr(self, name) == ArmSpec.model_fields[name].default}
        return {name: value for name, value in fields.items() if name not in unset}


_CAME_LATER = ("weights", "options", "environment")
"""Fields of ``ArmSpec``."""
