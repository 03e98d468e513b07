"""Records of this process, to a tensorplex-server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorplex import _inputs
from tensorplex._recording import Recording
from tensorplex.remote_call import DEFAULT_HOST, RemoteClient, _address

#: The port on which a tensorplex-server listens when it is not told another.
SERVER_PORT = 8008


class TensorplexClient(Recording):
    """Records into the run of a client id, on the server at an address.

    No method waits for the network: records gather in a window of 64 MiB, and when that is full they are dropped and
    counted. ``flush`` tells whether all of them are on the server's disk. Any number of threads may share a client; after
    a fork the child goes on with a connection of its own.

    Args:
        client_id: names the run, such as ``agent/17``; with groups on the server, ``<group>/<id>``.
        host: of the server, or of the Redis that it uses.
        port: the same.
        url: instead of both: ``redis://user:password@host:port/db`` or ``unix:///path``.
    """

    def __init__(
        self, client_id: str | int, host: str = DEFAULT_HOST, port: int = SERVER_PORT, *, url: str | None = None
    ) -> None:
        RemoteClient.__init__(self, client_id, _address(host, port, url), "tensorplex")

    def __reduce__(self):
        client_id, address, _ = self._origin
        return _reconnect, (type(self), client_id, address, self._deadline)

    def add_scalars(self, tag_scalar_dict: Mapping[str, Any], global_step: Any = None, walltime: Any = None) -> None:
        """Records several numbers of one step, as ``add_scalar`` for each would."""
        if not isinstance(tag_scalar_dict, Mapping):
            raise TypeError(f"tag_scalar_dict is a {type(tag_scalar_dict).__name__}: a dict of tags and numbers is wanted")
        scalars = {_inputs.tag(tag): _inputs.scalar(value, repr(tag)) for tag, value in tag_scalar_dict.items()}
        self._send("add_scalars", (scalars, _inputs.step(global_step), _inputs.walltime(walltime)), {})

    def rewind(self, step: Any) -> None:
        """Goes back to a step: what was logged from it on counts no more, in either reader of TensorBoard."""
        self._send("rewind", (_inputs.step(step),), {})

    def resume(self) -> None:
        """Says that this process goes on where another one under this client id ended.

        If its first scalar is at a step that was logged before, or at an earlier one, that is a rewind to this step.
        """
        self._send("resume", (), {})


def _reconnect(cls: type[RemoteClient], client_id: str | int, address: str, deadline: float | None) -> RemoteClient:
    client = cls(client_id, url=address)
    return client if deadline is None else client.with_deadline(deadline)
