"""What both server objects have: where they serve, their clients in this process, and how they end."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from typing import Any, Self

from tensorplex import _exit, _native
from tensorplex.remote_call import DEFAULT_PORT, RemoteClient, _address, _drain_on_signals
from tensorplex.server_client import SERVER_PORT

#: Seconds between two looks at whether the server still runs.
_POLL_INTERVAL = 0.05

#: Objects that serve; nobody else need hold them.
_running: set[Serving] = set()


class Serving:
    """What writes below a directory, for clients of any process."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._url: str | None = None
        self._broker: _native.EmbeddedBroker | None = None
        self._handle: _native.ServerHandle | None = None
        self._stopping = threading.Event()
        # The proxies, and their connections: of one that nobody holds, until all it sent is acknowledged.
        self._proxies: list[tuple[weakref.ref[RemoteClient], _native.Client]] = []

    def start(self, port: int | None = None, host: str | None = None, *, url: str | None = None) -> Self:
        """Serves in threads of its own, until ``stop()`` or the end of a ``with`` block.

        Without host and url it is its own broker, on this port of 127.0.0.1: 8008 if not given, any free one if 0. With
        them it reads from that Redis, whose port is 6379 if not given. An object serves once.
        """
        if self._pid is not None:
            raise RuntimeError(f"{self!r} was started before; proxy() starts it too")
        if host is None and url is None:
            self._broker = _native.EmbeddedBroker(SERVER_PORT if port is None else port)
            url = self._broker.url
        else:
            url = _address(host or "", DEFAULT_PORT if port is None else port, url)
        try:
            self._handle = self._serve(url)
        except BaseException:
            self._close_broker()
            raise
        self._url, self._pid = url, os.getpid()
        _running.add(self)
        _exit.register_server(self)
        return self

    def start_server(self, port: int | None = None, host: str | None = None, *, url: str | None = None) -> None:
        """Serves until SIGTERM, SIGINT or ``stop()`` from another thread; then works off what has come, and returns.

        The arguments are those of ``start``.
        """
        self.start(port, host, url=url)
        with _drain_on_signals(self):
            while self.is_running and not self._stopping.wait(_POLL_INTERVAL):
                pass
        self.stop()

    def request_stop(self) -> None:
        """Has ``start_server`` end; does not wait for it."""
        self._stopping.set()

    def stop(self, timeout: float = math.inf) -> bool:
        """Closes the clients of ``proxy``, works off what has come, saves, and ends.

        False when that takes longer than ``timeout`` seconds; then it goes on, and ``stop`` may be called again. Raises
        ServerError when the server had to end before. In a child process after a fork it does nothing.
        """
        if not self._is_own_process():
            return True
        self._stopping.set()
        deadline = time.monotonic() + timeout
        self._flush_proxies(deadline)
        for _, connection in self._proxies:
            connection.close(0)
        try:
            if not self._handle.stop(max(0.0, deadline - time.monotonic())):
                return False
        finally:
            if not self._handle.is_running:
                self._close_broker()
                _running.discard(self)
        return True

    close = stop

    @property
    def url(self) -> str | None:
        """The address for clients, and for another server object that shall use the same broker; None before the start."""
        return self._url

    @property
    def port(self) -> int | None:
        """The port of its own broker, if it has one."""
        return None if self._broker is None else self._broker.port

    @property
    def is_running(self) -> bool:
        """Whether it serves; not in a child process after a fork."""
        return self._is_own_process() and self._handle.is_running

    def stats(self) -> dict[str, Any]:
        """Numbers since the start: clients, calls, bytes, backlog, duplicates, gaps, and what was refused, by cause."""
        return {} if self._handle is None else self._handle.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def _serve(self, address: str) -> _native.ServerHandle:
        raise NotImplementedError

    def _add_proxy(self, client: RemoteClient) -> None:
        self._proxies = [kept for kept in self._proxies if kept[0]() is not None or not _is_acknowledged(kept[1])]
        self._proxies.append((weakref.ref(client), client._native))

    def _is_own_process(self) -> bool:
        return self._pid == os.getpid()

    def _flush_proxies(self, deadline: float = math.inf) -> None:
        for _, connection in self._proxies:
            self._flush(connection, deadline)

    def _flush(self, connection: _native.Client, deadline: float = math.inf) -> None:
        """Waits for what a client has sent, as long as the server is there to hear it."""
        while self.is_running and time.monotonic() < deadline and not _is_acknowledged(connection):
            connection.flush(min(_POLL_INTERVAL, max(0.0, deadline - time.monotonic())))

    def _close_broker(self) -> None:
        if self._broker is not None:
            self._broker.stop()
            self._broker = None


def _is_acknowledged(connection: _native.Client) -> bool:
    stats = connection.stats()
    return stats["acked"] >= stats["taken"]
