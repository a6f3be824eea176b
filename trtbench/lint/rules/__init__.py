"""All rules: one pure function each, named like the code of its findings.

A docstring states the rule, its source, and how TensorRT-RTX 1.7.1 handles a graph that breaks it
(tests/integration/test_lint_compiler.py shows each of them the compiler).
"""

from collections.abc import Callable, Iterator

from trtbench.lint.rules import attention, block_formats, graph, target
from trtbench.lint.subject import LintSubject
from trtbench.results import Finding

Rule = Callable[[LintSubject], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    *target.RULES,
    *graph.RULES,
    *block_formats.RULES,
    *attention.RULES,
)


def findings_of(subject: LintSubject) -> tuple[Finding, ...]:
    """All findings, in the order of the rules."""
    return tuple(finding for rule in RULES for finding in rule(subject))
