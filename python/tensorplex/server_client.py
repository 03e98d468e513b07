"""What the clients of a tensorplex-server have in common."""

from __future__ import annotations

import os
from typing import Any

from tensorplex import _native
from tensorplex.remote_call import DEFAULT_HOST, RemoteClient, _address

#: The environment variable with the address of clients that are not given one.
URL_VARIABLE = "TENSORPLEX_URL"
#: The environment variable that names a directory for the spools of clients that are not given one.
SPOOL_VARIABLE = "TENSORPLEX_SPOOL"
#: The port on which a tensorplex-server listens when it is not told another.
SERVER_PORT = 8008


class ServerClient(RemoteClient):
    """A client of one of the server's queues: `TensorplexClient` or `LoggerplexClient`."""

    #: The queue; each class has its own.
    _queue: str

    def __init__(
        self,
        client_id: str | int,
        host: str | None = None,
        port: int | None = None,
        *,
        url: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        when_full: str | float = "drop_newest",
    ) -> None:
        super().__init__(client_id, server_address(host, port, url), self._queue, spool_directory(spool), when_full)

    def __reduce__(self):
        client_id, address, _ = self._origin
        return _reconnect, (type(self), client_id, address, self._delivery, self._deadline)


def server_address(host: str | None, port: int | None, url: str | None) -> str:
    """The address that was given, that of the environment, or the server of this machine.

    Raises:
        ValueError: both ``url`` and ``host`` or ``port`` are given.
    """
    is_named = host is not None or port is not None
    if url is not None and is_named:
        raise ValueError(f"url={_native.shown_address(url)!r} and host={host!r}, port={port!r}: give one of the two")
    if url is None and not is_named:
        url = os.environ.get(URL_VARIABLE) or None
    return _address(DEFAULT_HOST if host is None else host, SERVER_PORT if port is None else port, url)


def spool_directory(spool: str | os.PathLike[str] | None) -> str | os.PathLike[str] | None:
    """The directory that was given, or that of the environment; ``""`` is none."""
    spool = os.environ.get(SPOOL_VARIABLE) if spool is None else spool
    return os.path.abspath(spool) if spool else None


def _reconnect(
    cls: type[ServerClient], client_id: str | int, address: str, keeping: dict[str, Any], deadline: float | None
) -> ServerClient:
    # None would be that of the environment.
    client = cls(client_id, url=address, **keeping | {"spool": keeping["spool"] or ""})
    return client if deadline is None else client.with_deadline(deadline)
