"""Reads from a build's log why each kernel was chosen: tables of timed tactics, and what is said of sparsity.

With ``BuilderFlag.EDITABLE_TIMING_CACHE`` the verbose log holds, for each operator that tactics were timed
for (README of NVIDIA's ``sampleEditableTimingCache``, TensorRT 10.8; each line may have a prefix)::

    Autotuning op matMul1(key: 0x1814870c44ff0f8574df6e3dda04cbd7):
    Sorted table of all evaluated tactics:
    tactic_id, cost(in ms), cost/fastest_cost, prediction_correlation, kernel_name, tactic_hash, ...
       3, 0.0112640, 1.00000, 0.50673, sm80_xmma_gemm_f32f32_..., 0x665ded9abbf88,
    The selected tactic is (tactic hash, cost(in ms)):0x665ded9abbf88,  0.011264

Whether every kind of operator has such a table in every version is not documented, nor that the form stays: a
table in another form is passed over and named.
"""

import re
from pathlib import Path

from trtbench.errors import BuildError
from trtbench.results import Tactic, TacticChoice
from trtbench.results.tactics import SparsityUse, TacticTables

_OPERATOR = re.compile(r"Autotuning op (?P<name>.+?)\(key: (?P<key>0x[0-9a-f]+)\):(?P<nodes>.*)")
_ROW = re.compile(
    r"(?:^|\s)\d+, (?P<cost>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?), [^,]*, [^,]*, (?P<kernel>[^,\s]+), "
    r"(?P<hash>0x[0-9a-f]+),"
)
_SELECTED = re.compile(r"The selected tactic is \(tactic hash, cost\(in ms\)\):\s*(?P<hash>0x[0-9a-f]+),")
_NODE = re.compile(r"\[ONNX Layer: (.*?)\](?=[\x1e\x1f]|\s*\Z)")

_ELIGIBLE = re.compile(r"\(Sparsity\) Layers eligible for sparse math: (.*)")
_PICKED = re.compile(r"\(Sparsity\) TRT inference plan picked sparse implementation for layers: (.*)")


def read_tactics(log_path: Path) -> TacticTables:
    """Read all tables; a log without the flag that makes them holds none.

    Raises:
        BuildError: the log cannot be read.
    """
    choices: list[TacticChoice] = []
    unread: list[str] = []
    operator: re.Match[str] | None = None
    tactics: list[Tactic] = []
    for line in _read_lines(log_path):
        if started := _OPERATOR.search(line):
            unread += _names(operator)
            operator, tactics = started, []
        elif operator is None:
            continue
        elif row := _ROW.search(line):
            tactics += _tactics(row)
        elif selected := _SELECTED.search(line):
            if tactics:
                choices.append(_choice(operator, selected["hash"], tactics))
            else:
                unread += _names(operator)
            operator = None
    return TacticTables(choices=tuple(choices), unread=(*unread, *_names(operator)))


def read_sparsity(log_path: Path) -> SparsityUse:
    """Read the builder's lines on sparsity, which come at the end of a build with ``SPARSE_WEIGHTS``.

    Raises:
        BuildError: the log cannot be read.
    """
    text = "\n".join(_read_lines(log_path))
    return SparsityUse(eligible=_last_names(_ELIGIBLE, text), picked=_last_names(_PICKED, text))


def _names(operator: re.Match[str] | None) -> list[str]:
    return [] if operator is None else [operator["name"]]


def _tactics(row: re.Match[str]) -> list[Tactic]:
    """The tactic of a row; none if it took no time, since nothing compares with that."""
    cost_ms = float(row["cost"])
    return [Tactic(tactic_hash=row["hash"], kernel=row["kernel"], cost_ms=cost_ms)] if cost_ms > 0 else []


def _choice(operator: re.Match[str], selected_hash: str, tactics: list[Tactic]) -> TacticChoice:
    return TacticChoice(
        operator=operator["name"],
        key=operator["key"],
        onnx_nodes=tuple(_NODE.findall(operator["nodes"])),
        selected_hash=selected_hash,
        tactics=tuple(sorted(tactics, key=lambda tactic: tactic.cost_ms)),
    )


def _last_names(pattern: re.Pattern[str], text: str) -> tuple[str, ...] | None:
    """Names are those of the ONNX file and may hold a comma; TensorRT separates them by comma and space."""
    found = pattern.findall(text)
    if not found:
        return None
    return tuple(name.strip() for name in found[-1].split(", ") if name.strip())


def _read_lines(log_path: Path) -> list[str]:
    try:
        return log_path.read_bytes().decode("utf-8", errors="replace").split("\n")
    except OSError as error:
        raise BuildError(f"{log_path}: cannot read the build log: {error.strerror}") from error
