"""ONNX files that are verified in place of recipes: exported models, and files of any other exporter."""

from pathlib import Path

from trtbench.audit.graph import Graph, read_graph
from trtbench.build.dimensions import Dimensions, shown
from trtbench.build.source import OnnxSource, source_of
from trtbench.errors import SpecError
from trtbench.export.source import content_sha256
from trtbench.onnx_files import read_model
from trtbench.results import FileRecord, OnnxManifest, TensorRecord
from trtbench.specs import ExportSpec, ImageSize, ModelSpec, SourceSpec
from trtbench.specs.model import sides_of
from trtbench.specs.recipe import ORIGINAL
from trtbench.store.artifacts import OnnxArtifact
from trtbench.store.paths import load_onnx
from trtbench.verify.emulation import BATCH, FEATURES, LOGITS

_MOVES = ("Cast", "Identity", "Softmax")


def open_given(path: Path, img_size: ImageSize | None) -> OnnxArtifact:
    """Open an exported model, or describe any ONNX file as if it had been exported; nothing is written.

    Args:
        path: the file, or the folder of an exported model.
        img_size: side in pixels, or both, of the images of a file that leaves it open.

    Raises:
        SpecError: nothing is at that path, or the file does not take images ``(B, C, H, W)`` of a known size.
        ArtifactError: it is damaged, or an engine.
    """
    found = load_onnx(path, "verify")
    return _described(found, img_size) if isinstance(found, Path) else found


def is_given_alone(onnx: OnnxArtifact) -> bool:
    """Whether nothing but the file is known: no store has exported it."""
    return not onnx.manifest.spec_id


def _described(path: Path, img_size: ImageSize | None) -> OnnxArtifact:
    source = source_of(path)
    name, shape = _images(source, img_size)
    graph = read_graph(path, {name: shape})
    output = read_model(path, weights="none").graph.output[0].name
    model = ModelSpec(name=path.stem, source=SourceSpec(kind="onnx", path=str(path.resolve())))
    manifest = OnnxManifest(
        spec_id="",
        spec=ExportSpec(model=model, recipe=ORIGINAL, batch=shape[0]),
        files=(FileRecord(name=path.name, sha256=content_sha256(model), size_bytes=source.file.size_bytes),),
        inputs=(TensorRecord(name=name, dtype="float32", shape=shape),),
        outputs=(
            TensorRecord(
                name=LOGITS if _is_classifier(graph, output) else FEATURES,
                dtype="float32",
                shape=graph.shape(output),
            ),
        ),
        nodes=len(graph.nodes),
        opset=0,
        analytic_flops={},
        calibration=None,
        sparsity=None,
        tool_versions={},
        created_utc="",
        duration_s=0,
    )
    return OnnxArtifact(path.parent, manifest)


def _images(source: OnnxSource, img_size: ImageSize | None) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the only input, images; an open batch becomes one that fits the memory."""
    path = source.path
    if len(source.inputs) != 1:
        raise SpecError(f"{path}: has the inputs {', '.join(source.inputs)}; verify takes models with one")
    ((name, dims),) = source.inputs.items()
    match dims:
        case batch, int(channels), *sides if len(sides) == 2:
            return name, (batch if isinstance(batch, int) else BATCH, channels, *_sides(path, dims, img_size))
    raise SpecError(f"{path}: input {name} is {shown(dims)}; verify takes images (B, C, H, W)")


def _sides(path: Path, dims: Dimensions, img_size: ImageSize | None) -> list[int]:
    sides = dims[2:]
    if img_size is None:
        if not all(isinstance(side, int) for side in sides):
            raise SpecError(f"{path}: the image size is dynamic; give one with --img-size")
        return [side for side in sides if isinstance(side, int)]
    asked = sides_of(img_size)
    if any(isinstance(side, int) and side != wanted for side, wanted in zip(sides, asked, strict=True)):
        raise SpecError(f"{path}: takes images {shown(dims)}; remove --img-size")
    return list(asked)


def _is_classifier(graph: Graph, output: str) -> bool:
    """Whether the output is that of a Linear layer with a bias, as of models that are imported."""
    node = graph.producers.get(output)
    while node is not None and node.op_type in _MOVES:
        node = graph.producers.get(node.inputs[0])
    if node is None or len(graph.shape(output)) != 2:
        return False
    if node.op_type == "Gemm":
        return len(node.inputs) > 2
    products = [name for name in node.inputs if name in graph.producers and graph.producers[name].is_product]
    return node.op_type == "Add" and bool(products)
