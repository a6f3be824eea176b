"""The stage: the roofs of a model's kernels on a GPU, from the model's structure alone.

Roofline: S. Williams, A. Waterman, D. Patterson, Communications of the ACM 52 (4), 2009. A kernel of ``I``
FLOP per byte reaches at most ``min(peak, I x bandwidth)``; both roofs meet at the ridge, peak / bandwidth.
The bandwidth is that of DRAM: a kernel whose tensors are still in L2 may exceed the memory roof.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from trtbench.errors import SpecError
from trtbench.export.forward import Call, image_calls, sequence_calls
from trtbench.export.linear_layers import call_all_linear_layers
from trtbench.export.model import meta_model
from trtbench.predict.listing import gpu_entry
from trtbench.predict.structure import Kernel, counted, kernels_of, stretches_of
from trtbench.predict.work import tensor_core_key
from trtbench.results import EqualM, L2Stay, Roofline, RooflineBatch, RooflineKernel, RooflineSection
from trtbench.specs import ExportSpec, GpuSpec, ImageSize, ModelSpec
from trtbench.specs.recipe import Recipe

_POINTWISE = "fp32"
"""Key of the peak without tensor cores, where norms and activations compute."""


@dataclass(frozen=True)
class _Part:
    """What one section is made of."""

    recipe: Recipe
    tokens: int
    is_images: bool
    img_size: ImageSize | None
    kernels: tuple[Kernel, ...]


_MOST_TOKENS = 2**20


def roofline(exports: Sequence[ExportSpec], gpu: GpuSpec, lengths: Sequence[int] = ()) -> Roofline:
    """Put every kernel of a model under the roofs of ``gpu``.

    Args:
        exports: one model in its recipes, batches and image sizes.
        gpu: where it would run; see ``find_gpu``.
        lengths: tokens of sequences that enter the first block; none: images, with patch embedding and head.

    Raises:
        SpecError: the model is unknown, a recipe is +sparse or @stock, or the GPU has no tensor cores
            for a precision.
    """
    recipes = tuple(dict.fromkeys(export.recipe for export in exports))
    for recipe in recipes:
        _check(recipe)
    if max(lengths, default=0) > _MOST_TOKENS:
        raise SpecError(f"--tokens {max(lengths)}: expected at most {_MOST_TOKENS}")
    batches = tuple(dict.fromkeys(export.batch for export in exports))
    parts = [
        part
        for model in dict.fromkeys(export.model for export in exports)
        for part in _parts(model, recipes, lengths)
    ]
    return Roofline(
        model=exports[0].model.model_copy(update={"img_size": None}),
        gpu=gpu_entry(gpu),
        sections=tuple(_section(part, batches, gpu) for part in parts),
        equal_m=tuple(found for recipe in recipes if (found := _equal_m(parts, recipe, batches[0], gpu))),
    )


def compute_bound_from(kernels: Sequence[Kernel], gpu: GpuSpec) -> int | None:
    """Smallest batch at which ``kernels`` take as long at their peaks as their bytes take from DRAM.

    With ``W`` the time of the weights from DRAM, and ``C`` and ``A`` those of one image's FLOPs and
    activations, that is the least ``B`` with ``B C >= B A + W``; None if ``C <= A``.
    """
    compute = sum(kernel.image_flops / _peak(kernel, gpu) for kernel in kernels)
    activations = sum(kernel.image_bytes for kernel in kernels) / _bandwidth(gpu)
    weights = sum(kernel.weight_bytes for kernel in kernels) / _bandwidth(gpu)
    return max(1, ceil(weights / (compute - activations))) if compute > activations else None


def under_roofs(kernel: Kernel, count: int, batch: float, gpu: GpuSpec) -> RooflineKernel:
    """One kernel of a batch, which may be a fraction."""
    flops, size = kernel.flops(batch), kernel.bytes(batch)
    intensity, peak = flops / size, _peak(kernel, gpu)
    attainable = min(peak, intensity * _bandwidth(gpu))
    return RooflineKernel(
        name=kernel.name,
        kind=kernel.kind,
        count=count,
        precision=kernel.precision,
        m=batch * kernel.rows,
        n=kernel.n,
        k=kernel.k,
        flops=flops,
        bytes=size,
        intensity=intensity,
        ridge=peak / _bandwidth(gpu),
        bound="compute" if attainable == peak else "memory",
        attainable_tflops=attainable / 1e12,
        roof_us=1e6 * flops / attainable,
        compute_bound_from=compute_bound_from([kernel], gpu),
    )


def l2_stay(kernels: Sequence[Kernel], gpu: GpuSpec) -> L2Stay | None:
    """Largest batch at which the residual stream, all that is made meanwhile, and the weights fit in L2."""
    stays = [
        L2Stay(
            l2_bytes=gpu.l2_bytes,
            image_bytes=stretch.image_bytes,
            weight_bytes=stretch.weight_bytes,
            batch=max(0, int((gpu.l2_bytes - stretch.weight_bytes) // stretch.image_bytes)),
        )
        for stretch in stretches_of(kernels)
    ]
    return min(stays, key=lambda stay: stay.batch, default=None)


def _check(recipe: Recipe) -> None:
    if recipe.sparse:
        raise SpecError(f"recipe {recipe}: the roofs are those of dense products; remove +sparse")
    if recipe.stock:
        raise SpecError(f"recipe {recipe}: roofs follow from the model, not from a graph; remove @stock")


def _parts(model: ModelSpec, recipes: Sequence[Recipe], lengths: Sequence[int]) -> list[_Part]:
    """One part for each length and recipe; the lengths of images follow from their size."""
    if lengths and model.source is not None:
        raise SpecError(f"--tokens needs a timm model, which {model.name} is not; remove it")
    blueprint = meta_model(model)
    call_all_linear_layers(blueprint)
    seen = [sequence_calls(blueprint, tokens) for tokens in lengths] or [image_calls(blueprint)]
    return [
        _Part(recipe, _tokens(calls), not lengths, model.img_size, kernels_of(calls, recipe))
        for calls in seen
        for recipe in recipes
    ]


def _tokens(calls: Sequence[Call]) -> int:
    return max(int(call.inputs[0].shape[-2]) for call in calls if call.kind == "attention")


def _section(part: _Part, batches: Sequence[int], gpu: GpuSpec) -> RooflineSection:
    gemms = [kernel for kernel in part.kernels if kernel.kind == "gemm"]
    return RooflineSection(
        recipe=part.recipe,
        tokens=part.tokens,
        is_images=part.is_images,
        img_size=part.img_size,
        batches=tuple(_batch(part.kernels, batch, gpu) for batch in batches),
        gemms_compute_bound_from=compute_bound_from(gemms, gpu),
        l2=l2_stay(part.kernels, gpu),
    )


def _batch(kernels: Sequence[Kernel], batch: float, gpu: GpuSpec) -> RooflineBatch:
    found = tuple(under_roofs(kernel, count, batch, gpu) for kernel, count in counted(kernels).items())
    roof_us = sum(kernel.count * kernel.roof_us for kernel in found)
    gemms = [kernel for kernel in found if kernel.kind == "gemm"]
    flops = {kernel: kernel.count * kernel.flops for kernel in gemms}
    compute_bound = sum(flops[kernel] for kernel in gemms if kernel.bound == "compute")
    return RooflineBatch(
        batch=batch,
        kernels=found,
        roof_ms=roof_us / 1e3,
        per_s=1e6 * batch / roof_us,
        compute_bound_share=compute_bound / sum(flops.values()),
    )


def _equal_m(parts: Sequence[_Part], recipe: Recipe, batch: int, gpu: GpuSpec) -> EqualM | None:
    """The first length at ``batch``, and the others at the batch with as many tokens; None without others."""
    same = [part for part in parts if part.recipe == recipe]
    m = batch * same[0].tokens
    if len(same) < 2:
        return None
    return EqualM(
        recipe=recipe,
        m=m,
        tokens=tuple(part.tokens for part in same),
        batches=tuple(_batch(part.kernels, m / part.tokens, gpu) for part in same),
    )


def _peak(kernel: Kernel, gpu: GpuSpec) -> float:
    """FLOP/s.

    Raises:
        SpecError: the GPU has no tensor cores for the kernel.
    """
    return gpu.peak_flop_per_s(
        _POINTWISE if kernel.kind == "pointwise" else tensor_core_key(kernel.precision)
    )


def _bandwidth(gpu: GpuSpec) -> float:
    """Of DRAM, in byte/s."""
    return gpu.dram_gb_per_s * 1e9
