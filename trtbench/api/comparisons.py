"""Times of recipes and files: measured, predicted, bounded, explained."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trtbench.api.words import (
    DEFAULT_BATCH,
    DEFAULT_MODEL,
    Shapes,
    all_shapes,
    open_store,
    several,
    words,
)
from trtbench.errors import SpecError
from trtbench.host.installation import needing
from trtbench.predict.gpus import find_gpu
from trtbench.progress import OnStep, silent
from trtbench.request import (
    AnyModel,
    AnyPath,
    ArgumentError,
    BatchWord,
    BenchArguments,
    CompareArguments,
    ExplainArguments,
    PredictArguments,
    SizeWord,
    check_names,
    export_specs,
    grid_of,
    inputs_spec,
    is_path,
    parse_recipes,
    refuse_dynamic,
    static_shape_of,
    subjects_of,
)
from trtbench.results import AaReport, Comparison, Explanation, Measurement, Roofline
from trtbench.results.break_even import BreakEven
from trtbench.specs import Grid, Scalar
from trtbench.specs.gpu import DEFAULT_GPU
from trtbench.specs.recipe import parse_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

_DEFAULT_SAMPLES = Grid().inputs.samples


def compare(
    subjects: AnyPath | Sequence[AnyPath],
    *,
    model: AnyModel = DEFAULT_MODEL,
    batch: BatchWord | Sequence[BatchWord] = DEFAULT_BATCH,
    img_size: SizeWord | Sequence[SizeWord] = None,
    runtime: str | Sequence[str] = (),
    env: str | Sequence[str] = (),
    data: AnyPath | None = None,
    data_samples: int = _DEFAULT_SAMPLES,
    baseline: AnyPath | None = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[CompareArguments]",
) -> Comparison:
    """Export, build, audit, predict and verify each recipe; time those whose engines run on the local GPU.

    Args:
        subjects: recipes such as ``["fp16", "nvfp4"]``; with ``runtime`` also artifacts and files. A recipe
            that fails is a row with its reason.
        model: a timm name, a ``.yaml`` file such as those of ``models/``, or a model that timm made.
        batch: images in a query; several give a row each, as does each of ``"MIN:OPT:MAX"``.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; several give a row each; default: the
            model's.
        runtime: time every recipe in these runtimes.
        env: build and time in these environments, such as ``venv:tensorrt-rtx==1.7.1.116``.
        data: folder with one folder of images per class to measure errors on; default: images of ``calib``,
            else synthetic images.
        data_samples: number of these images.
        baseline: stored comparison; ``changes`` of the result has each row beside that of it.
        store: folder of ``models/``, ``engines/`` and ``results/``; it keeps what was timed.
        on_step: progress callback; subjects are keys of rows.
        options: as in ``trtbench.request.CompareArguments``.

    Raises:
        SpecError: a word or an argument is wrong.
        RuntimeUnavailable: nothing can be built or timed on this machine.
        MeasureError: another process has the GPU, and ``exclusive``.
        ArtifactError: a file is damaged, or the store cannot be read or written.
    """
    from trtbench.compare import compare as run
    from trtbench.compare.baseline import load_baseline, with_changes

    check_names(options, CompareArguments.__annotations__)
    before = load_baseline(Path(baseline)) if baseline is not None else None
    inputs = inputs_spec(data, data_samples, options.get("seed", 0), options.get("calib"))
    shapes = (batch, img_size)
    grid = _grid(subjects, model, shapes, options, several(runtime), several(env), inputs=inputs)
    kept = open_store(store)
    comparison = run(grid, kept, on_step).with_samples_in(kept.results)
    return with_changes(comparison, before) if before else comparison


def compare_stored(paths: Sequence[AnyPath], *, baseline: AnyPath | None = None) -> Comparison:
    """Compare stored results, all with the first; nothing is timed, and no GPU is needed.

    Args:
        paths: JSON files of measurements or comparisons, with their samples where they say. With a baseline,
            a single file is taken as it is, and needs no samples.
        baseline: stored comparison; ``changes`` of the result has each row beside that of it.

    Raises:
        SpecError: there are fewer than two measured arms, or one file is named twice.
        IncompatibleResults: a file is not such a result, or cannot be read.
        ArtifactError: samples are missing or damaged.
    """
    from trtbench.compare.baseline import load_baseline, stored_with_changes
    from trtbench.compare.stored import compare_stored as run

    files = [Path(path) for path in paths]
    return run(files) if baseline is None else stored_with_changes(files, load_baseline(Path(baseline)))


def bench(
    subject: AnyPath,
    *,
    model: AnyModel = DEFAULT_MODEL,
    batch: BatchWord = DEFAULT_BATCH,
    img_size: SizeWord = None,
    runtime: str | None = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[BenchArguments]",
) -> Measurement:
    """Time one model in one runtime: fresh processes, blocks, an interval, and the state of the GPU.

    An interrupted measurement resumes when it is asked for again. Series are in milliseconds a query.

    Args:
        subject: an exported model, an engine, a model file, or a recipe such as ``fp16``.
        model: of a recipe: a timm name, a ``.yaml`` file of ``models/``, or a model that timm made.
        batch: images in a query, or ``"MIN:OPT:MAX"`` of a dynamic batch.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; default: the model's.
        runtime: see docs/explanation/measuring.md; default: the namesake of the engine's compiler.
        store: folder of ``models/``, ``engines/`` and ``results/``; it keeps the result and every sample.
        on_step: progress callback.
        options: as in ``trtbench.request.BenchArguments``.

    Raises:
        SpecError: a word or an argument is wrong.
        RuntimeUnavailable: nothing can be built or timed on this machine.
        TrtbenchError: the model cannot be made.
    """
    from trtbench.compare import bench as run

    check_names(options, BenchArguments.__annotations__)
    kept = open_store(store)
    grid = _grid(subject, model, (batch, img_size), options, several(runtime or ()))
    measured = run(grid, kept, on_step).with_samples_in(kept.results)
    if isinstance(measured, Comparison):
        raise ValueError("one cell gives one measurement")
    return measured


def bench_against_itself(
    subject: AnyPath,
    comparisons: int,
    *,
    model: AnyModel = DEFAULT_MODEL,
    batch: BatchWord = DEFAULT_BATCH,
    img_size: SizeWord = None,
    runtime: str | None = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[BenchArguments]",
) -> AaReport:
    """Compare one arm with itself many times, to see how often verdicts are wrong here.

    Args:
        subject: an exported model, an engine, a model file, or a recipe such as ``fp16``.
        comparisons: how many, such as 200.
        model: of a recipe: a timm name, a ``.yaml`` file of ``models/``, or a model that timm made.
        batch: images in a query, or ``"MIN:OPT:MAX"`` of a dynamic batch.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; default: the model's.
        runtime: see docs/explanation/measuring.md; default: the namesake of the engine's compiler.
        store: folder of ``models/``, ``engines/`` and ``results/``; it keeps the report and every block.
        on_step: progress callback.
        options: as in ``trtbench.request.BenchArguments``.

    Raises:
        SpecError: a word or an argument is wrong.
        RuntimeUnavailable: nothing can be built or timed on this machine.
        TrtbenchError: the model cannot be made or timed.
    """
    from trtbench.compare import bench_against_itself as run

    if comparisons < 1:
        raise ArgumentError("comparisons", f"{comparisons}: expected at least 1")
    check_names(options, BenchArguments.__annotations__)
    kept = open_store(store)
    grid = _grid(subject, model, (batch, img_size), options, several(runtime or ()))
    return run(grid, comparisons, kept, on_step).with_samples_in(kept.results)


def predict(
    subjects: AnyPath | Sequence[AnyPath],
    *,
    model: AnyModel = DEFAULT_MODEL,
    batch: BatchWord | Sequence[BatchWord] = DEFAULT_BATCH,
    img_size: SizeWord | Sequence[SizeWord] = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[PredictArguments]",
) -> Comparison:
    """Predict how long each recipe takes on a GPU; no GPU is needed, and nothing is timed.

    Times are in milliseconds a query, with intervals; docs/explanation/prediction.md says how wrong they are.

    Args:
        subjects: recipes, or engines, exported models and ONNX files. A recipe that fails is a row with its
            reason.
        model: a timm name, a ``.yaml`` file such as those of ``models/``, or a model that timm made.
        batch: images in a query; several give a row each, as does each of ``"MIN:OPT:MAX"``.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; several give a row each; default: the
            model's.
        store: folder of ``models/`` and ``engines/``.
        on_step: progress callback; subjects are keys of rows.
        options: as in ``trtbench.request.PredictArguments``; ``gpu`` names the GPU.

    Raises:
        SpecError: a word or an argument is wrong, no rates fit the GPU, or an engine would not run on it.
        RuntimeUnavailable: nothing can be built on this machine.
        ArtifactError: a file is damaged, or the store cannot be read or written.
    """
    from trtbench.compare import predict as run

    check_names(options, PredictArguments.__annotations__)
    return run(_grid(subjects, model, (batch, img_size), options), open_store(store), on_step)


def break_even(
    recipes: str | Sequence[str],
    *,
    img_size: Sequence[int],
    runtime: str | Sequence[str] = (),
    model: AnyModel = DEFAULT_MODEL,
    batch: int | Sequence[int] = DEFAULT_BATCH,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[CompareArguments]",
) -> BreakEven:
    """Show from how many tokens on a token reduction pays: both models over image sizes, side by side.

    Args:
        recipes: precisions or recipes.
        img_size: sides of the images in pixels, at least two.
        runtime: time both models in these runtimes; none: predict both.
        model: a timm name, a ``.yaml`` file such as those of ``models/``, or a model that timm made.
        batch: images in a query; several give a curve each.
        store: folder of ``models/``, ``engines/`` and ``results/``.
        on_step: progress callback; subjects are keys of rows.
        options: as in ``trtbench.request.CompareArguments``; ``token_reduction`` is needed, ``gpu`` names
            the GPU of predictions.

    Raises:
        SpecError: a word or an argument is wrong or missing, or no rates fit the GPU.
        RuntimeUnavailable: nothing can be built or timed on this machine.
        MeasureError: another process has the GPU, and ``exclusive``.
        ArtifactError: the store cannot be read or written.
    """
    from trtbench.compare.break_even import break_even as run

    check_names(options, CompareArguments.__annotations__)
    grid = _grid(recipes, model, (batch, img_size), options, several(runtime))
    return run(grid, open_store(store), on_step)


def explain(
    subject: AnyPath,
    *,
    gpu: str = DEFAULT_GPU,
    clock_mhz: float | None = None,
    model: AnyModel = DEFAULT_MODEL,
    batch: BatchWord = DEFAULT_BATCH,
    img_size: SizeWord = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[ExplainArguments]",
) -> Explanation:
    """Show why a recipe is no faster on a GPU: where its predicted time goes, and what would shorten it.

    Args:
        subject: a recipe such as ``nvfp4`` or ``nvfp4@stock``, or an exported model.
        gpu: a name that ``gpus()`` lists.
        clock_mhz: SM clock to predict at; default: the one that ``gpus()`` lists.
        model: a timm name, a ``.yaml`` file such as those of ``models/``, or a model that timm made.
        batch: images in a query, or ``"MIN:OPT:MAX"`` of a dynamic batch.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; default: the model's.
        store: folder of ``models/`` and ``engines/``.
        on_step: progress callback; subjects are recipes.
        options: as in ``trtbench.request.ExplainArguments``.

    Raises:
        SpecError: a word or an argument is wrong, no rates fit the GPU, or an engine would not run on it.
        RuntimeUnavailable: nothing can be built on this machine.
        ExportError, BuildError: the recipe itself or FP16 failed.
        ArtifactError: the store cannot be read or written.
    """
    from trtbench.compare import explain as run
    from trtbench.compare.explain import exported_to_explain, recipes_to_explain

    check_names(options, ExplainArguments.__annotations__)
    found = find_gpu(gpu, clock_mhz)
    word = os.fspath(subject)
    if is_path(word):
        exports = exported_to_explain(Path(word), found)
    else:
        recipes = recipes_to_explain(parse_recipe(word), found)
        exports = export_specs(recipes, model, [static_shape_of(batch, img_size, "explain")], options)
    return run(grid_of(exports, (), options), found, open_store(store), on_step)


def roofline(
    model: AnyModel = DEFAULT_MODEL,
    *,
    precision: str | Sequence[str] = ("fp16", "fp8"),
    batch: BatchWord | Sequence[BatchWord] = DEFAULT_BATCH,
    img_size: SizeWord | Sequence[SizeWord] = None,
    tokens: int | Sequence[int] = (),
    gpu: str = DEFAULT_GPU,
    clock_mhz: float | None = None,
    overrides: "Mapping[str, Scalar] | None" = None,
) -> Roofline:
    """Show what bounds each kernel of a model on a GPU, compute or memory; nothing is exported or timed.

    Args:
        model: a timm name, a ``.yaml`` file such as those of ``models/``, or a model that timm made.
        precision: precisions or recipes.
        batch: images in a query, one or several.
        img_size: side of the images in pixels, one or several; default: the model's.
        tokens: lengths of sequences that enter the first block, for encoders of text; none: images.
        gpu: a name that ``gpus()`` lists.
        clock_mhz: SM clock to predict at; default: the one that ``gpus()`` lists.
        overrides: arguments of timm's constructor.

    Raises:
        SpecError: a word or an argument is wrong, or the GPU has no tensor cores for a precision.
    """
    with needing("torch", "export"):
        from trtbench.predict.roofline import roofline as run
    lengths = several(tokens)
    if lengths and min(lengths) < 1:
        raise ArgumentError("tokens", f"{min(lengths)}: expected at least 1")
    if lengths and img_size is not None:
        raise ArgumentError("tokens", f"{tokens}: remove img_size, which sets the number of tokens")
    shapes = all_shapes((batch, img_size))
    refuse_dynamic(shapes, "roofline")
    exports = export_specs(parse_recipes(several(precision)), model, shapes, {"overrides": overrides or {}})
    return run(exports, find_gpu(gpu, clock_mhz), lengths)


def _grid(
    subjects: AnyPath | Sequence[AnyPath],
    model: AnyModel,
    shapes: Shapes,
    options: PredictArguments | BenchArguments | CompareArguments,
    runtimes: Sequence[str] = (),
    environments: Sequence[str] = (),
    **fields: object,
) -> Grid:
    named = words(subjects)
    recipes, files = subjects_of(named)
    if files and not recipes and (model, *shapes) != (DEFAULT_MODEL, DEFAULT_BATCH, None):
        raise SpecError(f"{files[0]}: its model and shape are fixed; remove model, batch and img_size")
    exports = export_specs(recipes, model, all_shapes(shapes), options) if recipes else ()
    first = bool(named) and named[0] in files
    return grid_of(exports, files, options, runtimes, environments, files_first=first, **fields)
