"""What a search over recipes is asked for."""

from pydantic import Field

from trtbench.specs.base import Spec
from trtbench.specs.bench import BenchSpec
from trtbench.specs.build import BuildRequest
from trtbench.specs.model import ExportSpec, ImageSize, InputsSpec


class Change(Spec):
    """How a model of a search differs from the one that is searched, besides its recipe.

    Args:
        without: the pass that is left out.
        batch, img_size: another shape.
    """

    without: str | None = None
    batch: int | None = None
    img_size: ImageSize | None = None


class TuneSpec(Spec, allow_inf_nan=False):
    """One model at one shape, and what its fastest recipe must keep.

    Args:
        export: the model, shape and calibration; its recipe is the baseline.
        build: how engines are built.
        inputs: the images that errors are measured on.
        min_sqnr_db: least SQNR of the output against FP32.
        max_top1_drop: most that top-1 accuracy may fall below FP32's, in percentage points.
        runtime: what times the confirmed recipes; null: the namesake of the compiler, if the GPU is here.
        bench: the protocol of the times.
        shapes: other batches and image sizes, at which the front of the search is predicted, too.
    """

    export: ExportSpec
    build: BuildRequest = BuildRequest()
    inputs: InputsSpec = InputsSpec(samples=8)
    min_sqnr_db: float | None = None
    max_top1_drop: float | None = Field(default=None, ge=0)
    runtime: str | None = None
    bench: BenchSpec = BenchSpec()
    shapes: tuple[tuple[int, ImageSize | None], ...] = ()
