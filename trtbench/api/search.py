"""The fastest recipe of a model on a GPU."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trtbench.api.words import DEFAULT_BATCH, DEFAULT_MODEL, all_shapes, open_store
from trtbench.predict.gpus import find_gpu
from trtbench.progress import OnStep, silent
from trtbench.request import (
    AnyModel,
    AnyPath,
    ArgumentError,
    BatchWord,
    SizeWord,
    TuneArguments,
    check_names,
    inputs_spec,
    tune_spec,
)
from trtbench.results import Tuning
from trtbench.specs import TuneSpec

if TYPE_CHECKING:
    from typing_extensions import Unpack

_DEFAULT_SAMPLES = TuneSpec.model_fields["inputs"].default.samples


def tune(
    model: AnyModel = DEFAULT_MODEL,
    *,
    gpu: str,
    clock_mhz: float | None = None,
    batch: BatchWord | Sequence[BatchWord] = DEFAULT_BATCH,
    img_size: SizeWord | Sequence[SizeWord] = None,
    min_sqnr_db: float | None = None,
    max_top1_drop: float | None = None,
    data: AnyPath | None = None,
    data_samples: int = _DEFAULT_SAMPLES,
    runtime: str | None = None,
    store: AnyPath = ".",
    on_step: OnStep = silent,
    **options: "Unpack[TuneArguments]",
) -> Tuning:
    """Search precisions by role for the fastest recipe on a GPU that keeps a bound on its error.

    Finished work is kept in the store: an interrupted search resumes.

    Args:
        model: a timm name, a ``.yaml`` file such as those of ``models/``, or a model that timm made.
        gpu: a name that ``gpus()`` lists.
        clock_mhz: SM clock to predict at; default: the one that ``gpus()`` lists.
        batch: images in a query; of several, the first is searched, and the front predicted at all.
        img_size: side of the images in pixels, or ``"HEIGHTxWIDTH"``, one or several; default: the model's.
        min_sqnr_db: least SQNR of the output against FP32, in dB.
        max_top1_drop: most that top-1 accuracy may fall below FP32's, in percentage points; with ``data``.
        data: folder with one folder of images per class, as ImageNet; default: synthetic images.
        data_samples: number of images to measure errors on.
        runtime: time the confirmed recipes in this runtime; needs its device.
        store: folder of ``models/``, ``engines/`` and ``results/``.
        on_step: progress callback.
        options: as in ``trtbench.request.TuneArguments``.

    Raises:
        SpecError: an argument is wrong, no rates fit the GPU, or an accuracy is asked for that nothing has.
        RuntimeUnavailable: nothing can be built on this machine.
        BuildError: a part that all recipes share failed.
        ArtifactError: the store cannot be read or written.
    """
    from trtbench.tune import tune as run

    check_names(options, TuneArguments.__annotations__)
    if max_top1_drop is not None and (data is None or min_sqnr_db is not None):
        remedy = "add data" if data is None else "remove min_sqnr_db"
        raise ArgumentError("max_top1_drop", f"{max_top1_drop}: {remedy}")
    found = find_gpu(gpu, clock_mhz)
    inputs = inputs_spec(data, data_samples, options.get("seed", 0))
    bounds = {"min_sqnr_db": min_sqnr_db, "max_top1_drop": max_top1_drop, "runtime": runtime}
    spec = tune_spec(model, all_shapes((batch, img_size)), options, inputs=inputs, **bounds)
    return run(spec, found, open_store(store), on_step)
