"""`GlobalSummaryWriter`: tensorboardX's writer of a whole program and its child processes, which counts the steps itself."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from typing import Any

from tensorplex import _inputs, summary_writer
from tensorplex._errors import MethodRaised, RemoteError
from tensorplex._file_writer import FileWriter
from tensorplex._native import EmbeddedBroker
from tensorplex.remote_call import RemoteCall
from tensorplex.summary_writer import SummaryWriter

#: Longest time in seconds that a record of a child process waits for the process that writes.
_CHILD_TIMEOUT = 10.0

_writer: GlobalSummaryWriter | None = None


class _Counting:
    """Records, each tag of each kind at steps 0, 1, 2 …, in the one order in which the calls come."""

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._steps: Counter[tuple[str, str]] = Counter()

    def add(self, method: str, tag: str, value: Any, walltime: float, more: dict[str, Any]) -> None:
        if method not in ("add_scalar", "add_image", "add_text"):
            raise ValueError(f"no such record: {method}")
        with self._lock:
            step = self._steps[method, tag]
            getattr(self._writer, method)(tag, value, step, walltime=walltime, **more)
            # One that was refused has no step.
            self._steps[method, tag] += 1


_CountingClient = RemoteCall.make_client_class(_Counting)


class GlobalSummaryWriter:
    """A ``SummaryWriter`` for all modules, threads and child processes of a program; takes no steps, but counts them.

    Takes the place of ``tensorboardX.GlobalSummaryWriter``, with the same arguments. One process writes: the one that made
    it. Its children, forked or spawned with it as an argument, hand their records to that process, and wait until it has
    them: a child may be ended at any time afterwards. Workers that shall not wait, or are on other machines, have
    ``TensorplexClient``.

    Args:
        coalesce_process: without effect, as in tensorboardX.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        log_dir: str | os.PathLike[str] | None = None,
        coalesce_process: bool = True,
        **kwargs: Any,
    ) -> None:
        log_dir = logdir if log_dir is None else log_dir
        self.smw = SummaryWriter(
            log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix, write_to_disk, **kwargs
        )
        self._counting = _Counting(self.smw)
        self._pid: int | None = os.getpid()
        self._is_closed = False
        self._broker = EmbeddedBroker(port=0)
        self._url = self._broker.url
        self._server = RemoteCall(self._counting, url=self._url).start()
        self._client: Any = None

    def add_scalar(self, tag: str, scalar_value: Any, walltime: Any = None) -> None:
        """Records a number."""
        self._add("add_scalar", tag, _inputs.scalar(scalar_value), walltime)

    def add_image(self, tag: str, img_tensor: Any, walltime: Any = None, dataformats: str = "CHW") -> None:
        """Records an image, as ``SummaryWriter.add_image`` does."""
        pixels, axes = _inputs.pixels(img_tensor, "img_tensor", dataformats)
        self._add("add_image", tag, pixels, walltime, dataformats=axes)

    def add_text(self, tag: str, text_string: str, walltime: Any = None) -> None:
        """Records a text, shown as Markdown."""
        self._add("add_text", tag, _inputs.text(text_string, "text_string"), walltime)

    def _add(self, method: str, tag: str, value: Any, walltime: Any, **more: Any) -> None:
        walltime = time.time() if walltime is None else _inputs.walltime(walltime)
        record = (method, _inputs.tag(tag), value, walltime, more)
        if os.getpid() == self._pid:
            self._counting.add(*record)
            return
        if self._client is None:
            self._client = _CountingClient("child", url=self._url, queue_name=_Counting.__name__)
        try:
            self._client.add(*record).result(_CHILD_TIMEOUT)
        except MethodRaised:
            raise
        except (RemoteError, TimeoutError) as why:
            logging.getLogger("tensorplex").warning("GlobalSummaryWriter: a record may be lost: %r", why)

    @staticmethod
    def getSummaryWriter() -> GlobalSummaryWriter:
        """The writer of this program: the one that an earlier call made, if it is not closed."""
        global _writer
        with summary_writer._open_lock:
            if _writer is None or _writer._is_closed:
                _writer = GlobalSummaryWriter()
            return _writer

    @property
    def file_writer(self) -> FileWriter:
        """The run."""
        return self.smw._get_file_writer()

    def close(self) -> None:
        """Writes everything and ends. In a child process nothing: the writer is its parent's."""
        if os.getpid() != self._pid or self._is_closed:
            return
        self._is_closed = True
        self._server.stop()
        self._broker.stop()
        self.smw.close()

    def __getstate__(self) -> dict[str, Any]:
        # The rest belongs to the process that writes.
        return {"_url": self._url, "_pid": None, "_client": None}

    def __repr__(self) -> str:
        return f"<GlobalSummaryWriter {self._url}>"
