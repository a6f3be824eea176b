"""Einsum of two operands as a matrix product."""

import math
import string


def contracts(equation: str) -> bool:
    """Whether an equation of two operands sums over anything, as a matrix product does."""
    operands, arrow, result = equation.replace(" ", "").replace("...", "").partition("->")
    if operands.count(",") != 1:
        return False
    letters = set(operands) - {","}
    return bool(letters - set(result)) if arrow else any(operands.count(letter) > 1 for letter in letters)


def extents(equation: str, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, int, int]:
    """M, N and K: letters that the result lacks are K, and what only the second operand adds to it is N."""
    operands, arrow, result = equation.replace(" ", "").partition("->")
    shapes = (first, second)
    terms = [_spelled_out(term, len(dims)) for term, dims in zip(operands.split(","), shapes, strict=True)]
    sizes: dict[str, int] = {}
    for term, dims in zip(terms, shapes, strict=True):
        for letter, extent in zip(term, dims, strict=True):
            sizes[letter] = max(extent, sizes.get(letter, 0))
    of_result = set(result) if arrow else {letter for letter in sizes if "".join(terms).count(letter) == 1}
    kept = of_result.intersection(sizes) | {letter for letter in sizes if letter.isdecimal()}
    of_second = kept.difference(terms[0])
    return (
        math.prod(sizes[letter] for letter in kept - of_second),
        math.prod(sizes[letter] for letter in of_second),
        math.prod(extent for letter, extent in sizes.items() if letter not in kept),
    )


def _spelled_out(term: str, rank: int) -> str:
    """A term with digits for the dimensions that ``...`` stands for, aligned at the last of them."""
    hidden = rank - len(term.replace("...", ""))
    return term.replace("...", string.digits[len(string.digits) - hidden :])
