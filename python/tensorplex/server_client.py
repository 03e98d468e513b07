"""What the clients of a tensorplex-server have in common."""

from __future__ import annotations

from tensorplex.remote_call import DEFAULT_HOST, RemoteClient, _address

#: The port on which a tensorplex-server listens when it is not told another.
SERVER_PORT = 8008


class ServerClient(RemoteClient):
    """A client of one of the server's queues: `TensorplexClient` or `LoggerplexClient`."""

    #: The queue; each class has its own.
    _queue: str

    def __init__(
        self, client_id: str | int, host: str = DEFAULT_HOST, port: int = SERVER_PORT, *, url: str | None = None
    ) -> None:
        super().__init__(client_id, _address(host, port, url), self._queue)

    def __reduce__(self):
        client_id, address, _ = self._origin
        return _reconnect, (type(self), client_id, address, self._deadline)


def _reconnect(cls: type[ServerClient], client_id: str | int, address: str, deadline: float | None) -> ServerClient:
    client = cls(client_id, url=address)
    return client if deadline is None else client.with_deadline(deadline)
