"""The records of many clients, as event files, from this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tensorplex import _native
from tensorplex._inputs import plain_text
from tensorplex._serving import Serving
from tensorplex.tensorplex_client import TensorplexClient


class Tensorplex(Serving):
    """Writes the records of many clients below a directory: what the program tensorplex-server does with records.

    It keeps the same journal in the same place, so it loses nothing and repeats nothing when it is killed and started
    again, and either may go on where the other has ended.

    Without groups every client id is a run of its own. With groups a client id is ``<group>/<id>``, and others are refused.
    After a kill the same groups must be registered again.

    Args:
        root_folder: the directory for TensorBoard.
        max_processes: not used; a single thread writes all runs.
    """

    def __init__(self, root_folder: str | os.PathLike[str], max_processes: int = 0) -> None:
        super().__init__()
        self.folder = os.path.abspath(os.path.expanduser(root_folder))
        self._groups: dict[str, Any] = {}

    def register_normal_group(self, name: str) -> Self:
        """A group whose clients share a run: tag ``loss`` of ``learner/actor`` is ``actor/loss`` of the run ``learner``."""
        return self._register(name, None)

    def register_indexed_group(self, name: str, bin_size: int) -> Self:
        """A group of numbered clients, ``bin_size`` of them per chart: with 8, ``loss`` of ``agent/9`` is ``agent/loss/8-15``."""
        if isinstance(bin_size, bool) or not isinstance(bin_size, int):
            raise TypeError(f"bin_size is a {type(bin_size).__name__}: an int is wanted")
        if not 1 <= bin_size < 2**32:
            raise ValueError(f"bin_size is {bin_size}: 1 to 2^32 - 1 is wanted")
        return self._register(name, bin_size)

    def register_combined_group(self, name: str, tag_to_bin_name: Callable[[str], str]) -> Self:
        """A group whose clients share a chart when the function returns the same bin for their ids.

        A bin that starts with ``:`` or ``.`` is a section of its own: ``:color`` makes ``eval.color/loss``, ``alpha`` makes
        ``eval/loss/alpha``. The function is called once for each id, and must be a function of it alone: after a crash it
        has to return the same. When it raises, that client's records are refused.
        """
        if not callable(tag_to_bin_name):
            raise TypeError(f"tag_to_bin_name is a {type(tag_to_bin_name).__name__}: a function is wanted")
        return self._register(name, tag_to_bin_name)

    def proxy(self, client_id: str | int) -> TensorplexClient:
        """A client in this process. The first one starts the server, on a free port, if it was not started.

        Groups are registered before. ``stop()`` closes it.
        """
        group = plain_text(client_id).partition("/")[0]
        if self._groups and group not in self._groups:
            raise ValueError(f"unknown group {group!r}; the groups are {', '.join(self._groups)}")
        if self._url is None:
            self.start(0)
        client = _Proxy(client_id, self)
        self._add_proxy(client)
        return client

    def export_json(self, json_dir: str | os.PathLike[str]) -> None:
        """Writes the scalars of each run to ``<root>/<json_dir>/<run>.json``: ``{tag: [[wall time, step, value], …]}``.

        Everything that had come before is in it. A ``/`` in the name of a run is a ``.`` in that of the file.
        """
        self._wait_until_written()
        target = Path(self.folder, os.path.expanduser(json_dir))
        target.mkdir(parents=True, exist_ok=True)
        for run, tags in json.loads(_native.export_json(self.folder)).items():
            target.joinpath(run.replace("/", ".") + ".json").write_text(json.dumps(tags))

    def print_done(self) -> None:
        """Prints ``<run> done`` for each run when everything that had come before is written."""
        self._wait_until_written()
        for run in _native.runs(self.folder):
            print(run, "done")

    def __repr__(self) -> str:
        return f"<Tensorplex {self.folder!r}>"

    def _register(self, name: str, kind: Any) -> Self:
        if self._url is not None:
            raise RuntimeError(f"{self!r} was started before: groups are registered first")
        if name in self._groups:
            raise ValueError(f"group {name!r} is registered twice")
        _native.check_group(name, kind)
        self._groups[name] = kind
        return self

    def _serve(self, address: str) -> _native.ServerHandle:
        return _native.serve_records(address, self.folder, list(self._groups.items()))

    def _wait_until_written(self) -> None:
        """Waits until what is in the broker by now, and in the clients of this process, is written."""
        if not self.is_running:
            return
        self._flush_proxies()
        # Calls are worked off in their order: when this one is done, so is all before it.
        with TensorplexClient("settle", url=self._url) as last:
            last.add_scalars({})
            self._flush(last._native)


class _Proxy(TensorplexClient):
    def __init__(self, client_id: str | int, plex: Tensorplex) -> None:
        super().__init__(client_id, url=plex._url)
        self._plex = plex

    def __reduce__(self):
        # Elsewhere it is an ordinary client.
        reconnect, (_, *rest) = super().__reduce__()
        return reconnect, (TensorplexClient, *rest)

    def export_json(self, json_dir: str | os.PathLike[str]) -> None:
        """``Tensorplex.export_json``"""
        self._plex.export_json(json_dir)

    def print_done(self) -> None:
        """``Tensorplex.print_done``"""
        self._plex.print_done()
