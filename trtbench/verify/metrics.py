"""How far an output lies from the reference's. Arrays are ``(samples, features)``; sums run in float64."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class ErrorSums:
    """Sums over all elements seen, so that images can be compared a batch at a time."""

    reference_energy: float = 0.0
    output_energy: float = 0.0
    product: float = 0.0
    error_energy: float = 0.0
    max_abs_error: float = 0.0

    def __add__(self, other: "ErrorSums") -> "ErrorSums":
        return ErrorSums(
            self.reference_energy + other.reference_energy,
            self.output_energy + other.output_energy,
            self.product + other.product,
            self.error_energy + other.error_energy,
            max(self.max_abs_error, other.max_abs_error),
        )


def error_sums(reference: Array, output: Array) -> ErrorSums:
    """Sum up two finite arrays of one shape.

    Without BLAS: on busy cores its threads wait for each other far longer than they add.
    """
    wanted, found = (array.astype(np.float64).ravel() for array in (reference, output))
    error = found - wanted
    return ErrorSums(
        reference_energy=float((wanted * wanted).sum()),
        output_energy=float((found * found).sum()),
        product=float((wanted * found).sum()),
        error_energy=float((error * error).sum()),
        max_abs_error=float(np.abs(error).max(initial=0.0)),
    )


def cosine(sums: ErrorSums) -> float:
    """Cosine similarity ``r.y / (|r| |y|)`` over all elements, from -1 to 1.

    Blind to a common scale of the output. Two zero vectors are alike (1), a zero vector is like no other (0).
    """
    if sums.error_energy == 0:
        return 1.0
    norms = math.sqrt(sums.reference_energy) * math.sqrt(sums.output_energy)
    return min(1.0, max(-1.0, sums.product / norms)) if norms else 0.0


def sqnr_db(sums: ErrorSums) -> float | None:
    """Signal to quantisation noise ratio ``10 log10(sum r^2 / sum (y - r)^2)`` in dB; None without any error.

    The same as ``compute_error`` of torchao.quantization.utils; 6.02 dB are a bit. Against a reference of
    zeros an error gives -300 dB rather than minus infinity, which JSON cannot hold.
    """
    if sums.error_energy == 0:
        return None
    ratio = sums.reference_energy / sums.error_energy
    return 10 * math.log10(ratio) if ratio > 1e-30 else -300.0


def top1_matches(reference: Array, output: Array) -> npt.NDArray[np.bool_]:
    """Whether both name the same class, per sample; of equal logits the first counts."""
    matches: npt.NDArray[np.bool_] = reference.argmax(axis=1) == output.argmax(axis=1)
    return matches


def in_top(logits: Array, labels: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.bool_]:
    """Whether fewer than ``k`` classes have a larger logit than the true one, per sample."""
    true_logits = np.take_along_axis(logits, labels[:, None], axis=1)
    better: npt.NDArray[np.int64] = (logits > true_logits).sum(axis=1)
    return better < k


def kl_divergence(reference: Array, output: Array) -> npt.NDArray[np.float64]:
    """Kullback-Leibler divergence of the class probabilities, in nats, per sample.

    ``KL(P||Q) = sum_c P(c) (ln P(c) - ln Q(c))`` with P the softmax of the reference's logits and Q that of
    the output's: what is lost by believing Q where P is true. Source: Kullback and Leibler, On Information
    and Sufficiency, 1951.
    """
    log_p, log_q = _log_softmax(reference), _log_softmax(output)
    divergence: npt.NDArray[np.float64] = (np.exp(log_p) * (log_p - log_q)).sum(axis=1)
    return np.maximum(divergence, 0.0)  # rounding can leave -1e-17


def _log_softmax(logits: Array) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_probabilities: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_probabilities
