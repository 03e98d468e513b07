"""Log lines of this process, to a tensorplex-server."""

from __future__ import annotations

import logging
import sys
import traceback

from tensorplex.remote_call import DEFAULT_HOST
from tensorplex.server_client import SERVER_PORT, ServerClient

_HIGHEST = 255


class LoggerplexClient(ServerClient):
    """Logs into the file of a client id, ``logs/<client_id>.log`` on the server.

    Messages are given as to ``print``: any objects, with ``sep`` between them. No method waits for the network. Lines below
    the server's level, ``info`` unless told otherwise, are ignored there.

    Args:
        client_id: names the file, such as ``agent/17``.
        host: of the server, or of the Redis that it uses.
        port: the same.
        url: instead of both: ``redis://user:password@host:port/db`` or ``unix:///path``.
    """

    _queue = "loggerplex"

    def debug(self, *msg: object, sep: str = " ") -> None:
        """Logs with the level DEBUG."""
        self.log(logging.DEBUG, *msg, sep=sep)

    def info(self, *msg: object, sep: str = " ") -> None:
        """Logs with the level INFO."""
        self.log(logging.INFO, *msg, sep=sep)

    def warning(self, *msg: object, sep: str = " ") -> None:
        """Logs with the level WARNING."""
        self.log(logging.WARNING, *msg, sep=sep)

    def error(self, *msg: object, sep: str = " ") -> None:
        """Logs with the level ERROR."""
        self.log(logging.ERROR, *msg, sep=sep)

    def critical(self, *msg: object, sep: str = " ") -> None:
        """Logs with the level CRITICAL."""
        self.log(logging.CRITICAL, *msg, sep=sep)

    def log(self, level: int, *msg: object, sep: str = " ") -> None:
        """Logs with a level of your choice, from 0 to 255."""
        self._send("log", (_level(level), _text(msg, sep)), {})

    def section(self, *msg: object, level: int = logging.INFO, sep: str = "=", repeat: int = 20) -> None:
        """Logs a title between two bars, each of ``repeat // 2`` times ``sep``."""
        self._send("section", (_text(msg, " "), _level(level), _text((sep,), ""), int(repeat)), {})

    def exception(self, *msg: object, exc: BaseException | None = None, sep: str = " ") -> None:
        """Logs with the level ERROR, and the traceback of ``exc`` below it: the exception being handled if not given."""
        exc = sys.exception() if exc is None else exc
        if exc is None:
            self.error(*msg, sep=sep)
            return
        lines = "".join(traceback.format_exception(exc))
        self._send("exception", (_text(msg, sep), _text((lines,), "")), {})


class LoggerplexHandler(logging.Handler):
    """A handler of ``logging`` that logs through a LoggerplexClient.

    A record keeps its level; the line names the logger, file and line, and a traceback follows when there is one. Another
    formatter may be set.

    Args:
        client_id: names the file, such as ``agent/17``.
        host: of the server, or of the Redis that it uses.
        port: the same.
        url: instead of both: ``redis://user:password@host:port/db`` or ``unix:///path``.
        level: records below it are ignored.
    """

    def __init__(
        self,
        client_id: str | int,
        host: str = DEFAULT_HOST,
        port: int = SERVER_PORT,
        *,
        url: str | None = None,
        level: int | str = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self.client = LoggerplexClient(client_id, host, port, url=url)
        self.setFormatter(logging.Formatter("%(name)s %(filename)s:%(lineno)d: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a record. What goes wrong is for ``handleError``, as in every handler."""
        try:
            self.client.log(min(max(record.levelno, 0), _HIGHEST), self.format(record))
        except Exception:
            self.handleError(record)

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until the server has every line so far on its disk; false when it has not in ``timeout`` seconds."""
        return self.client.flush(timeout)

    def close(self) -> None:
        """Flushes and ends the connection."""
        self.client.close()
        super().close()


def _level(level: int) -> int:
    if isinstance(level, bool) or not isinstance(level, int):
        raise TypeError(f"level is a {type(level).__name__}: an int is wanted")
    if not 0 <= level <= _HIGHEST:
        raise ValueError(f"level is {level}: 0 to {_HIGHEST} is wanted")
    return int(level)


def _text(msg: tuple[object, ...], sep: str) -> str:
    # Half a surrogate pair, such as in a file name, has no UTF-8 form.
    return sep.join(map(str, msg)).encode("utf-8", "backslashreplace").decode()
