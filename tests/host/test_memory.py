"""Memory that this process no longer needs."""

from pathlib import Path

import pytest

from trtbench.errors import SpecError
from trtbench.host import memory
from trtbench.host.memory import return_freed_memory

_SMALL_BYTES, _COUNT = 64 << 10, 2000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_freed_memory_is_no_longer_resident() -> None:
    blocks = [bytearray(b"1" * _SMALL_BYTES) for _ in range(_COUNT)]
    held = blocks.pop()  # at the end of the heap, so that it cannot simply shrink
    before = resident_bytes()
    del blocks
    return_freed_memory()
    assert resident_bytes() < before - _SMALL_BYTES * _COUNT // 2
    assert held[0]


def test_work_that_does_not_fit_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 4_000_000_000)
    memory.refuse_beyond_memory(4e9, "a model", SpecError, "choose a smaller one")
    with pytest.raises(SpecError) as refused:
        memory.refuse_beyond_memory(4e9 + 1, "a model", SpecError, "choose a smaller one")
    assert str(refused.value) == (
        "a model needs at least 4.00 GB of memory; available: 4.00 GB; choose a smaller one"
    )
