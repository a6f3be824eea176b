"""What is compared: every subject in every environment and runtime."""

from pydantic import Field

from trtbench.specs.base import Spec
from trtbench.specs.bench import BenchSpec
from trtbench.specs.build import BuildRequest
from trtbench.specs.environment import EnvironmentSpec
from trtbench.specs.gpu import GpuSpec
from trtbench.specs.model import ExportSpec, InputsSpec


class Grid(Spec):
    """Cells: model shape x recipe x environment x runtime; or files in place of, or beside, recipes.

    Args:
        exports: one a shape and recipe, shape by shape; the first of a shape is its baseline.
        files: paths of artifacts or bare files; beside ``exports``, these are of one shape.
        files_first: the files come before the recipes, so the first of them is the baseline.
        environments: where engines are built and timed; none: here. Others are compared with the first.
        runtimes: what times; none: the namesake of the compiler, where its engines run.
        build: how engines are built for runtimes that load them.
        bench: the protocol.
        rebuilds: engines built anew from each model, besides the first.
        exclusive: refuse to start while another process has the GPU open.
        trust: load engines that the user did not build.
        inputs: images that errors are measured on; few, since a grid has many recipes.
        gpu: where times are predicted; none: a GPU that runs the engines.
        clock_mhz: the clock that its SMs hold; none: that of the table of GPUs.
    """

    exports: tuple[ExportSpec, ...] = ()
    files: tuple[str, ...] = ()
    files_first: bool = False
    environments: tuple[EnvironmentSpec, ...] = ()
    runtimes: tuple[str, ...] = ()
    build: BuildRequest = BuildRequest()
    bench: BenchSpec = BenchSpec()
    rebuilds: int = Field(default=0, ge=0)
    exclusive: bool = False
    trust: bool = False
    inputs: InputsSpec = InputsSpec(samples=8)
    gpu: GpuSpec | None = None
    clock_mhz: float | None = Field(default=None, gt=0, allow_inf_nan=False)
