"""The log lines of many clients, as text files, from this process."""

from __future__ import annotations

import os

from tensorplex import _native
from tensorplex._serving import Serving
from tensorplex.loggerplex_client import LoggerplexClient


class Loggerplex(Serving):
    """Writes the log lines of many clients to ``<folder>/<client_id>.log``: what the program tensorplex-server does with lines.

    It keeps a journal in ``<folder>/.tensorplex``, so it loses nothing and repeats nothing when it is killed and started
    again. Options may change after it was stopped, not after it was killed.

    Args:
        folder: for the files.
        overwrite: whether what others left in a file is removed with its client's first line. Its own lines always stay.
        level: lines below it are ignored: ``debug``, ``info3``, ``warning``, … or a number.
        format: what stands before the level instead of the time, such as ``"[{asctime}] {client_id} "``; also
            ``{levelname}`` and ``{levelno}``.
        time_format: ``yd``, ``ydhm``, ``ydhms``, ``dhm``, ``dhms``, ``hms``, ``hm``, a pattern of ``strftime``, or None.
        show_level: whether ``INFO> `` stands before the message.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        overwrite: bool = False,
        level: str | int = "info",
        format: str | None = None,
        time_format: str | None = "hms",
        show_level: bool = True,
    ) -> None:
        super().__init__()
        self.folder = os.path.abspath(os.path.expanduser(folder))
        self._overwrite = overwrite
        self._lines = _native.LogLines(str(level), format, time_format, show_level)

    def proxy(self, client_id: str | int) -> LoggerplexClient:
        """A client in this process. The first one starts the server, on a free port, if it was not started.

        ``stop()`` closes it.
        """
        if self._url is None:
            self.start(0)
        client = LoggerplexClient(client_id, url=self._url)
        self._add_proxy(client)
        return client

    def __repr__(self) -> str:
        return f"<Loggerplex {self.folder!r}>"

    def _serve(self, address: str) -> _native.ServerHandle:
        return _native.serve_lines(address, self.folder, self._overwrite, self._lines)
