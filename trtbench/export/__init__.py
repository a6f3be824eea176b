"""The export stage: a timm Vision Transformer in a given precision as an ONNX model in the store."""

import errno
import gc
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trtbench
from trtbench.errors import ExportError, RuntimeUnavailable, SpecError, WeightsError
from trtbench.export.calibration import CalibrationImages, needs_calibration, resolve_calibration
from trtbench.export.capture import captured_output
from trtbench.host.hardware import package_versions
from trtbench.host.installation import install_command, needing
from trtbench.host.memory import return_freed_memory
from trtbench.host.signals import deferred_signals
from trtbench.progress import OnStep, Step, silent
from trtbench.results import CalibrationRecord, OnnxManifest
from trtbench.specs import CalibrationSpec, ExportSpec, ModelSpec, spec_id
from trtbench.specs.recipe import ORIGINAL, Precision, Recipe
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.store.files import file_record

if TYPE_CHECKING:
    from trtbench.export.pipeline import Exported

_PACKAGES = ("nvidia-modelopt", "onnx", "onnxscript", "timm", "torch", "torchvision")
_ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu")  # ModelOpt's exporters import it

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_FP32 = Recipe(Precision.FP32)

# Part of every model's identity: raise it when the same spec is to give another graph or other files.
EXPORT_REVISION = "10"


def export(spec: ExportSpec, store: Store, on_step: OnStep = silent) -> tuple[OnnxArtifact, bool]:
    """Export unless the store has the model; also return whether it was made now.

    The artifact holds ``model.onnx`` (and ``model.onnx.data`` when the weights exceed 2 GB) and
    ``export.log``. The graph has one input ``images`` (B, C, H, W), whose batch is dynamic if the spec has a
    range, and one output ``logits`` (B, classes), or ``features`` for a model without a classifier, both in
    the type of the activations:
    float32 for ``fp32``, bfloat16 for ``bf16``, else float16. A second call finds the model without
    importing torch.

    Args:
        spec: settings without effect are dropped from it (images for ``fp16``, say), so that they do not
            lead to another artifact.
        store: where the model is looked up and kept, and the log of an export that fails.
        on_step: progress callback.

    Raises:
        SpecError: the model, an argument of its constructor, or the calibration folder is wrong.
        RuntimeUnavailable: a package is missing.
        ExportError: weights are missing or do not fit, or the model cannot be exported.
        ArtifactError: the store cannot be written.
    """
    spec, images = resolve(spec)
    versions = _tool_versions(spec)
    identity, slug = _identity(spec, versions), _slug(spec)
    found = store.find(OnnxManifest, slug, identity)
    if found is not None:
        return found, False
    check_model(spec.model)  # a wrong name leaves nothing in the store
    make = partial(
        _make_or_keep_log,
        keep_log=partial(store.keep_failed_log, "export", slug, identity),
        spec=spec,
        images=images,
        identity=identity,
        versions=versions,
        on_step=on_step,
    )
    return store.get_or_make(OnnxManifest, slug, identity, make, on_step)


def recorded(spec: ExportSpec, store: Store) -> OnnxArtifact | None:
    """What the store says of the model that ``export`` would find, its files unread; None if it has none.

    Raises:
        SpecError: the calibration folder or a pass is wrong.
        RuntimeUnavailable: a package is missing.
    """
    spec, _ = resolve(spec)
    return store.recorded(OnnxManifest, _slug(spec), _identity(spec, _tool_versions(spec)))


def export_id(spec: ExportSpec) -> str:
    """Identify the model that ``export`` makes of ``spec``: by all that determines it.

    Raises:
        SpecError: the calibration folder or a pass is wrong.
        RuntimeUnavailable: a package is missing.
    """
    spec, _ = resolve(spec)
    return _identity(spec, _tool_versions(spec))


def _identity(spec: ExportSpec, versions: dict[str, str]) -> str:
    return spec_id(_determining(spec), "", versions)


def _slug(spec: ExportSpec) -> str:
    return f"{spec.model.name}-{spec.recipe}-{spec.shape_name}"


def depth_of(spec: ModelSpec) -> int:
    """Number of transformer blocks.

    Raises:
        SpecError: the model is unknown or cannot be constructed.
        RuntimeUnavailable: torch or timm is missing.
    """
    with needing("torch", "export"):
        from trtbench.export.model import meta_model
    return sum(1 for _ in meta_model(spec).get_submodule("blocks").children())


def check_model(spec: ModelSpec) -> None:
    """Construct the model without weights, which checks its name, its arguments and its image size.

    Where the packages for that are missing nothing is checked: what needs them says so.

    Raises:
        SpecError: one of them is wrong.
    """
    try:
        from trtbench.export.model import meta_model
    except ImportError:
        return
    meta_model(spec)


def resolve(spec: ExportSpec) -> tuple[ExportSpec, CalibrationImages | None]:
    """Fill in defaults, drop what has no effect on the result, and find the calibration images.

    Raises:
        SpecError: the calibration folder has no images, or others than the spec's hash says; a pass has no
            such name.
    """
    method = (spec.sparsity_method or "sparse_magnitude") if spec.recipe.sparse else None
    images = None
    if needs_calibration(spec.recipe, method):
        images = resolve_calibration(spec.calibration or CalibrationSpec())
    calibration = None if images is None else images.spec
    update = {
        "batch": spec.batch if spec.batch_range is None else spec.batch_range.optimum,
        "model": _identified(spec.model),
        "sparsity_method": method,
        "calibration": calibration,
        "passes": _passes(spec),
    }
    return spec.model_copy(update=update), images


