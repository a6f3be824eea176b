"""Runtimes ``torch`` (eager kernels in our CUDA graph), ``torch-eager`` and ``torch-compile``.

A query is the model and copies of its results to the memory of the outputs.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

from trtbench.errors import Code, ExportError, MeasureError, RuntimeUnavailable, SpecError
from trtbench.host.installation import needing
from trtbench.results import TensorRecord
from trtbench.runtimes import Tensor
from trtbench.specs import ArmSpec
from trtbench.specs.recipe import Precision, Recipe
from trtbench.units import one_line

with needing("torch", "export"):
    import torch

    from trtbench.runtimes.torch_model import TorchModel, check_recipe, load_model

_FP8_CAPABILITY = (8, 9)


def open_runtime(arm: ArmSpec, stream: int, cuda_graph: bool) -> "TorchRuntime":
    """Make the model on the GPU; ``torch-compile`` compiles it here.

    Raises:
        RuntimeUnavailable: torch or timm is not installed, or torch sees no CUDA device.
        MeasureError: torch has no kernels for the recipe, or the model cannot be made, compiled or run.
    """
    if arm.export is None:
        raise MeasureError(f"{arm.label}: {arm.runtime} makes the model itself: the arm must say which")
    try:
        check_recipe(arm.export.recipe)
        _check_device(arm.export.recipe)
        # FP32 means FP32 in every runtime; in convolutions torch would use TF32.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        model = load_model(arm.export, torch.device("cuda"))
        return TorchRuntime(model, arm.label, arm.runtime, arm.export.batch, stream)
    except (MeasureError, SpecError, ExportError) as error:
        raise MeasureError(f"{arm.label}: {error}", code=error.code) from error
    except RuntimeError as error:  # of CUDA, of memory, of the compiler
        raise _failure(arm.label, error) from error


def _failure(label: str, error: RuntimeError) -> MeasureError:
    code = Code.GPU_OUT_OF_MEMORY if isinstance(error, torch.OutOfMemoryError) else None
    return MeasureError(f"{label}: torch {torch.__version__}: {one_line(error)}", code=code)


def _check_device(recipe: Recipe) -> None:
    if not torch.cuda.is_available():
        raise RuntimeUnavailable(
            f"torch {torch.__version__} sees no CUDA device: it needs a GPU of NVIDIA's and its driver"
        )
    capability = torch.cuda.get_device_capability()
    if Precision.FP8 in recipe.precisions and capability < _FP8_CAPABILITY:
        raise MeasureError(
            f"FP8 needs compute capability 8.9 or later, this GPU has {'.'.join(map(str, capability))}"
        )


class TorchRuntime:
    """A model that reads its images from given memory, and whose results are copied to given memory.

    ``word`` is ``torch``, ``torch-eager`` or ``torch-compile``.
    """

    device: Literal["cuda", "cpu"] = "cuda"

    def __init__(self, model: TorchModel, label: str, word: str, batch: int, stream: int) -> None:
        self._label, self._word = label, word
        self._module: Any = model.module
        self._images: Any = None
        self._outputs: tuple[Any, ...] = ()
        self._stream = _external(stream)
        # Memory between a captured query's kernels must stay the graph's own, or torch gives it back.
        self._pool = torch.cuda.MemPool()
        self.version = f"torch {torch.__version__}"
        self.graph: Literal["capture", "own", "none"] = "none" if word == "torch-eager" else "capture"
        images = torch.zeros((batch, *model.image_shape), dtype=model.dtype, device="cuda")
        with torch.inference_mode():
            results = _as_tuple(self._module(images))
        self.inputs = (_record("images", images),)
        self.outputs = tuple(map(_record, model.output_names, results))
        copied = sum(result.nbytes for result in results)
        self.notes = ("TF32 off", f"copies {copied} bytes to the output", *model.notes)
        torch.cuda.synchronize()
        if word == "torch-compile":
            self._module = torch.compile(model.module, dynamic=False)
            memory = ((self.inputs[0], images), *zip(self.outputs, results, strict=True))
            self.bind({record.name: _tensor(record, tensor) for record, tensor in memory})
            self.enqueue(stream)
            torch.cuda.synchronize()

    def __enter__(self) -> "TorchRuntime":
        return self

    def __exit__(self, *exception: object) -> None:
        self._module = self._images = None
        self._outputs = ()

    def bind(self, tensors: Mapping[str, Tensor]) -> None:
        """Use this memory from the next query on."""
        self._images = _at(tensors["images"])
        self._outputs = tuple(_at(tensors[record.name]) for record in self.outputs)

    def enqueue(self, stream: int) -> None:
        """Launch the model's kernels and the copies; memory in between is that of torch's caching allocator.

        Raises:
            MeasureError: torch failed.
        """
        if stream != self._stream.cuda_stream:
            self._stream = _external(stream)
        try:
            with torch.inference_mode(), torch.cuda.stream(self._stream):
                results = _as_tuple(self._module(self._images))
                for output, result in zip(self._outputs, results, strict=True):
                    output.copy_(result)
        except RuntimeError as error:
            raise _failure(self._label, error) from error

    def empty(self) -> "TorchRuntime":
        """Open a model that gives its input, one number, which is then copied as others are."""
        model = TorchModel(_OneKernel(), torch.float32, (1, 1, 1), ("y",), ())
        return TorchRuntime(model, self._label, self._word, 1, self._stream.cuda_stream)

    def capturing(self) -> AbstractContextManager[None]:
        """Take the memory between kernels from a pool that lives as long as this runtime."""
        return torch.cuda.use_mem_pool(self._pool)


def _as_tuple(results: Any) -> tuple[torch.Tensor, ...]:
    return results if isinstance(results, tuple) else (results,)


class _OneKernel(torch.nn.Module):
    """Gives its input; a copy alone is no kernel, and a graph without kernels is refused."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + 0


class _Memory:
    """Memory of another owner, as torch takes it without a copy."""

    def __init__(self, pointer: int, nbytes: int) -> None:
        self.__cuda_array_interface__ = {
            "shape": (nbytes,),
            "typestr": "|u1",
            "data": (pointer, False),
            "strides": None,
            "version": 3,
        }


def _at(tensor: Tensor) -> torch.Tensor:
    """The tensor at an address; by way of bytes, since the interface has no name for bfloat16."""
    dtype: torch.dtype = getattr(torch, tensor.record.dtype)
    memory = torch.as_tensor(_Memory(tensor.pointer, tensor.nbytes), device="cuda")
    return memory.view(dtype).view(tensor.record.shape)


def _external(stream: int) -> torch.cuda.Stream:
    make: Any = torch.cuda.ExternalStream  # untyped
    wrapped: torch.cuda.Stream = make(stream)
    return wrapped


def _record(name: str, tensor: torch.Tensor) -> TensorRecord:
    return TensorRecord(name=name, dtype=str(tensor.dtype).removeprefix("torch."), shape=tuple(tensor.shape))


def _tensor(record: TensorRecord, tensor: torch.Tensor) -> Tensor:
    return Tensor(record, tensor.data_ptr(), tensor.nbytes)
