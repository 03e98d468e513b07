"""Log lines of this process, to a tensorplex-server."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TextIO

from tensorplex._echo import Echo
from tensorplex._inputs import plain_text
from tensorplex._log_methods import HIGHEST, LogMethods, message_text
from tensorplex.server_client import ServerClient


class LoggerplexClient(LogMethods, ServerClient):
    """Logs into the file of a client id, ``logs/<client_id>.log`` on the server.

    Messages are given as to ``print``: any objects, with ``sep`` between them; as a template and its values to the methods
    that end in ``fmt``. No method waits for the network. Lines below the server's level, ``info`` unless told otherwise, are
    ignored there.

    Args:
        client_id: names the file, such as ``agent/17``.
        host: of the server, or of the Redis that it uses.
        port: the same.
        url: instead of both: ``redis://user:password@host:port/db`` or ``unix:///path``.
        spool: a directory: what was logged survives a kill of this process, and the next client of the same
            ``client_id``, or ``tensorplex drain``, delivers it; see `RemoteClient`. If not given, that of the environment
            variable ``TENSORPLEX_SPOOL``; ``""`` is none.
        when_full: ``"drop_newest"``, ``"drop_oldest"``, ``"spill"`` into the spool, ``"block"``, or the most seconds to wait.
        enable_local_logger: whether lines are also written here, with or without a server.
        local_logger_stream: ``"stdout"``, ``"stderr"``, or what has ``write``.
        local_logger_level: lines below it are not written here.
        local_logger_format: what stands before the level here; see ``Loggerplex``.
        local_logger_time_format: how the time is written here; see ``Loggerplex``.
    """

    _queue = "loggerplex"

    def __init__(
        self,
        client_id: str | int,
        host: str | None = None,
        port: int | None = None,
        *,
        url: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        when_full: str | float = "drop_newest",
        enable_local_logger: bool = False,
        local_logger_stream: str | TextIO = "stdout",
        local_logger_level: int | str = logging.INFO,
        local_logger_format: str | None = None,
        local_logger_time_format: str | None = None,
    ) -> None:
        ServerClient.__init__(self, client_id, host, port, url=url, spool=spool, when_full=when_full)
        echo = (local_logger_stream, local_logger_level, local_logger_format, local_logger_time_format)
        self._echo = Echo(*echo) if enable_local_logger else None

    def __reduce__(self):
        return (*super().__reduce__(), {"_echo": self._echo})

    def _write_line(self, level: int, text: str) -> None:
        self._send("log", (level, text), {})
        if self._echo is not None:
            self._echo.write(plain_text(self.client_id), level, text)


class LoggerplexHandler(logging.Handler):
    """A handler of ``logging`` that logs through a LoggerplexClient.

    A record keeps its level and its time; the line names the logger, file and line, and a traceback follows when there is
    one. Another formatter may be set.

    Args:
        client_id: names the file, such as ``agent/17``.
        host: of the server, or of the Redis that it uses.
        port: the same.
        url: instead of both: ``redis://user:password@host:port/db`` or ``unix:///path``.
        spool, when_full: see LoggerplexClient.
        level: records below it are ignored.
    """

    def __init__(
        self,
        client_id: str | int,
        host: str | None = None,
        port: int | None = None,
        *,
        url: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        when_full: str | float = "drop_newest",
        level: int | str = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self._new_client = partial(LoggerplexClient, client_id, host, port, url=url, spool=spool, when_full=when_full)
        self.client = self._new_client()
        self._is_closed = False
        self.setFormatter(logging.Formatter("%(name)s %(filename)s:%(lineno)d: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a record. What goes wrong is for ``handleError``, as in every handler."""
        try:
            level, text = min(max(record.levelno, 0), HIGHEST), message_text((self.format(record),), "")
            if self._is_closed:
                self.client, self._is_closed = self._new_client(), False
            self.client._send("log_at", (level, text, round(record.created * 1e6) * 1000), {})
        except Exception:
            self.handleError(record)

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until the server has every line so far on its disk; false when it has not in ``timeout`` seconds."""
        return self.client.flush(timeout)

    def close(self) -> None:
        """Flushes and ends the connection. A later record opens it again, as ``FileHandler`` does its file: configuring
        ``logging`` closes every handler.
        """
        with self.lock:
            self.client.close()
            self._is_closed = True
        super().close()