def _identified(spec: ModelSpec) -> ModelSpec:
    """With the hash of a model that is not timm's."""
    if spec.source is None or spec.source.sha256 is not None:
        return spec
    from trtbench.export.source import content_sha256

    return spec.model_copy(update={"source": spec.source.model_copy(update={"sha256": content_sha256(spec)})})


def reference_spec(spec: ExportSpec) -> ExportSpec:
    """What exports of ``spec`` are compared with: the FP32 model, or the file that a model comes from.

    It has all tokens, whatever a token reduction drops.

    Raises:
        SpecError: the file is missing.
        ExportError: it cannot be read.
    """
    update: dict[str, object] = {
        "model": spec.model.model_copy(update={"token_reduction": None}),
        "recipe": _FP32,
        "batch_range": None,
        "sparsity_method": None,
        "calibration": None,
    }
    if spec.model.source is not None:
        from trtbench.export.onnx_source.read import own_batch
        from trtbench.export.source import onnx_file

        update |= {
            "recipe": ORIGINAL,
            "batch": own_batch(onnx_file(spec.model), spec.model.img_size) or spec.batch,
        }
    return spec.model_copy(update=update)


def _passes(spec: ExportSpec) -> tuple[str, ...] | None:
    if spec.passes is None:
        return None
    from trtbench.export.passes import choose_passes

    return choose_passes(spec.recipe, spec.passes)


def _determining(spec: ExportSpec) -> ExportSpec:
    """What the result depends on: files by their hash alone, the seed only where weights are random."""
    model, calibration = spec.model.without_paths(), spec.calibration
    if model.checkpoint is not None or model.pretrained or model.source is not None:
        model = model.model_copy(update={"seed": 0})
    if calibration is not None and calibration.directory is not None:
        calibration = calibration.model_copy(update={"directory": ""})
    return spec.model_copy(update={"model": model, "calibration": calibration})


def _tool_versions(spec: ExportSpec) -> dict[str, str]:
    versions = package_versions(_PACKAGES)
    missing = [name for name in _PACKAGES if name not in versions]
    needs_onnxruntime = spec.recipe.is_quantized or spec.model.source is not None
    if needs_onnxruntime and not package_versions(_ONNXRUNTIMES):
        missing.append("onnxruntime")
    if missing:
        raise RuntimeUnavailable(
            f"exporting {spec.recipe} needs {', '.join(missing)}: {install_command('export', 'ort')}"
        )
    return {**versions, "trtbench": trtbench.__version__, "trtbench.export": EXPORT_REVISION}


def _make_or_keep_log(
    directory: Path,
    keep_log: Callable[[Path], str],
    spec: ExportSpec,
    images: CalibrationImages | None,
    identity: str,
    versions: dict[str, str],
    on_step: OnStep,
) -> OnnxManifest:
    """Export in ``directory``; when that fails, copy the log out of it and say where it is."""
    log_path = directory / "export.log"
    started = time.perf_counter()
    try:
        exported = _run(spec, images, directory, log_path, on_step)
    except WeightsError:
        raise  # the same for every recipe, and not of the log
    except ExportError as error:
        kept = keep_log(log_path)
        raise ExportError(
            f"{spec.model.name} as {spec.recipe}: {error} (log: {kept})", code=error.code
        ) from error
    gc.collect()  # torch and ModelOpt leave models in reference cycles
    return_freed_memory()  # the compiler needs it next, in a process of its own
    return OnnxManifest(
        spec_id=identity,
        spec=_without_place(spec),
        files=tuple(file_record(path) for path in (*exported.files, log_path)),
        inputs=exported.inputs,
        outputs=exported.outputs,
        nodes=exported.nodes,
        opset=exported.opset,
        analytic_flops=exported.analytic_flops,
        calibration=_calibration_record(images, exported.calibration_samples),
        sparsity=exported.sparsity,
        notes=_notes(images, exported.notes),
        findings=exported.findings,
        tool_versions=versions,
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        duration_s=round(time.perf_counter() - started, 3),
    )


def _without_place(spec: ExportSpec) -> ExportSpec:
    if spec.calibration is None:
        return spec
    return spec.model_copy(update={"calibration": spec.calibration.named})


def _notes(images: CalibrationImages | None, notes: tuple[str, ...]) -> tuple[str, ...]:
    return notes if images is None else tuple(map(images.spec.without_place, (*images.notes, *notes)))


def _run(
    spec: ExportSpec, images: CalibrationImages | None, directory: Path, log_path: Path, on_step: OnStep
) -> "Exported":
    """Run the pipeline with all that libraries print in the log, and their errors as ours."""
    with deferred_signals() as deliver, captured_output(log_path) as capture:

        def tell(step: Step) -> None:
            with capture.released():
                deliver()
                on_step(step)

        try:
            from trtbench.export import pipeline

            pipeline.import_modelopt(spec.recipe)
            return pipeline.run(spec, images, directory, tell)
        except (SpecError, ExportError):
            raise
        except ImportError as error:
            remedy = install_command("export", "ort")
            raise RuntimeUnavailable(f"a package for exporting is broken: {error}: {remedy}") from error
        except Exception as error:  # torch, timm, ModelOpt and ONNX raise anything
            traceback.print_exc()
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise  # the store explains it
            raise ExportError(_essential_line(error)) from error


def _essential_line(error: Exception) -> str:
    """First line of the message that says something, with the type of the error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _calibration_record(images: CalibrationImages | None, samples: int) -> CalibrationRecord | None:
    if images is None:
        return None
    return CalibrationRecord(
        source="folder" if images.paths else "synthetic",
        samples=samples,
        directory=images.spec.named.directory,
        sha256=images.spec.sha256,
    )
