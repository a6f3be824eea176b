"""What would shorten the predicted time of an engine: its own kernels priced again, one change at a time.

Each lever says what it computes and takes for granted. Where a kernel is priced with smaller operands, its
DRAM traffic stays as it was, so that no gain comes from traffic that was not computed anew.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from trtbench.errors import Code
from trtbench.predict.arrays import Array
from trtbench.predict.pricing import PricedEngine, kernels_ms
from trtbench.predict.products import Product, products_ms
from trtbench.predict.waterfall import asked_peak, gemm_places, kernel_step
from trtbench.predict.work import KernelWork
from trtbench.results import Audit, BatchRate
from trtbench.specs.recipe import Recipe

_SCALE_ROWS = 128
_SIDES_TRIED = range(-2, 5)
"""Patches more or less along a side of the image."""
_DOCUMENTED_SPARSE = frozenset({"fp16", "int8"})


@dataclass(frozen=True)
class Gain:
    """A change to an engine.

    Args:
        name: what to change.
        saves_ms: of the predicted time.
        basis: what was computed, and what it takes for granted.
        at_most: ``saves_ms`` is an upper bound.
        fp16_saves_ms: what the same change saves of the FP16 engine, where it applies to both.
    """

    name: str
    saves_ms: float
    basis: str
    at_most: bool = False
    fp16_saves_ms: float = 0.0


def gains_of(engine: PricedEngine, fp16: PricedEngine, audit: Audit, recipe: Recipe) -> Iterator[Gain]:
    """All levers that need no other engine, whatever they are worth; those that change nothing are left out.

    Args:
        engine: priced from ``audit``.
        fp16: the same model in FP16.
        audit: of an engine, with its findings.
        recipe: what its layers were asked to be.
    """
    yield from _merged_qkv(engine)
    yield from _formats_asked_for(engine, recipe)
    yield from _fused_quantizers(engine)
    yield from _whole_scale_rows(engine, audit)
    yield from _other_tokens(engine, fp16, audit)
    yield from sparse_weights(engine)


def batch_gain(rates: Sequence[BatchRate], batch: int) -> Iterator[Gain]:
    """The batch with the most images per second, if it is another one than ``batch``."""
    best = max(rates, key=lambda rate: rate.images_per_s)
    now = next(rate for rate in rates if rate.batch == batch)
    if best.batch != batch:
        yield Gain(
            f"batch {best.batch} instead of {batch}",
            _saved_for(batch, now.images_per_s, best.images_per_s),
            f"all kernels priced at batch {best.batch}, their rows scaled, for as many images: "
            f"{best.images_per_s:.0f} instead of {now.images_per_s:.0f} images/s, both recipes at that batch",
            fp16_saves_ms=_saved_for(batch, now.fp16_images_per_s, best.fp16_images_per_s),
        )


def _saved_for(images: int, rate: float, other: float) -> float:
    """What another rate in images per second saves in ms."""
    return 1e3 * images * (1 / rate - 1 / other)


def _merged_qkv(engine: PricedEngine) -> Iterator[Gain]:
    """Products of one block that take the same input apart."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index in gemm_places(engine):
        layer = engine.works[index].layer
        if layer.role == "qkv":
            groups.setdefault((layer.block, layer.m, layer.n, layer.k, layer.precision_in), []).append(index)
    apart = [members for members in groups.values() if len(members) > 1]
    if not apart:
        return
    merged = []
    for members in apart:
        products = [engine.product(index) for index in members]
        dram = sum(product.dram_bytes for product in products)
        merged.append(replace(products[0], n=products[0].n * len(members), dram_bytes=dram))
    count = sum(map(len, apart))
    yield Gain(
        "Q, K and V in one product",
        _saved(engine, [index for members in apart for index in members], merged),
        f"{count} products of {_size(engine, apart[0][0])} priced as {len(apart)}, with as much DRAM traffic",
    )


def _formats_asked_for(engine: PricedEngine, recipe: Recipe) -> Iterator[Gain]:
    """Products that run in another format than the recipe asks for."""
    gpu, works = engine.gpu, engine.works
    slow = [
        index
        for index in gemm_places(engine)
        if asked_peak(works[index].layer, recipe, gpu) > works[index].peak(gpu)
    ]
    if not slow:
        return
    asked = [
        replace(works[index], precision=recipe.precision_of(works[index].layer.role).math) for index in slow
    ]
    products = [
        replace(
            engine.product(index),
            precision=work.fitted_precision,
            peak=work.peak(gpu),
            operand_bytes=work.operand_bytes,
        )
        for index, work in zip(slow, asked, strict=True)
    ]
    read = {tensor.name for index in slow for tensor in works[index].layer.inputs}
    feeding = [
        index
        for index, work in enumerate(works)
        if work.layer.op == "dequantize" and any(tensor.name in read for tensor in work.layer.outputs)
    ]
    formats = ", ".join(dict.fromkeys(work.precision.upper() for work in asked))
    yield Gain(
        f"all GEMMs in the format asked for ({formats})",
        _saved(engine, slow, products) + float(engine.ms[feeding].sum()),
        f"GEMMs that fell back ({len(slow)}) priced in {formats}, without the kernels that dequantise their "
        f"operands ({len(feeding)}); takes a compiler that has such kernels and matches the graph",
    )


def _fused_quantizers(engine: PricedEngine) -> Iterator[Gain]:
    apart = [index for index, work in enumerate(engine.works) if kernel_step(work) == "quantize"]
    if apart:
        yield Gain(
            "quantisers fused into their producers",
            float(engine.ms[apart].sum()),
            f"kernels that only quantise, dequantise or arrange scales ({len(apart)}) take no time, and "
            "nothing else takes longer",
            at_most=True,
        )


