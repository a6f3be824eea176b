"""Exported models that run on the CPU, and what they compute."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from trtbench.errors import ArtifactError
from trtbench.host.memory import return_freed_memory
from trtbench.store.artifacts import OnnxArtifact, check_whole
from trtbench.verify.blocks import block_outputs
from trtbench.verify.images import ImageBatch, VerificationImages, load_batches
from trtbench.verify.lowering import lower
from trtbench.verify.rebatch import with_batch
from trtbench.verify.standard_graph import Network

BATCH = 8  # at which the activations of a ViT-L take about 200 MB
LOGITS, FEATURES = "logits", "features"  # what the exporter calls outputs with and without a classifier
_REMEMBERED_BYTES = 1 << 30


@dataclass(frozen=True)
class Emulated:
    """What a model makes of N images: outputs and, behind each block, residual stream, ``(N, features)``."""

    outputs: Mapping[str, npt.NDArray[np.float32]]
    blocks: Mapping[int, npt.NDArray[np.float32]]

    @property
    def output(self) -> npt.NDArray[np.float32]:
        """The only output, or all side by side."""
        arrays = list(self.outputs.values())
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)

    @property
    def size_bytes(self) -> int:
        """Memory of all arrays."""
        return sum(array.nbytes for array in (*self.outputs.values(), *self.blocks.values()))


class EmulatedModel:
    """An exported model, loaded for up to ``batch`` images at a time.

    Raises:
        ArtifactError: the file cannot be read or run.
        RuntimeUnavailable: onnxruntime is not installed.
    """

    def __init__(self, onnx: OnnxArtifact, batch: int = BATCH) -> None:
        self.onnx = onnx
        names = [record.name for record in onnx.manifest.outputs]
        shapes = {record.name: record.shape for record in onnx.manifest.inputs}
        graph = lower(onnx.payload, shapes, len(names))
        graph = with_batch(graph, batch) or graph
        self._blocks = block_outputs(graph)
        self._outputs = dict(zip(names, graph.output_names, strict=True))
        tensors = dict.fromkeys([*self._blocks.values(), *graph.output_names])
        self._network = Network(graph, list(tensors))
        del graph
        return_freed_memory()  # several times the weights

    def with_same_tokens(self, emulated: Emulated) -> Emulated:
        """What another model computed, without the blocks behind which this one has other tokens."""
        reduction = self.onnx.manifest.spec.model.token_reduction
        if reduction is None:
            return emulated
        same = {block: array for block, array in emulated.blocks.items() if block < reduction.first}
        return Emulated(emulated.outputs, same)

    @property
    def batch(self) -> int:
        """Images of one run; what the file states where another batch cannot be set."""
        return self._network.batch

    def run(self, images: npt.NDArray[np.float32]) -> Emulated:
        """Compute images ``(N, C, H, W)``.

        Raises:
            ArtifactError: a result is infinite or not a number.
        """
        arrays = self._network.run(images)
        blocks = {i: arrays[name] for i, name in self._blocks.items()}
        outputs = {name: arrays[tensor] for name, tensor in self._outputs.items()}
        emulated = self.with_same_tokens(Emulated(outputs, blocks))
        for block, array in emulated.blocks.items():
            self._refuse_infinite(f"residual stream behind block {block}", array)
        for name, array in outputs.items():
            self._refuse_infinite("output" if len(outputs) == 1 else f"output {name}", array)
        return emulated

    def _refuse_infinite(self, what: str, array: npt.NDArray[np.float32]) -> None:
        bad = np.count_nonzero(~np.isfinite(array).all(axis=1))
        if bad:
            raise ArtifactError(
                f"{self.onnx.payload}: the {what} is infinite or not a number for {bad} of {len(array)} "
                "images: activations in front of it exceed their number format"
            )


class Reference:
    """The FP32 model on the images to compare on; loaded and computed when first needed.

    Its results are remembered for the recipes to come, as far as 1 GiB holds them; if it holds all, the model
    is not kept.
    """

    def __init__(self, onnx: OnnxArtifact, images: VerificationImages) -> None:
        self.onnx, self.images = onnx, images
        self._model: EmulatedModel | None = None
        self._remembered: dict[tuple[int, int], Emulated] = {}
        self._free_bytes = _REMEMBERED_BYTES

    @cached_property
    def batch(self) -> int:
        """Images of one run."""
        return self._loaded().batch

    @property
    def is_classifier(self) -> bool:
        """Whether the output is one number for each class."""
        return self.onnx.manifest.outputs[0].name == LOGITS

    def _loaded(self) -> EmulatedModel:
        if self._model is None:
            check_whole(self.onnx)
            self._model = EmulatedModel(self.onnx, min(BATCH, self.images.count))
        return self._model

    def batches(self, size: int) -> Iterator[tuple[ImageBatch, Emulated | None]]:
        """Yield up to ``size`` images at a time with what the model makes of them; None of no images."""
        manifest = self.onnx.manifest
        loaded = load_batches(self.images, manifest.spec.model, manifest.inputs[0].shape[1:], size)
        keys = set()
        for index, batch in enumerate(loaded):
            if not len(batch.images):
                yield batch, None
                continue
            keys.add((size, index))
            yield batch, self._run((size, index), batch)
        if keys <= self._remembered.keys():
            self._model = None

    def _run(self, key: tuple[int, int], batch: ImageBatch) -> Emulated:
        if key in self._remembered:
            return self._remembered[key]
        emulated = self._loaded().run(batch.images)
        if emulated.size_bytes <= self._free_bytes:
            self._free_bytes -= emulated.size_bytes
            self._remembered[key] = emulated
        return emulated
