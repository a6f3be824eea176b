"""What every runtime must do, whatever it is: tests/unit run it on a CPU, tests/gpu on a GPU."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (numpy then knows bfloat16 by name)
import numpy as np
from numpy.typing import NDArray

from trtbench.measure.device import Device, open_device
from trtbench.measure.overhead import empty_query_ms
from trtbench.results import TensorRecord
from trtbench.runtimes import Runtime, Tensor, open_runtime
from trtbench.specs import ArmSpec, BenchSpec, ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe

Array = NDArray[Any]

MODEL = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 2),), img_size=64)
BATCH = 2


@dataclass(frozen=True)
class Case:
    """An arm, what its outputs should be near to, and how near: ``least_cosine`` of each image's output."""

    arm: ArmSpec
    expected: Callable[[Array], Array]
    least_cosine: float


@dataclass(frozen=True)
class Loaded:
    """An open runtime with its device."""

    device: Device
    runtime: Runtime

    def allocate(self) -> dict[str, Tensor]:
        """Make memory for all inputs and outputs."""
        tensors = {}
        for record in (*self.runtime.inputs, *self.runtime.outputs):
            nbytes = int(np.prod(record.shape)) * np.dtype(record.dtype).itemsize
            tensors[record.name] = Tensor(record, self.device.allocate(nbytes), nbytes)
        return tensors

    def query(
        self, tensors: dict[str, Tensor], values: Array, start: Callable[[], None] | None = None
    ) -> Array:
        """Upload, poison the outputs, run, wait: the first output in float64."""
        for record in self.runtime.inputs:
            self.device.upload(tensors[record.name], values.astype(record.dtype))
        output = tensors[self.runtime.outputs[0].name]
        self.device.fill(output, 0xFF)
        if start is None:
            self.runtime.enqueue(self.device.stream)
        else:
            start()
        return self.output(tensors)

    def output(self, tensors: dict[str, Tensor]) -> Array:
        """Read the first output."""
        self.device.finish()
        values: Array = self.device.download(tensors[self.runtime.outputs[0].name]).astype(np.float64)
        return values


@contextmanager
def loaded(arm: ArmSpec, cuda_graph: bool = False) -> Iterator[Loaded]:
    """Open device and runtime."""
    with open_device(arm, 0) as device, open_runtime(arm, device.stream, cuda_graph) as runtime:
        yield Loaded(device, runtime)


def images(record: TensorRecord, seed: int) -> Array:
    """Normally distributed images, in float32."""
    return np.random.default_rng(seed).normal(size=record.shape).astype(np.float32)


def cosine(a: Array, b: Array) -> float:
    """The least cosine of two outputs among the images of a batch; NaN if there is one in them."""
    rows = [(x.ravel().astype(np.float64), y.ravel().astype(np.float64)) for x, y in zip(a, b, strict=True)]
    return float(min(x @ y / np.sqrt((x @ x) * (y @ y)) for x, y in rows))


def check_records(one: Loaded, dtype: str) -> None:
    """Inputs and outputs are those of an exported graph."""
    runtime = one.runtime
    assert [(r.name, r.dtype, r.shape) for r in runtime.inputs] == [("images", dtype, (BATCH, 3, 64, 64))]
    assert [(r.name, r.dtype, r.shape) for r in runtime.outputs] == [("logits", dtype, (BATCH, 1000))]


def check_outputs_follow_inputs(one: Loaded, case: Case) -> None:
    """They are near what they should be, change with the input, and come back with it."""
    tensors = one.allocate()
    one.runtime.bind(tensors)
    record = one.runtime.inputs[0]
    first, second = (images(record, seed) for seed in (1, 2))
    outputs = [one.query(tensors, values) for values in (first, second, first)]
    for values, output in zip((first, second), outputs, strict=False):
        assert cosine(output, case.expected(values)) > case.least_cosine
    assert not np.allclose(outputs[0], outputs[1])
    np.testing.assert_allclose(outputs[2], outputs[0], rtol=1e-3, atol=1e-4)


