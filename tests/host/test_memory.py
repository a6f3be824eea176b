"""Memory that this process no longer needs."""

from pathlib import Path

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