def _whole_scale_rows(engine: PricedEngine, audit: Audit) -> Iterator[Gain]:
    """Kernels that pad scales, because the rows of a GEMM are not a multiple of 128."""
    finding = next((each for each in audit.findings if each.code is Code.SCALE_PADDING), None)
    if finding is None:
        return
    pads = [index for index, work in enumerate(engine.works) if work.layer.name in finding.layers]
    rows = round(finding.numbers["rows"])
    yield Gain(
        f"rows a multiple of {_SCALE_ROWS} instead of {rows}",
        float(engine.ms[pads].sum()),
        f"kernels that pad the scales of activations ({len(pads)}) take no time; a batch that is "
        f"{_SCALE_ROWS // math.gcd(_SCALE_ROWS, rows)} times as large would do",
        at_most=True,
    )


def _other_tokens(engine: PricedEngine, fp16: PricedEngine, audit: Audit) -> Iterator[Gain]:
    """Another size of the image, or no class token, so that fewer tiles are partly filled."""
    now = _tokens(engine, audit)
    if now is None:
        return
    tokens, patches, pixels = now
    side = math.isqrt(patches)
    prefixes = {tokens - patches, 0}
    choices = {
        ((side + more) ** 2 + prefix): (side + more, prefix)
        for prefix in prefixes
        for more in _SIDES_TRIED
        if side + more > 0
    }
    gains = {other: _per_token_gain(engine, tokens, other) for other in choices if other != tokens}
    best = max(gains, key=lambda other: gains[other])
    grid, prefix = choices[best]
    without = "" if prefix == tokens - patches else ", no class token"
    yield Gain(
        f"{best} tokens instead of {tokens} ({grid * pixels // side} pixels{without})",
        gains[best],
        "GEMMs and attention priced at that many tokens, for as many tokens in all; the other kernels "
        "are taken to cost the same for each token, in both recipes",
        fp16_saves_ms=_per_token_gain(fp16, tokens, best),
    )


def _tokens(engine: PricedEngine, audit: Audit) -> tuple[int, int, int] | None:
    """Tokens, patches and pixels along a side; None without fused attention or a square image."""
    attention = [work for work in engine.works if work.kind == "attention"]
    embedding = [work for work in engine.works if work.layer.role == "patch_embed" and work.kind == "gemm"]
    image = next((shape for shape in audit.inputs.values() if len(shape) == 4), None)
    if not attention or not embedding or image is None or image[2] != image[3]:
        return None
    patches = round(embedding[0].sizes[0] / image[0])
    if math.isqrt(patches) ** 2 != patches:
        return None
    return round(attention[0].sizes[1]), patches, image[2]


def _per_token_gain(engine: PricedEngine, tokens: int, other: int) -> float:
    """Time saved in ms by GEMMs and attention with ``other`` tokens an image, for as many tokens in all."""
    ratio = other / tokens
    gemms = [index for index in gemm_places(engine) if round(engine.works[index].sizes[0]) % tokens == 0]
    products = [
        replace(product, m=product.m * ratio, dram_bytes=product.dram_bytes * ratio)
        for product in map(engine.product, gemms)
    ]
    attention = [index for index, work in enumerate(engine.works) if work.kind == "attention"]
    longer = [_longer(engine.works[index], ratio) for index in attention]
    times = kernels_ms(
        longer, [engine.dram_bytes[index] * ratio for index in attention], engine.gpu, engine.calibration
    )
    now = engine.ms[gemms].sum() + engine.ms[attention].sum()
    then = products_ms(products, engine.gpu, engine.calibration.rates).sum() + times.sum()
    return float(now - then / ratio)


def _longer(work: KernelWork, ratio: float) -> KernelWork:
    heads, queries, keys, width = work.sizes
    layer = work.layer.model_copy(update={"bytes": round(work.layer.bytes * ratio)})
    return replace(work, layer=layer, sizes=(heads, queries * ratio, keys * ratio, width))


def sparse_weights(engine: PricedEngine) -> Iterator[Gain]:
    """What 2:4 sparse kernels save, which TensorRT-RTX lacks; nothing where they are no faster on the GPU."""
    factor = engine.gpu.sparse_factor
    gemms = gemm_places(engine)
    if factor == 1:
        return
    sparse = [replace(product, peak=product.peak * factor) for product in map(engine.product, gemms)]
    formats = {engine.works[index].precision for index in gemms}
    unknown = sorted(formats - _DOCUMENTED_SPARSE)
    yield Gain(
        "2:4 sparse weights with standard TensorRT",
        _saved(engine, gemms, sparse),
        f"GEMMs priced at {factor:g} times the peak, at the same share of it, with operands loaded and "
        "results stored as in dense ones; TensorRT-RTX runs 2:4 weights as dense ones"
        + f"; no sparse kernels are documented for {', '.join(unknown).upper()}"
        * bool(unknown),
        at_most=True,
    )


def _saved(engine: PricedEngine, places: list[int], products: list[Product]) -> float:
    """What it saves in ms to run ``products`` in place of the kernels at ``places``."""
    then: Array = products_ms(products, engine.gpu, engine.calibration.rates)
    return float(engine.ms[places].sum() - then.sum())


def _size(engine: PricedEngine, index: int) -> str:
    return " x ".join(f"{size:.0f}" for size in engine.works[index].sizes)
