"""Which tool wrote a file, and what it recorded."""

from pathlib import Path

from trtbench.errors import ArtifactError, Code, SpecError
from trtbench.host.json_text import parse_foreign_json
from trtbench.host.untrusted_files import RECORD_BYTES, open_untrusted, read_untrusted
from trtbench.trace.chrome import opened_text, read_chrome
from trtbench.trace.json_stream import JsonStream
from trtbench.trace.layer_profile import LayerProfile, profile_of
from trtbench.trace.nsys import read_nsys
from trtbench.trace.recording import Recording

_SQLITE = b"SQLite format 3\x00"
_JSON_STARTS = (b"{", b"[", b"\x1f\x8b")
_HEAD = 4096
_EXPORT = "a report of Nsight Systems; run nsys export --type sqlite {path}, and name the .sqlite file"
_REPORTS = {
    ".nsys-rep": _EXPORT,
    ".qdrep": _EXPORT,
    ".ncu-rep": "a report of Nsight Compute, which has no timeline; record with nsys profile",
    ".pftrace": "a trace in Perfetto's own format; name the JSON of torch.profiler's export_chrome_trace",
}


def read_trace(path: Path) -> list[Recording] | LayerProfile:
    """Read a recording, one for each GPU, or a layer profile.

    Raises:
        SpecError: there is no such file.
        ArtifactError: it is empty, damaged, locked, another tool's, or without kernels; the text has the
            remedy.
    """
    head = _head(path)
    if path.suffix in _REPORTS:
        raise ArtifactError(f"{path}: {_REPORTS[path.suffix].format(path=path)}", code=Code.TRACE_FOREIGN)
    if not head:
        raise ArtifactError(f"{path}: empty; record or export it again")
    if head.startswith(_SQLITE):
        return read_nsys(path)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(_JSON_STARTS):
        raise ArtifactError(
            f"{path}: neither an SQLite export of Nsight Systems, nor a trace of torch.profiler, nor a layer "
            "profile of trtexec; name one, such as nsys export --type sqlite writes",
            code=Code.TRACE_FOREIGN,
        )
    return profile_of(path, _rows(path)) if _is_trtexec(path) else read_chrome(path)


def _head(path: Path) -> bytes:
    try:
        with open_untrusted(path) as file:
            return file.read(_HEAD)
    except FileNotFoundError as error:
        raise SpecError(
            f"{path}: no such file; name a trace, or a recipe with the --runtime to record it in"
        ) from error
    except IsADirectoryError as error:
        raise SpecError(f"{path}: a folder; name a trace in it, or a --runtime to record in") from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error


def _is_trtexec(path: Path) -> bool:
    """Whether the file is a list whose first item is none of Chrome's events."""
    try:
        with opened_text(path) as file:
            stream = JsonStream(file)
            if stream.peek() != "[":
                return False
            first = next(stream.items(), None)
    except (ValueError, EOFError, OSError):
        return False  # read_chrome says what is wrong
    return isinstance(first, dict) and "ph" not in first


def _rows(path: Path) -> list[dict[str, object]]:
    try:
        rows = parse_foreign_json(read_untrusted(path, RECORD_BYTES))
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ArtifactError(f"{path}: damaged or cut short: {error}; write it again") from error
    return [row for row in rows if isinstance(row, dict)]
