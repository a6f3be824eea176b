"""Models and engines: make them, look into them, check them."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from trtbench.api.words import DEFAULT_BATCH, DEFAULT_MODEL, open_store, words
from trtbench.progress import OnStep, silent
from trtbench.request import (
    DEFAULT_PRECISIONS,
    AnyModel,
    AnyPath,
    BatchWord,
    BuildArguments,
    ModelArguments,
    SizeWord,
    build_request,
    check_names,
    export_specs,
    inputs_spec,
    is_model,
    parse_recipes,
    parse_shapes,
    shape_of,
    subjects_of,
)
from trtbench.results import Audit, LintReport, Verification
from trtbench.results.diff import EngineDiff
from trtbench.specs import InputsSpec, Scalar
from trtbench.store.artifacts import Artifact, EngineArtifact, OnnxArtifact
from trtbench.store.paths import load_onnx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack


def export(
    recipe: str = "fp16",
    *,
    model: AnyModel = DEFAULT_MODEL,
    batch: BatchWord = DEFAULT_BATCH,
    img_size: SizeWord = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[ModelArguments]",
) -> OnnxArtifact:
    """Quantise a model and write it as ONNX, unless the store has it.

    Args:
        recipe: a precision with its modifiers, such as ``nvfp4+sparse``.
        model: a timm name, a ``.yaml`` file such as those of ``models/``, or a model that timm made.
        batch: images in a query, or ``"MIN:OPT:MAX"`` of a dynamic batch.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; default: the model's.
        store: folder of ``models/``, ``engines/`` and ``results/``.
        on_step: progress callback.
        options: as in ``trtbench.request.ModelArguments``.

    Returns:
        The artifact: ``payload`` is the ONNX file, ``manifest`` says what was asked and found.

    Raises:
        SpecError: the recipe, the model or an argument is wrong.
        RuntimeUnavailable: a package is missing.
        ExportError: weights do not fit, or the model cannot be exported.
        ArtifactError: the store cannot be written.
    """
    from trtbench.export import export as run

    check_names(options, ModelArguments.__annotations__)
    (spec,) = export_specs(parse_recipes([recipe]), model, [shape_of(batch, img_size)], options)
    return run(spec, open_store(store), on_step)[0]


def build(
    onnx: AnyPath | OnnxArtifact,
    *,
    sparsity: bool = False,
    profile: str | Sequence[str] = (),
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[BuildArguments]",
) -> EngineArtifact:
    """Compile an ONNX model to an engine, unless the store has it; TensorRT-RTX needs no GPU for that.

    Args:
        onnx: what ``export`` gave, its folder, or any ONNX file.
        sparsity: allow kernels for 2:4 sparse weights.
        profile: optimization profiles of dynamic inputs, ``NAME=MIN:OPT:MAX[,...]`` each.
        store: folder of ``models/``, ``engines/`` and ``results/``.
        on_step: progress callback.
        options: as in ``trtbench.request.BuildArguments``.

    Returns:
        The artifact: ``payload`` is the engine, ``manifest`` says what was asked and found.

    Raises:
        SpecError: an argument is wrong, or nothing is at the path.
        RuntimeUnavailable: there is no compiler for the targets.
        BuildError: the compiler refused the model, crashed, or reached a limit.
        ArtifactError: the model is damaged, or the store cannot be written.
    """
    from trtbench.build import build as run
    from trtbench.build.choice import build_spec_for

    check_names(options, BuildArguments.__annotations__)
    spec = build_spec_for(build_request(options, sparsity, words(profile)))
    return run(load_onnx(_path(onnx), "build"), spec, open_store(store), on_step)[0]


def inspect(subject: AnyPath | OnnxArtifact | EngineArtifact, *, shape: str | Sequence[str] = ()) -> Audit:
    """Give each layer's role, precision, shape, FLOPs and bytes, and what was asked against what compiled.

    Args:
        subject: an exported model or an engine, its folder, or any ONNX file.
        shape: of dynamic inputs, ``NAME=8x3x224x224`` each; of an engine, default: its profile's optimum.

    Raises:
        SpecError: nothing is at the path, or a shape does not fit.
        ArtifactError: a file is damaged, or the ONNX model of an engine is gone.
    """
    from trtbench.audit.inspect import inspect as run

    return run(_path(subject), parse_shapes(shape))


def lint(
    subject: AnyModel | OnnxArtifact,
    *,
    precision: str | Sequence[str] = DEFAULT_PRECISIONS,
    batch: BatchWord = DEFAULT_BATCH,
    img_size: SizeWord = None,
    overrides: "Mapping[str, Scalar] | None" = None,
    target: str | Sequence[str] = "sm120",
    shape: str | Sequence[str] = (),
) -> LintReport:
    """Check a model or a graph against design rules for quantised ViTs; nothing is exported or built.

    Args:
        subject: a timm name, a model that timm made, an exported model, or any ONNX file.
        precision: recipes that a timm model is checked in.
        batch: of a timm model, or of a graph whose batch is dynamic.
        img_size: side in pixels of the images of a timm model, or of a graph where it is dynamic.
        overrides: arguments of timm's constructor.
        target: compute capabilities to check for.
        shape: of dynamic inputs of a graph, ``NAME=8x3x224x224`` each, instead of ``batch`` and ``img_size``.

    Raises:
        SpecError: the model, a recipe, a target or a shape is wrong.
        ArtifactError: the file is damaged or no ONNX model.
    """
    from trtbench.lint import lint as run

    size = shape_of(batch, img_size)
    model = str(_path(subject)) if isinstance(subject, str | PathLike | Artifact) else subject
    if isinstance(model, str) and not is_model(model):
        return run(Path(model), size.batch, size.img_size, words(target), parse_shapes(shape))
    arguments: ModelArguments = {"overrides": overrides or {}}
    exports = export_specs(parse_recipes(words(precision)), model, [size], arguments)
    return run(exports, size.batch, size.img_size, words(target))


def diff(
    before: AnyPath | EngineArtifact, after: AnyPath | EngineArtifact, *, shape: str | Sequence[str] = ()
) -> EngineDiff:
    """Align the compiled layers of two engines of one network, and show how kernels changed.

    Args:
        before: an engine of the store, or its folder.
        after: the engine to compare with it.
        shape: of dynamic inputs, ``NAME=8x3x224x224`` each; default: the optimum of the profiles.

    Raises:
        SpecError: nothing is at a path, or no engine, or a shape does not fit.
        ArtifactError: an engine is damaged, or its ONNX model is gone.
        IncompatibleResults: they are of two networks, batches or image sizes.
    """
    from trtbench.diff import diff as run

    return run(_path(before), _path(after), parse_shapes(shape))


def verify(
    subjects: AnyPath | Sequence[AnyPath],
    *,
    model: AnyModel = DEFAULT_MODEL,
    batch: BatchWord = DEFAULT_BATCH,
    img_size: SizeWord = None,
    data: AnyPath | None = None,
    data_samples: int = InputsSpec().samples,
    against: AnyPath | None = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[ModelArguments]",
) -> Verification:
    """Measure each recipe's error against FP32: the exported ONNX files are computed on a CPU.

    Args:
        subjects: recipes such as ``["fp16", "nvfp4"]``, exported models and ONNX files; one that fails is
            a row with its reason.
        model: a timm name, a ``.yaml`` file such as those of ``models/``, or a model that timm made.
        batch: images in a query, or ``"MIN:OPT:MAX"`` of a dynamic batch.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; default: the model's.
        data: folder with one folder of images per class, as ImageNet; default: synthetic images.
        data_samples: number of images to compare on.
        against: ONNX file or exported model to compare with; default: the FP32 model that the recipes and
            exported models come from.
        store: folder of ``models/``, ``engines/`` and ``results/``.
        on_step: progress callback.
        options: as in ``trtbench.request.ModelArguments``.

    Raises:
        SpecError: a recipe, the model, the images or an argument is wrong.
        RuntimeUnavailable: a package is missing.
        TrtbenchError: the FP32 model cannot be exported.
    """
    from trtbench.verify import verify as run

    check_names(options, ModelArguments.__annotations__)
    named = words(subjects)
    recipes, files = subjects_of(named)
    shape = shape_of(batch, img_size)
    exports = iter(export_specs(recipes, model, [shape], options) if recipes else ())
    verified = [Path(word) if word in files else next(exports) for word in named]
    inputs = inputs_spec(data, data_samples, options.get("seed", 0))
    kept = None if against is None else Path(against)
    return run(verified, open_store(store), inputs, on_step, kept, shape.img_size)


def _path(subject: AnyPath | OnnxArtifact | EngineArtifact) -> Path:
    return subject.directory if isinstance(subject, Artifact) else Path(subject)
