"""Log lines on a stream of this process, as they stand in their file."""

from __future__ import annotations

import sys
from typing import TextIO

from tensorplex import _native

_NAMED = {"out": "stdout", "stdout": "stdout", "err": "stderr", "stderr": "stderr"}


class Echo:
    """Writes lines to a stream: an object, or one of ``sys`` by its name, whatever it is by then."""

    def __init__(self, stream: str | TextIO, level: int | str, format: str | None, time_format: str | None) -> None:
        if isinstance(stream, str) and stream not in _NAMED:
            raise ValueError(f"stream is {stream!r}: 'stdout', 'stderr' or an object with a method write is wanted")
        self._stream = stream
        self._options = (str(level), format, time_format)
        self._lines = _native.LogLines(*self._options, True)

    def write(self, client_id: str, level: int, text: str) -> None:
        line = self._lines.line(client_id, level, text)
        stream = getattr(sys, _NAMED[self._stream]) if isinstance(self._stream, str) else self._stream
        if line is None or stream is None:
            return
        try:
            stream.write(line)
            stream.flush()
        except (OSError, ValueError):
            pass  # A stream that is gone is nobody's business here.

    def __reduce__(self):
        return Echo, (self._stream, *self._options)
