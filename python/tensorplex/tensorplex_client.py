"""Records of this process, to a tensorplex-server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorplex import _inputs
from tensorplex._recording import Recording
from tensorplex.server_client import ServerClient


class TensorplexClient(ServerClient, Recording):
    """Records into the run of a client id, on the server at an address.

    No method waits for the network: records gather in a window of 64 MiB, and when that is full they are dropped and
    counted, unless ``when_full`` says otherwise. ``flush`` tells whether all of them are on the server's disk. Any number of threads may share a client; after
    a fork the child goes on with a connection of its own.

    Args:
        client_id: names the run, such as ``agent/17``; with groups on the server, ``<group>/<id>``.
        host: of the server, or of the Redis that it uses; ``"localhost"`` with a port alone.
        port: the same; 8008 with a host alone.
        url: instead of both: ``redis://user:password@host:port/db`` or ``unix:///path``. Without any of the three the
            environment variable ``TENSORPLEX_URL`` counts, then port 8008 of this machine.
        spool: a directory: what was recorded survives a kill of this process, and the next client of the same
            ``client_id``, or ``tensorplex drain``, delivers it; see `RemoteClient`. If not given, that of the environment
            variable ``TENSORPLEX_SPOOL``; ``""`` is none.
        when_full: ``"drop_newest"``, ``"drop_oldest"``, ``"spill"`` into the spool, ``"block"``, or the most seconds to wait.
    """

    _queue = "tensorplex"

    @property
    def _sink(self):
        return self._native

    def stats(self) -> dict[str, Any]:
        """What every client counts, and the records that could not be encoded (refused)."""
        return super().stats() | {"refused": self._native.refused()}

    def add_scalars(self, tag_scalar_dict: Mapping[str, Any], global_step: Any = None, walltime: Any = None) -> None:
        """Records several numbers of one step, as ``add_scalar`` for each would."""
        if not isinstance(tag_scalar_dict, Mapping):
            raise TypeError(f"tag_scalar_dict is a {type(tag_scalar_dict).__name__}: a dict of tags and numbers is wanted")
        scalars = {_inputs.tag(tag): _inputs.scalar(value, repr(tag)) for tag, value in tag_scalar_dict.items()}
        self._send("add_scalars", (scalars, *self._stamp(global_step, walltime)), {})
