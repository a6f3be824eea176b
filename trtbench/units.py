"""Numbers for people, with three significant digits. Stored values keep base units: bytes, FLOPs, seconds."""

import math
from unicodedata import category

_SI_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def format_bytes(size_bytes: float | None) -> str:
    """Write bytes in decimal units, as bandwidths and engine sizes are given: 52_000_000 is ``52.0 MB``.

    None is ``unknown``.
    """
    return "unknown" if size_bytes is None else _with_prefix(size_bytes, "B")


def format_flops(flops: float) -> str:
    """Write a count of floating-point operations: 2_250_000_000_000 is ``2.25 TFLOP``."""
    return _with_prefix(flops, "FLOP")


def format_seconds(duration_s: float) -> str:
    """Write a duration: ``38.1 us``, ``12.5 ms``, ``4.20 s``; from a minute on ``3 min 05 s``."""
    magnitude = abs(duration_s)
    if not math.isfinite(magnitude):
        return f"{duration_s} s"
    if magnitude == 0:
        return "0 s"
    if round(magnitude) >= 60:
        minutes, seconds = divmod(round(magnitude), 60)
        return f"{'-' * (duration_s < 0)}{minutes} min {seconds:02d} s"
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if _round_to_3_digits(magnitude * scale) >= 1:
            return f"{_three_digits(duration_s * scale)} {unit}"
    return f"{_three_digits(duration_s * 1e9)} ns"


def format_age(age_s: float) -> str:
    """Write how long ago something was in its largest whole unit: ``40 s``, ``5 min``, ``3 h``, ``12 d``."""
    for unit, unit_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if age_s >= unit_s:
            return f"{int(age_s // unit_s)} {unit}"
    return f"{max(0, int(age_s))} s"


def format_count(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 block``, ``4 blocks``, ``3 processes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"


def _with_prefix(value: float, unit: str) -> str:
    """Write ``value`` with the SI prefix that leaves 1 to 999; whole numbers below 1000 stay whole."""
    if abs(value) < 1000 and value == round(value):
        return f"{round(value)} {unit}"
    for prefix in _SI_PREFIXES[:-1]:
        # Rounded first, or 999.9 kB would be written as 1000 kB.
        if abs(_round_to_3_digits(value)) < 1000:
            return f"{_three_digits(value)} {prefix}{unit}"
        value /= 1000
    return f"{_three_digits(value)} {_SI_PREFIXES[-1]}{unit}"


def _round_to_3_digits(value: float) -> float:
    return float(f"{value:.3g}")


def _three_digits(value: float) -> str:
    """Write ``value`` with three significant digits and no exponent: ``1.20``, ``12.0``, ``120``."""
    rounded = _round_to_3_digits(value)
    digits_before_point = math.floor(math.log10(abs(rounded))) + 1 if rounded else 1
    return f"{rounded:.{max(0, 3 - digits_before_point)}f}"


_LINE_LENGTH = 500
_OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what a terminal or a reader obeys: controls, C1, bidirectional marks, line ends."""
_KEPT = "\n\t"


def visible(text: str) -> str:
    r"""Text of others with control, C1 and bidirectional characters as escapes: ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) if _is_obeyed(character) else character for character in text)


def visible_json(text: str) -> str:
    """JSON of the same value in which no such character stands as it is."""
    if text.isprintable():
        return text
    return "".join(f"\\u{ord(each):04x}" if _is_obeyed(each) else each for each in text)


def one_line(text: object) -> str:
    """What a library said, in one line and not too long: a long text without its middle."""
    return shortened(" ".join(visible(str(text)).split()))


def shortened(line: str, length: int = _LINE_LENGTH) -> str:
    """A line of at most ``length`` characters: a longer one without its middle."""
    half = (length - 3) // 2
    return line if len(line) <= length else f"{line[:half]}...{line[-half:]}"


def _is_obeyed(character: str) -> bool:
    return category(character) in _OBEYED and character not in _KEPT


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", errors="surrogatepass").decode("ascii")
