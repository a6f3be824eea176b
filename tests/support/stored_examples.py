"""Examples of results that need no others: containers, and what golden files hold."""

from pathlib import Path

from trtbench import results
from trtbench.results.environments import ExpectedVersion, KnownImage

GOLDEN = Path(__file__).parents[1] / "golden"
ENGINE_DIFFERENCE = results.Comparison.model_validate_json(
    (GOLDEN / "versions" / "comparison.json").read_bytes()
).differences[0]
TRACE_REPORT = results.TraceReport.model_validate_json((GOLDEN / "trace" / "two.json").read_bytes())

_CUDA = ExpectedVersion(version="==12.8.0.*", known="good")
CONTAINER = results.ContainerEntry(
    image=KnownImage(
        image="nvcr.io/nvidia/tensorrt:25.01-py3",
        tensorrt=ExpectedVersion(version="==10.8.0.43", known="good"),
        cuda=_CUDA,
        driver="570.26",
        driver_source=None,
        driver_oldest=None,
        driver_oldest_source=None,
        source="x",
    ),
    digest=None,
    commands=("docker pull x",),
)
CONTAINERS = results.ContainerList(
    engine=None, problem="no docker", gpus=(), no_gpu_reason="no driver", containers=(CONTAINER,)
)
PREPROCESSING = results.Preprocessing(
    input_size=(3, 224, 224),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    interpolation="bicubic",
    crop_pct=0.9,
    crop_mode="center",
)
