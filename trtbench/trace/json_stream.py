"""A large JSON file value by value: the members of its top level, and the items of one list among them.

Python's own decoder reads one value at a time out of a buffer of a few MB, which takes no package and is
faster than parsers that hand over every number as an event.
"""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

_CHUNK = 1 << 22
_SPACE = re.compile(r"\s+")
_MISSING = object()


class JsonStream:
    """Values of an open file, from its beginning on.

    Every method raises ``ValueError`` where the text is not JSON or ends too soon.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._decoder = json.JSONDecoder(strict=False)
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """The next character that is no white space."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_more():
                raise ValueError("it ends too soon")

    def take(self, expected: str) -> str:
        """The next character, which is one of ``expected``."""
        found = self.peek()
        if found not in expected:
            raise ValueError(f"{found!r} where one of {expected!r} was expected")
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            value: Any = _MISSING
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                failure = error
            except RecursionError as error:
                raise ValueError("it is nested too deeply") from error
            # A number at the end of the buffer may go on behind it.
            if value is not _MISSING and end < len(self._text):
                self._at = end
                return value
            if not self._read_more():
                if value is _MISSING:
                    raise ValueError(f"it ends too soon, or is not JSON: {failure.msg}")
                self._at = end
                return value

    def items(self) -> Iterator[Any]:
        """The items of the list that begins here."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """The names of the members of the object that begins here; take each member's value in between."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            name = self.value()
            self.take(":")
            yield str(name)
            if self.take(",}") == "}":
                return

    def _read_more(self) -> bool:
        more = self._file.read(_CHUNK)
        self._text = self._text[self._at :] + more
        self._at = 0
        return bool(more)
