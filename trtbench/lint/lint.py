"""From a model or a graph to findings."""

from collections.abc import Sequence
from pathlib import Path

from trtbench.audit.graph import Shapes
from trtbench.build.targets import parse_targets
from trtbench.host.installation import needing
from trtbench.lint.rules import findings_of
from trtbench.lint.subject import LintSubject
from trtbench.results import LintReport, LintSection
from trtbench.specs import ExportSpec, ImageSize

_IMAGE_SIZE = 224


def lint(
    subject: Sequence[ExportSpec] | Path,
    batch: int = 64,
    image_size: ImageSize | None = None,
    targets: Sequence[str] = ("sm120",),
    shapes: Shapes | None = None,
) -> LintReport:
    """Judge a model or a graph by the design rules; nothing is built.

    Args:
        subject: exports of one timm model, which need not have been made; or an exported model (directory,
            manifest or payload) or any ONNX file.
        batch: of a graph whose batch is dynamic.
        image_size: of a graph whose height and width are dynamic; 224 pixels square.
        targets: compute capabilities.
        shapes: of dynamic inputs of a graph, by name, instead of ``batch`` and ``image_size``.

    Raises:
        SpecError: the model or a target is unknown or unsupported, or a shape does not fit.
        RuntimeUnavailable: torch or timm is missing, which a model needs.
        ArtifactError: the file is missing, damaged or no ONNX model.
    """
    parsed = parse_targets(targets)
    if isinstance(subject, Path):
        from trtbench.lint.onnx_facts import onnx_subject

        return _report((onnx_subject(subject, batch, image_size or _IMAGE_SIZE, parsed, shapes),))
    with needing("torch", "export"):
        from trtbench.lint.model_facts import model_subjects
    return _report(model_subjects(tuple(subject), parsed))


def _report(subjects: Sequence[LintSubject]) -> LintReport:
    first = subjects[0]
    return LintReport(
        subject=first.name,
        origin=first.origin,
        batch=first.batch,
        targets=first.targets,
        linear_layers=len(first.linears),
        attentions=len(first.attentions),
        tokens=max((each.queries for each in first.attentions), default=None),
        head_dims=tuple(sorted({each.head_dim for each in first.attentions})),
        sections=tuple(
            LintSection(recipe=subject.recipe, findings=findings_of(subject)) for subject in subjects
        ),
    )
