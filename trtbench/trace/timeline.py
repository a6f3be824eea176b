"""Timelines for ui.perfetto.dev, in Chrome's JSON: what was read, and what was found in it.

Each trace is a process that begins at 0, with threads for its streams, copies, inferences, gaps, and for what
the host does.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from trtbench.errors import ArtifactError
from trtbench.trace.inferences import split_inferences
from trtbench.trace.metrics import GAP_US
from trtbench.trace.recording import Recording
from trtbench.trace.spans import Spans, gaps_between, union, within
from trtbench.trace.taxonomy import category_of, format_of

MOST_KERNELS = 500_000
"""Of one trace, its first ones: the viewer takes files of some 100 MB."""

AddTrace = Callable[[str, Recording], None]


@contextmanager
def timeline_writer(path: Path | None) -> Iterator[AddTrace]:
    """Yield a function that adds a trace; the file is there once all are. No path: it does nothing.

    Raises:
        ArtifactError: the file cannot be written.
    """
    if path is None:
        yield lambda label, recording: None
        return
    work = path.with_name(f".{path.name}.part")
    try:
        with work.open("w", encoding="utf-8") as file:
            file.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
            count = 0

            def add(label: str, recording: Recording) -> None:
                nonlocal count
                for event in _events(count, label, recording):
                    file.write(json.dumps(event, separators=(",", ":")) + ",\n")
                count += 1

            yield add
            _end(file)
        work.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # it is in place already, or could not be written
            work.unlink()


def _end(file: IO[str]) -> None:
    """Close the list with an event that shows nothing, for JSON has no comma at the end."""
    file.write('{"ph":"M","name":"trtbench","pid":0}\n]}\n')


def _events(process: int, label: str, recording: Recording) -> Iterator[dict[str, Any]]:
    kernels = recording.kernels
    count = min(len(kernels), MOST_KERNELS)
    begin, end = int(kernels.start[0]), int(np.max(kernels.end[:count]))
    yield _named("process_name", process, 0, f"{label} ({recording.gpu or recording.tool})")
    tracks = {stream: 100 + index for index, stream in enumerate(np.unique(kernels.stream))}
    for stream, track in tracks.items():
        yield _named("thread_name", process, track, f"stream {stream}")
    kinds = [category_of(name) for name in kernels.names]
    formats = [format_of(name, kind) for name, kind in zip(kernels.names, kinds, strict=True)]
    for index in range(count):
        name = kernels.name[index]
        event = _span(process, tracks[kernels.stream[index]], kernels.names[name])
        yield (
            event
            | _times(kernels.start[index], kernels.end[index], begin)
            | {
                "cat": kinds[name],
                "args": {"format": formats[name]},
            }
        )
    busy = union(kernels.start[:count], kernels.end[:count])
    for track, (name, spans) in enumerate(_tracks(recording, busy), start=1):
        yield _named("thread_name", process, track, name)
        for start, stop in zip(*_ends(within(spans, begin, end)), strict=True):
            yield _span(process, track, name) | _times(start, stop, begin)


def _tracks(recording: Recording, busy: Spans) -> Iterator[tuple[str, Spans]]:
    """What is shown besides kernels: name and spans."""
    split, kernels = split_inferences(recording), recording.kernels
    if split is not None:
        yield "inference", Spans(kernels.start[split.first], kernels.end[split.last - 1])
    gaps = gaps_between(busy)
    is_long = gaps.end - gaps.start > 1e3 * GAP_US
    yield f"gap over {GAP_US:g} us", Spans(gaps.start[is_long], gaps.end[is_long])
    copies = recording.copies
    for index, kind in enumerate(copies.kinds):
        chosen = copies.kind == index
        yield f"copy {kind}", Spans(copies.start[chosen], copies.end[chosen])
    for cause, spans in recording.calls.activities:
        yield f"host: {cause}", spans


def _ends(spans: Spans) -> tuple[list[int], list[int]]:
    return spans.start.tolist(), spans.end.tolist()


def _named(what: str, process: int, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": track, "args": {"name": name}}


def _span(process: int, track: int, name: str) -> dict[str, Any]:
    return {"ph": "X", "name": name, "pid": process, "tid": track}


def _times(start: int, end: int, begin: int) -> dict[str, float]:
    """In us, from the first kernel on."""
    return {"ts": (int(start) - begin) / 1e3, "dur": (int(end) - int(start)) / 1e3}
