"""When times count as steady, and how many queries a chunk holds."""

import random

import pytest

from trtbench.measure.warmup import CHUNK_MS, chunk_queries, relative_change, warm_up


class Clocked:
    """Queries whose times a function of the scripted time gives."""

    def __init__(self, time_at):
        self.now, self.time_at, self.chunks = 0.0, time_at, []

    def time_chunk(self, count):
        times = []
        for _ in range(count):
            times.append(self.time_at(self.now))
            self.now += times[-1]
        self.chunks.append(count)
        return times

    def warm_up(self, warmup_ms=500.0, block_ms=250.0):
        return warm_up(self.time_chunk, lambda: self.now, warmup_ms, block_ms)


@pytest.mark.parametrize(
    ("query_ms", "block_ms", "expected"),
    [
        (0.001, 250, 512),
        (0.5, 250, 50),
        (1.0, 250, 25),
        (10.0, 250, 4),
        (60.0, 250, 4),
        (100.0, 250, 2),
        (1000.0, 250, 1),
    ],
)
def test_chunks_are_of_25_ms_within_limits(query_ms, block_ms, expected):
    assert chunk_queries(query_ms, block_ms) == expected


def test_constant_times_are_steady_once_the_time_is_over():
    queries = Clocked(lambda now: 1.0)
    result = queries.warm_up(warmup_ms=500)
    assert result.unsteady is None
    assert result.query_ms == 1.0
    assert 500 <= queries.now < 500 + 2 * CHUNK_MS


def test_noise_alone_is_steady():
    noise = random.Random(0)  # noqa: S311
    queries = Clocked(lambda now: 2.0 * (1 + 0.01 * noise.gauss(0, 1)))
    assert queries.warm_up().unsteady is None
    assert queries.now < 2000


def test_no_steady_state_without_ten_chunks():
    assert relative_change([1.0] * 9) is None
    assert relative_change([1.0] * 10) == 0
    queries = Clocked(lambda now: 1.0)
    queries.warm_up(warmup_ms=0)
    assert len(queries.chunks) == 11


def test_it_waits_for_clocks_to_settle():
    queries = Clocked(lambda now: max(1.0, 1.3 - 0.2 * now / 1000))
    result = queries.warm_up(warmup_ms=200)
    assert result.unsteady is None
    assert result.query_ms == 1.0
    assert 1500 < queries.now < 1500 + 10 * CHUNK_MS


def test_an_outlier_chunk_does_not_matter():
    assert relative_change([1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0]) == 0


def test_drift_ends_at_the_cap_with_a_note():
    queries = Clocked(lambda now: 1.0 + now / 1000)
    result = queries.warm_up(warmup_ms=200)
    assert 4000 <= queries.now < 4000 + 200
    assert result.unsteady.startswith("no steady state in 4.0 s of warming up (last change ")


def test_queries_too_slow_to_tell_are_noted():
    queries = Clocked(lambda now: 3000.0)
    assert "too slow to tell" in queries.warm_up(warmup_ms=10).unsteady
