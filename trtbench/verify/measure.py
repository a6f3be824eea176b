"""The fidelity of one exported model: its outputs against those of the FP32 model, batch by batch."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from trtbench.errors import ArtifactError, SpecError
from trtbench.host.processes import raise_if_cancelled
from trtbench.host.untrusted_files import TEXT_BYTES, read_untrusted
from trtbench.progress import OnStep, Step, silent
from trtbench.results import BlockFidelity, CalibrationRecord, Fidelity, FidelityReference, OutputFidelity
from trtbench.specs import canonical_hash
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.store.results import save_result
from trtbench.verify.emulation import Emulated, EmulatedModel, Reference
from trtbench.verify.metrics import (
    ErrorSums,
    cosine,
    error_sums,
    in_top,
    kl_divergence,
    sqnr_db,
    top1_matches,
)
from trtbench.verify.standard_graph import runtime_name

# Part of the identity of stored results: raise it when the same files are to give other numbers.
_REVISION = "1"


def fidelity_of(onnx: OnnxArtifact, reference: Reference, store: Store, on_step: OnStep = silent) -> Fidelity:
    """Compare an exported model with the FP32 model on the reference's images; the store keeps the result.

    Raises:
        ArtifactError: a file cannot be read or run, gives infinite values, or the store cannot be written.
        RuntimeUnavailable: onnxruntime is not installed.
        SpecError: none of the files is an image.
    """
    _refuse_other_images(onnx, reference.onnx)
    name = f"fidelity-{_identity(onnx, reference)}"
    fidelity = _stored(store, name)
    if fidelity is None:
        on_step(Step("verify", "load the model and its reference"))
        model = EmulatedModel(onnx, reference.batch)
        fidelity = _fidelity(model, reference, _compare(model, reference, on_step))
        save_result(store, name, fidelity)
    images = reference.images  # where they lie and are called has no part in what is stored
    found = fidelity.model_copy(
        update={"inputs": images.spec.named, "weights": reference.onnx.manifest.spec.model.weights}
    )
    calibrated = calibration_notes(found, onnx.manifest.calibration)
    notes = (*reference.onnx.manifest.notes, *calibrated, *images.notes, *fidelity.notes)
    return found.model_copy(update={"notes": tuple(map(images.spec.without_place, notes))})


def is_known(onnx: OnnxArtifact, reference: Reference, store: Store) -> bool:
    """Whether the store has the fidelity of this model, so that neither file is read."""
    return _stored(store, f"fidelity-{_identity(onnx, reference)}") is not None


def _refuse_other_images(onnx: OnnxArtifact, reference: OnnxArtifact) -> None:
    found, wanted = (each.manifest.inputs[0].shape[1:] for each in (onnx, reference))
    if found != wanted:
        shapes = ["x".join(map(str, shape)) for shape in (found, wanted)]
        raise ArtifactError(
            f"{onnx.payload}: takes images of {shapes[0]}, and {reference.payload} of {shapes[1]}: export "
            "both for one image size"
        )


def calibration_notes(fidelity: Fidelity, calibration: CalibrationRecord | None) -> tuple[str, ...]:
    """A note where an accuracy that counts suffers from quantizers that saw no real image."""
    if fidelity.is_real and calibration is not None and calibration.source == "synthetic":
        return ("calibrated on synthetic images, which costs accuracy: give real ones with --calib",)
    return ()


def _identity(onnx: OnnxArtifact, reference: Reference) -> str:
    return canonical_hash(
        {
            "revision": _REVISION,
            "runtime": runtime_name(),
            "onnx": onnx.manifest.files[0].sha256,
            "reference": reference.onnx.manifest.files[0].sha256,
            "images": reference.images.spec.model_dump(mode="json", exclude={"directory", "is_calibration"}),
        }
    )[:16]


def _stored(store: Store, name: str) -> Fidelity | None:
    try:
        return Fidelity.model_validate_json(read_untrusted(store.result_path(name), TEXT_BYTES))
    except (OSError, ValidationError):
        return None


@dataclass
class _Sums:
    """What adds up over the batches; ``counts`` are of images."""

    output: ErrorSums = field(default_factory=ErrorSums)
    outputs: dict[str, ErrorSums] = field(default_factory=dict)
    blocks: dict[int, ErrorSums] = field(default_factory=dict)
    kl_divergence: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()


def _compare(model: EmulatedModel, reference: Reference, on_step: OnStep) -> _Sums:
    sums, total = _Sums(), reference.images.count
    size = max(model.batch, reference.batch)
    seen = 0
    on_step(Step("verify", "compare images", seen, total))
    for batch, wanted in reference.batches(size):
        raise_if_cancelled()
        sums.notes += batch.notes
        if wanted is not None:
            found, wanted = model.run(batch.images), model.with_same_tokens(wanted)
            _refuse_another_network(model, wanted, found)
            _add_errors(sums, wanted, found)
            if reference.is_classifier:
                _add_classes(sums, wanted.output, found.output, batch.labels)
        seen += len(batch.images) + len(batch.notes)
        on_step(Step("verify", "compare images", seen, total))
    if not sums.counts["images"]:
        folder = reference.images.spec.directory
        raise SpecError(f"image folder {folder}: none of the files is an image: {sums.notes[0]}")
    return sums


def _refuse_another_network(model: EmulatedModel, wanted: Emulated, found: Emulated) -> None:
    if wanted.output.shape != found.output.shape:
        raise ArtifactError(
            f"{model.onnx.payload}: gives {found.output.shape[1]} numbers an image, and the model that it is "
            f"compared with {wanted.output.shape[1]}: export both from one model"
        )


def _add_errors(sums: _Sums, wanted: Emulated, found: Emulated) -> None:
    sums.counts["images"] += len(wanted.output)
    sums.output += error_sums(wanted.output, found.output)
    for name, expected in wanted.outputs.items():
        if len(wanted.outputs) > 1 and name in found.outputs:
            sums.outputs[name] = sums.outputs.get(name, ErrorSums()) + error_sums(
                expected, found.outputs[name]
            )
    for block, expected in wanted.blocks.items():
        block_found = found.blocks.get(block)  # files of two exporters may name blocks in other ways
        if block_found is not None and block_found.shape == expected.shape:
            sums.blocks[block] = sums.blocks.get(block, ErrorSums()) + error_sums(expected, block_found)


def _add_classes(
    sums: _Sums,
    wanted: npt.NDArray[np.float32],
    found: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64] | None,
) -> None:
    sums.counts["same top1"] += int(top1_matches(wanted, found).sum())
    sums.kl_divergence += float(kl_divergence(wanted, found).sum())
    if labels is None:
        return
    for k in (1, 5):
        sums.counts[f"reference top{k}"] += int(in_top(wanted, labels, k).sum())
        sums.counts[f"top{k}"] += int(in_top(found, labels, k).sum())


def _fidelity(model: EmulatedModel, reference: Reference, sums: _Sums) -> Fidelity:
    images = sums.counts["images"]
    share = {name: count / images for name, count in sums.counts.items()}
    return Fidelity(
        onnx_sha256=model.onnx.manifest.files[0].sha256,
        reference=FidelityReference(
            recipe=reference.onnx.manifest.spec.recipe,
            sha256=reference.onnx.manifest.files[0].sha256,
            top1=share.get("reference top1"),
            top5=share.get("reference top5"),
        ),
        inputs=reference.images.spec,
        samples=images,
        runtime=runtime_name(),
        cosine=cosine(sums.output),
        sqnr_db=sqnr_db(sums.output),
        max_abs_error=sums.output.max_abs_error,
        top1_agreement=share.get("same top1"),
        kl_divergence=sums.kl_divergence / images if reference.is_classifier else None,
        top1=share.get("top1"),
        top5=share.get("top5"),
        per_output=tuple(
            OutputFidelity(
                name=name, cosine=cosine(errors), sqnr_db=sqnr_db(errors), max_abs_error=errors.max_abs_error
            )
            for name, errors in sums.outputs.items()
        ),
        per_block=tuple(
            BlockFidelity(
                block=block,
                cosine=cosine(errors),
                sqnr_db=sqnr_db(errors),
                max_abs_error=errors.max_abs_error,
            )
            for block, errors in sorted(sums.blocks.items())
        ),
        notes=sums.notes,
    )
