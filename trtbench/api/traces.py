"""Traces of profilers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trtbench.api.words import DEFAULT_BATCH, DEFAULT_MODEL, open_store, several, words
from trtbench.predict.gpus import find_gpu
from trtbench.progress import OnStep, silent
from trtbench.request import (
    AnyPath,
    BatchWord,
    SizeWord,
    TraceArguments,
    check_names,
    export_specs,
    grid_of,
    static_shape_of,
    subjects_of,
)
from trtbench.results import TraceReport

if TYPE_CHECKING:
    from typing_extensions import Unpack


def trace(
    subjects: AnyPath | Sequence[AnyPath],
    *,
    runtime: str | Sequence[str] = (),
    engine: AnyPath | None = None,
    gpu: str | None = None,
    model: AnyPath = DEFAULT_MODEL,
    batch: BatchWord = DEFAULT_BATCH,
    img_size: SizeWord = None,
    store: AnyPath = ".",
    timeline: AnyPath | None = None,
    on_step: OnStep = silent,
    **options: "Unpack[TraceArguments]",
) -> TraceReport:
    """Show where GPU and wall time go in a profiler's trace; several are summed up side by side.

    Args:
        subjects: SQLite exports of Nsight Systems, traces of torch.profiler, or layer profiles of trtexec;
            with ``runtime``, recipes and artifacts to record.
        runtime: record in these runtimes on the local GPU, through torch's profiler.
        engine: the engine that ran in a trace: put its layers beside the kernels.
        gpu: that times of an engine's layers are predicted for; default: that of the trace.
        model: a timm name, or a ``.yaml`` file such as those of ``models/``.
        batch: images in a query.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``; default: the model's.
        store: folder of ``models/``, ``engines/`` and ``results/``; keeps what is recorded.
        timeline: where a timeline is written, for ui.perfetto.dev.
        on_step: progress callback.
        options: as in ``trtbench.request.TraceArguments``.

    Raises:
        SpecError: there is no such file, or a word or an argument is wrong.
        ArtifactError: a file cannot be read, or holds no kernels; the text has the remedy.
        TrtbenchError: a subject cannot be made or run.
    """
    check_names(options, TraceArguments.__annotations__)
    found = None if gpu is None else find_gpu(gpu)
    drawn = None if timeline is None else Path(timeline)
    if not runtime:
        from trtbench.trace import trace as read

        paths = [Path(each) for each in words(subjects)]
        return read(paths, None if engine is None else Path(engine), found, on_step, drawn)
    from trtbench.compare import record

    recipes, files = subjects_of(words(subjects))
    exports = (
        export_specs(recipes, model, [static_shape_of(batch, img_size, "trace")], options) if recipes else ()
    )
    grid = grid_of(exports, files, options, several(runtime)).model_copy(update={"gpu": found})
    return record(grid, open_store(store), on_step, drawn)