def check_binding_to_other_memory(one: Loaded) -> None:
    """A query uses what was bound last, and nothing else; what was bound before can be bound again."""
    sets = [one.allocate(), one.allocate()]
    values = [images(one.runtime.inputs[0], seed) for seed in (3, 4)]
    outputs = []
    for index in (0, 1):
        one.runtime.bind(sets[index])
        outputs.append(one.query(sets[index], values[index]))
    np.testing.assert_array_equal(one.output(sets[0]), outputs[0])
    one.runtime.bind(sets[0])
    np.testing.assert_allclose(one.query(sets[0], values[1]), outputs[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(one.output(sets[1]), outputs[1])


def check_empty_query(one: Loaded, cuda_graph: bool) -> None:
    """A query of the empty model gives its input, and takes time."""
    empty = one.runtime.empty()
    assert empty is not None
    assert (empty.device, empty.graph, empty.version) == (
        one.runtime.device,
        one.runtime.graph,
        one.runtime.version,
    )
    with empty:
        nothing = Loaded(one.device, empty)
        tensors = nothing.allocate()
        empty.bind(tensors)
        values = images(empty.inputs[0], 3)
        np.testing.assert_array_equal(nothing.query(tensors, values), values)
    bench = BenchSpec(cuda_graph=cuda_graph, warmup_iterations=2)
    assert (empty_query_ms(one.device, one.runtime, bench) or 0) > 0


def check_capture(one: Loaded) -> None:
    """A captured query gives on each replay what a plain one gives, for two graphs in turn."""
    sets = [one.allocate(), one.allocate()]
    values = [images(one.runtime.inputs[0], seed) for seed in (5, 6)]
    plain, graphs = [], []
    for index in (0, 1):
        one.runtime.bind(sets[index])
        plain.append(one.query(sets[index], values[index]))
    for tensors in sets:
        one.runtime.bind(tensors)
        graphs.append(one.device.capture(one.runtime))
        assert graphs[-1].kernels > 10
    for index in (0, 1, 1, 0):
        other = 1 - index
        for which in (index, other):
            output = one.query(sets[index], values[which], graphs[index].launch)
            np.testing.assert_allclose(output, plain[which], rtol=1e-3, atol=1e-4)


def model_arm(recipe: str, runtime: str, model: ModelSpec = MODEL, batch: int = BATCH) -> ArmSpec:
    """An arm whose runtime makes the model itself."""
    export = ExportSpec(model=model, recipe=parse_recipe(recipe), batch=batch)
    return ArmSpec(
        label=f"{recipe} in {runtime}",
        runtime=runtime,
        recipe=export.recipe,
        export=export,
        artifact=None,
        artifact_sha256=None,
    )


def file_arm(path: Path, recipe: str, runtime: str, model: ModelSpec = MODEL, batch: int = BATCH) -> ArmSpec:
    """An arm whose runtime loads a file."""
    changes = {"artifact": str(path), "artifact_sha256": sha256(path.read_bytes()).hexdigest()}
    return model_arm(recipe, runtime, model, batch).model_copy(update=changes)


def export_onnx(path: Path, recipe: str, model: ModelSpec = MODEL, batch: int = BATCH) -> Path:
    """Trace the model as the exporter does, with what a machine without the exporter's packages has."""
    import torch

    from trtbench.export.model import build_model, image_shape
    from trtbench.export.trace import OPSET, traceable

    module = build_model(model).to({"fp32": torch.float32, "bf16": torch.bfloat16}.get(recipe, torch.float16))
    shape = (batch, *image_shape(module))
    with traceable(module), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, about the image size
        torch.onnx.export(
            module,
            (torch.zeros(shape, dtype=next(module.parameters()).dtype),),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamo=False,
        )
    return path


def torch_reference(model: ModelSpec = MODEL) -> Callable[[Array], Array]:
    """The model in FP32 on the CPU."""
    import torch

    from trtbench.export.model import build_model

    module = build_model(model)

    def compute(values: Array) -> Array:
        with torch.inference_mode():
            output: Array = module(torch.from_numpy(values)).numpy()
        return output

    return compute
