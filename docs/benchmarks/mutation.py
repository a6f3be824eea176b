"""Mutate modules, one expression at a time, and see whether their fast tests notice.

    python docs/benchmarks/mutation.py --sample 25 > sample.md

mutmut and cosmic-ray run one test suite over whole packages and keep their state in files of their own; here
each module meets the few test files that are about it, on a seeded sample of its mutants. The work is done in
a copy of the repository, each mutant in a fork of this process, which has the packages imported. What two
samples showed is in docs/benchmarks/mutation.md.
"""

import argparse
import ast
import compileall
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS: dict[str, tuple[str, ...]] = {
    "trtbench/stats.py": ("tests/test_stats_reference.py", "tests/test_stats.py"),
    "trtbench/measure/verdict.py": ("tests/measure/test_verdict.py",),
    "trtbench/measure/findings.py": ("tests/measure/test_measure_findings.py",),
    "trtbench/diff/align.py": ("tests/diff/test_align.py", "tests/diff/test_diff.py"),
    "trtbench/diff/changes.py": ("tests/diff/test_diff.py",),
    "trtbench/diff/engines.py": ("tests/diff/test_diff.py",),
    "trtbench/audit/products.py": ("tests/audit",),
    "trtbench/audit/onnx_layers.py": ("tests/audit",),
    "trtbench/audit/kernels.py": ("tests/audit",),
    "trtbench/audit/findings.py": ("tests/audit",),
    "trtbench/verify/number_formats.py": ("tests/verify/test_verify_formats.py",),
    "trtbench/onnx_files/check.py": ("tests/onnx_files", "tests/audit/test_audit_graph.py"),
    "trtbench/export/passes/*.py": (
        "tests/export/test_split_qkv.py",
        "tests/export/test_nvfp4_factors.py",
        "tests/integration/test_passes.py",
    ),
}
"""The tests of each module that take seconds."""
_IMPORTED = (
    "numpy",
    "scipy.stats",
    "scipy.special",
    "hypothesis",
    "pydantic",
    "onnx",
    "onnxruntime",
    "onnx_ir",
)
_IMPORTED_SLOWLY = ("torch", "timm", "modelopt.torch.quantization")
"""Packages that tests of passes need, too."""
_LIMIT_S = 120.0
_CONFIDENCE_95 = 1.96
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
    """What can be changed; annotations, which nothing computes with, cannot."""
    hints = {id(each) for hint in _annotations(tree) for each in ast.walk(hint)}
    for node in (node for node in ast.walk(tree) if id(node) not in hints):
        operators = getattr(node, "ops", [getattr(node, "op", None)])
        is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        is_turned = isinstance(node, ast.IfExp | ast.UnaryOp)
        if isinstance(node, ast.expr) and (is_number or is_turned or type(operators[0]) in _SWAPS):
            yield node


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            hint = getattr(node, name, None)
            if isinstance(hint, ast.expr):
                yield hint


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
    """Whether a test fails in the copy, or does not end."""
    began_s = time.monotonic()
    process = os.fork()
    if not process:
        _run_tests(copy, tests)
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) != 0
        if time.monotonic() - began_s > _LIMIT_S:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return True
        time.sleep(0.01)


def _run_tests(copy: Path, tests: tuple[str, ...]) -> None:
    """What the fork does: it never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        sys.dont_write_bytecode = True
        os.environ |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (1, 2):
            os.dup2(nothing, number)
        code = pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", _SLOW, *tests])
    finally:
        os._exit(code)


def interval(killed: int, sample: int) -> str:
    """Wilson's 95 % interval of a share, in percent."""
    share, z2 = killed / sample, _CONFIDENCE_95**2 / sample
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return f"{100 * (middle - half):.0f} to {100 * (middle + half):.0f} %"


def files_of(module: str) -> list[Path]:
    """The files that a name or pattern of ``TESTS`` stands for, relative to the repository."""
    return sorted(path.relative_to(ROOT) for path in ROOT.glob(module))


@dataclass
class Tally:
    """What became of the mutants of one name in ``TESTS``."""

    mutants: int = 0
    sample: int = 0
    killed: int = 0


def attack(copy: Path, module: str, sample: int, seed: int) -> tuple[Tally, list[str]]:
    """Mutate the files of a module, and return the mutants that survived, too."""
    tests, tally, survivors = TESTS[module], Tally(), []
    if is_killed(copy, tests):
        sys.exit(f"{module}: its tests fail without a mutation")
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path in files_of(module)}
    every = [(path, mutant) for path, source in sources.items() for mutant in mutants(source)]
    chance = random.Random(f"{seed} {module}")  # noqa: S311 (reproducible)
    chosen = chance.sample(every, min(sample, len(every)))
    tally.mutants, tally.sample = len(every), len(chosen)
    for path, mutant in chosen:
        (copy / path).write_text(mutant.source, encoding="utf-8")
        if is_killed(copy, tests):
            tally.killed += 1
        else:
            survivors.append(f"- {path}:{mutant.line}: {mutant.change}")
            print(survivors[-1], file=sys.stderr, flush=True)
        (copy / path).write_text(sources[path], encoding="utf-8")
    return tally, survivors


def copy_of_the_repository(folder: Path, modules: list[str]) -> Path:
    """Copy it with compiled modules, but for those that are mutated."""
    copy = folder / "trtbench"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__"))
    compileall.compile_dir(copy / "trtbench", quiet=2)
    for path in (path for module in modules for path in files_of(module)):
        for compiled in (copy / path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
    return copy


def main() -> None:
    """Print a table of modules, and the mutants that survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=25, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    options = parser.parse_args()
    slow = any("passes" in module for module in options.modules)
    for package in _IMPORTED + _IMPORTED_SLOWLY * slow:
        import_module(package)
    survivors: list[str] = []
    total = Tally()
    print(f"# Mutants and the fast tests\n\nSample {options.sample}, seed {options.seed}; 95 % intervals.\n")
    print("| module | mutants | sample | killed | share |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_the_repository(Path(folder), options.modules)
        for module in options.modules:
            tally, left = attack(copy, module, options.sample, options.seed)
            survivors += left
            for field in ("mutants", "sample", "killed"):
                setattr(total, field, getattr(total, field) + getattr(tally, field))
            print(_row(f"`{module}`", tally), flush=True)
    print(_row("all", total))
    print("\nSurvivors:\n" if survivors else "\nNo mutant survived.")
    print("\n".join(survivors))


def _row(name: str, tally: Tally) -> str:
    share = f"{tally.killed / tally.sample:.0%}, {interval(tally.killed, tally.sample)}"
    return f"| {name} | {tally.mutants} | {tally.sample} | {tally.killed} | {share} |"


if __name__ == "__main__":
    main()
