"""One grid: cells of model shape x recipe x environment x runtime, made once, timed, judged.

``compare`` and ``bench`` are the stages; ``predict`` makes the same cells and only predicts them,
and ``explain`` says where the predicted time of one recipe goes.
``compare_stored`` compares results that are kept already, ``record`` runs cells under a profiler, and
``cells_through`` takes the cells of one model through chosen stages.
"""

from trtbench.compare.bench import bench, bench_against_itself
from trtbench.compare.explain import explain
from trtbench.compare.grid import compare
from trtbench.compare.predict import predict
from trtbench.compare.record import record
from trtbench.compare.stages import cells_through
from trtbench.compare.stored import compare_stored

__all__ = [
    "bench",
    "bench_against_itself",
    "cells_through",
    "compare",
    "compare_stored",
    "explain",
    "predict",
    "record",
]
