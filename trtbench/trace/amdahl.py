"""Amdahl's law on traces: what faster GEMMs alone would give, what was reached, where the rest is lost."""

from collections.abc import Iterator, Sequence

from trtbench.results.trace import Amdahl, Loss, Trace

GEMM_SPEEDUP = 4.0
"""Peak of NVFP4 over that of FP16 on Blackwell."""
_GEMMS = ("gemm", "conv")
_WIDE = ("fp16", "bf16", "tf32", "fp32")
_Times = dict[tuple[str, str | None], float]
"""Milliseconds of an inference by category and format."""


def amdahl_of(traces: Sequence[Trace]) -> tuple[Amdahl, ...]:
    """One a trace, against the first; none unless all have inferences."""
    times = [_times(trace) for trace in traces]
    if any(trace.inferences is None for trace in traces) or not all(map(_gemm_ms, times)):
        return ()
    return tuple(_amdahl(trace.label, times[0], own) for trace, own in zip(traces, times, strict=True))


def _times(trace: Trace) -> _Times:
    return {(each.category, each.format): each.inference_ms or 0.0 for each in trace.categories}


def _gemm_ms(times: _Times) -> float:
    return sum(ms for (category, _), ms in times.items() if category in _GEMMS)


def _amdahl(label: str, first: _Times, own: _Times) -> Amdahl:
    first_ms, gemm_ms = sum(first.values()), _gemm_ms(first)
    total_ms = sum(own.values())
    ideal_ms = first_ms - gemm_ms + gemm_ms / GEMM_SPEEDUP
    losses = (*_gemm_losses(first, own), *_other_losses(first, own))
    return Amdahl(
        trace=label,
        gemm_speedup=GEMM_SPEEDUP,
        total_ms=total_ms,
        gemm_ms=_gemm_ms(own),
        other_ms=total_ms - _gemm_ms(own),
        speedup=first_ms / total_ms,
        ideal=first_ms / ideal_ms,
        ceiling=first_ms / max(first_ms - gemm_ms, 1e-9 * first_ms),
        losses=tuple(sorted(losses, key=lambda each: -each.total_ms)),
    )


def _gemm_losses(first: _Times, own: _Times) -> Iterator[Loss]:
    """GEMMs in wide formats lose what the ideal would save of them, the others what is left."""
    wide_ms = sum(ms for (category, kind), ms in own.items() if category in _GEMMS and kind in _WIDE)
    stayed_ms = wide_ms * (1 - 1 / GEMM_SPEEDUP)
    rest_ms = _gemm_ms(own) - _gemm_ms(first) / GEMM_SPEEDUP - stayed_ms
    if stayed_ms:
        yield Loss(cause="GEMMs in 16 bits or more", total_ms=stayed_ms)
    if abs(rest_ms) > 1e-9:
        yield Loss(cause=f"other GEMMs below {GEMM_SPEEDUP:g}x", total_ms=rest_ms)


def _other_losses(first: _Times, own: _Times) -> Iterator[Loss]:
    for category in dict.fromkeys(category for category, _ in (*own, *first) if category not in _GEMMS):
        before_ms, now_ms = (
            sum(ms for (each, _), ms in times.items() if each == category) for times in (first, own)
        )
        if abs(now_ms - before_ms) > 1e-9:
            yield Loss(cause=category, total_ms=now_ms - before_ms)
