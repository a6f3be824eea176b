"""Mutate modules, one expression at a time, and see whether their fast tests notice.

    python docs/benchmarks/mutation.py --sample 25 > docs/benchmarks/mutation.md

mutmut and cosmic-ray run one test suite over whole packages and keep their state in files of their own; here
each module meets the few test files that are about it, on a seeded sample of its mutants. The work is done in
a copy of the repository.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = {
    "trtbench/stats.py": ("tests/test_stats_reference.py", "tests/test_stats.py"),
    "trtbench/measure/verdict.py": ("tests/measure/test_verdict.py",),
    "trtbench/measure/findings.py": ("tests/measure/test_measure_findings.py",),
    "trtbench/diff/align.py": ("tests/diff/test_align.py", "tests/diff/test_diff.py"),
    "trtbench/diff/changes.py": ("tests/diff/test_diff.py",),
    "trtbench/audit/products.py": ("tests/audit",),
    "trtbench/audit/onnx_layers.py": ("tests/audit",),
    "trtbench/verify/number_formats.py": ("tests/verify/test_verify_formats.py",),
    "trtbench/onnx_files/check.py": ("tests/onnx_files", "tests/audit/test_audit_graph.py"),
}
"""The tests of each module that take seconds."""
_LIMIT_S = 120
_SLOW = "not simulation and not quick_enough and not importing and not equal_arms and not one_percent"
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutant:
    """A changed module, and what was changed in which line."""

    source: str
    line: int
    change: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of a module: swapped operators, turned conditions, other numbers."""
    count = sum(1 for _ in _places(ast.parse(source)))
    found = []
    for index in range(count):
        tree = ast.parse(source)
        node = list(_places(tree))[index]
        before, line = ast.unparse(node), node.lineno
        _change(node)
        found.append(Mutant(ast.unparse(tree), line, f"`{before}` -> `{ast.unparse(node)}`"))
    return found


def _places(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        operators = getattr(node, "ops", [getattr(node, "op", None)])
        is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        is_turned = isinstance(node, ast.IfExp | ast.UnaryOp)
        if isinstance(node, ast.expr) and (is_number or is_turned or type(operators[0]) in _SWAPS):
            yield node


def _change(node: ast.expr) -> None:
    if isinstance(node, ast.Constant):
        node.value = node.value + 1  # type: ignore[operator]
    elif isinstance(node, ast.IfExp):
        node.body, node.orelse = deepcopy(node.orelse), deepcopy(node.body)
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Compare):
        node.ops[0] = _SWAPS[type(node.ops[0])]()  # type: ignore[assignment]
    else:
        node.op = _SWAPS[type(node.op)]()  # type: ignore[attr-defined]


def is_killed(copy: Path, tests: tuple[str, ...]) -> bool:
    """Whether a test fails in the copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", _SLOW]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *tests], cwd=copy, env=environment, capture_output=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def main() -> None:
    """Print a table of modules, and the mutants that survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=25, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    options = parser.parse_args()
    survivors: list[str] = []
    print("| module | mutants | sample | killed |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "trtbench"
        ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignored)
        for module in options.modules:
            source = (ROOT / module).read_text(encoding="utf-8")
            (copy / module).write_text(ast.unparse(ast.parse(source)), encoding="utf-8")
            if is_killed(copy, TESTS[module]):
                sys.exit(f"{module}: its tests fail without a mutation")
            every = mutants(source)
            chance = random.Random(f"{options.seed} {module}")  # noqa: S311 (reproducible)
            sample = chance.sample(every, min(options.sample, len(every)))
            killed = 0
            for mutant in sample:
                (copy / module).write_text(mutant.source, encoding="utf-8")
                if is_killed(copy, TESTS[module]):
                    killed += 1
                else:
                    survivors.append(f"- {module}:{mutant.line}: {mutant.change}")
                    print(survivors[-1], file=sys.stderr, flush=True)
            (copy / module).write_text(source, encoding="utf-8")
            print(f"| `{module}` | {len(every)} | {len(sample)} | {killed} |", flush=True)
    print("\nSurvivors:\n" if survivors else "\nNo mutant survived.")
    print("\n".join(survivors))


if __name__ == "__main__":
    main()
