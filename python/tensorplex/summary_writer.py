"""`SummaryWriter`: what torch and tensorboardX have under this name, into a directory or to a server."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from tensorplex import _adjust, _inputs, _native
from tensorplex._file_writer import FileWriter
from tensorplex._recording import Recording
from tensorplex.server_client import spool_directory

#: Address of a server, for writers that are not told where to write.
URL_VARIABLE = "TENSORPLEX_URL"
#: Longest time in seconds that a record waits to be written, whatever ``flush_secs`` says.
MAX_PAUSE = 2.0
_MIN_PAUSE = 0.1
#: Longest time in seconds that ``flush`` waits unless told otherwise: usually, and while the server is away.
FLUSH_TIMEOUT, AWAY_TIMEOUT = 10.0, 1.0
#: Of a writer outside of ``use_metadata``: step and time.
_NO_METADATA = (None, None)
#: Most points that are kept for ``export_scalars_to_json`` of each series.
MAX_EXPORTED = 10_000

#: Held while a writer opens or closes. One for all of them: that is rare, and so a writer can be pickled.
_open_lock = threading.RLock()


def _after_fork() -> None:
    global _open_lock
    # Another thread of the parent may have held it, and is not here to let it go.
    _open_lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


class SummaryWriter(Recording):
    """Records into a run: a directory, or, when there is a ``url``, a client of the server there.

    Takes the place of ``torch.utils.tensorboard.SummaryWriter`` and ``tensorboardX.SummaryWriter``: same arguments, same
    methods. What cannot be kept is never an exception in a training loop: it is counted (``stats``) and logged.

    Args:
        log_dir: the directory; ``runs/<date>_<host><comment>`` if not given. tensorboardX calls it ``logdir``.
        comment: see log_dir.
        purge_step: what is there from this step on counts no more: see ``rewind``.
        max_queue: without effect: what waits is bounded by its size.
        flush_secs: longest time that a record waits to be written, but never more than two seconds.
        filename_suffix: without effect: names of event files must sort in the order of writing.
        write_to_disk: when false, records are checked and go nowhere.
        comet_config: without effect; a warning says so.
        url: of a tensorplex-server, ``redis://host:port``; if not given, that of the environment variable
            ``TENSORPLEX_URL``; with ``""`` records go into the directory whatever the variable says.
        client_id: the name of the run there; if not given, made from log_dir: its path below the working directory
            without a leading ``runs``, or its whole path; what ids must not hold
            becomes ``_`` followed by a short hash of the part, so that two paths never share an id.
        spool: with a server, a directory from which what was recorded is delivered after a kill of this process; if not
            given, that of the environment variable ``TENSORPLEX_SPOOL``. See `RemoteClient`, also for ``when_full``.
        resume: ``"auto"``: if the first scalar of a run has a step that is there already, or an earlier one, that is a
            rewind to this step.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        *,
        logdir: str | os.PathLike[str] | None = None,
        comet_config: Mapping[str, Any] | None = None,
        url: str | None = None,
        client_id: str | int | None = None,
        spool: str | os.PathLike[str] | None = None,
        when_full: str | float = "drop_newest",
        resume: str | None = None,
        **kwargs: Any,
    ) -> None:
        if resume not in (None, "auto"):
            raise ValueError(f"resume is {resume!r}: None or 'auto' is wanted")
        if comet_config is not None and not comet_config.get("disabled", False):
            kwargs["comet_config"] = comet_config
        if kwargs:
            names = ", ".join(kwargs)
            logging.getLogger("tensorplex").warning("SummaryWriter: no effect of %s: records go to TensorBoard", names)
        log_dir = logdir if log_dir is None else log_dir
        self.log_dir = self.logdir = _default_dir(comment) if not log_dir else os.fspath(log_dir)
        if "://" in self.log_dir:
            raise ValueError(f"log_dir is {self.log_dir!r}: a local directory is wanted; url= names a server")
        self.purge_step = None if purge_step is None else _inputs.step(purge_step)
        self.max_queue = self._max_queue = max_queue
        self.flush_secs = self._flush_secs = _inputs.scalar(flush_secs, "flush_secs")
        self.filename_suffix = self._filename_suffix = filename_suffix
        self.kwargs = kwargs
        self.url = (os.environ.get(URL_VARIABLE) if url is None else _inputs.text(url, "url")) or None
        self.client_id = None
        if self.url is not None:
            self.client_id = _client_id(self.log_dir) if client_id is None else client_id
        self._delivery = {"spool": spool_directory(spool), "when_full": when_full}
        self._write_to_disk = write_to_disk
        self._resume = resume
        self._metadata = _NO_METADATA
        self._native = None
        self._scalars: dict[str, deque] = {}
        self._stats_at_close: dict[str, int] = {}
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()
        if self.purge_step is not None:
            self.rewind(self.purge_step)
        if self._write_to_disk and self.url is None:
            self._sink.start()

    def _get_file_writer(self) -> FileWriter:
        """The run of this writer; opens it again when it was closed."""
        run = self.file_writer
        if run is not None:
            return run
        with _open_lock:
            if self.file_writer is None:
                run = self._resume_if_asked(FileWriter(self._new_sink(), self.log_dir))
                self.all_writers = {self.log_dir: run}
                self.file_writer = run
                self._select_fast_path()
            return self.file_writer

    def _select_fast_path(self) -> None:
        """Has numbers go straight into the run while it is open and they need no other step or time; ``_open_lock`` is held."""
        is_straight = self.file_writer is not None and self._metadata == _NO_METADATA
        self._native = self.file_writer._sink if is_straight else None

    def _new_sink(self) -> Any:
        if not self._write_to_disk:
            return _native.LocalWriter(None, MAX_PAUSE)
        if self.url is not None:
            return _native.Client(self.url, "tensorplex", _inputs.plain_text(self.client_id), **self._delivery)
        pause = min(max(self.flush_secs, _MIN_PAUSE), MAX_PAUSE)
        return _native.LocalWriter(os.path.abspath(self.log_dir), pause)

    def _resume_if_asked(self, run: FileWriter) -> FileWriter:
        if self._resume == "auto":
            run.resume()
        return run

    def _child_run(self, name: str) -> FileWriter:
        """A run below this one."""
        name = _native.safe_name(_inputs.text(name, "run_name"))
        directory = os.path.join(self.log_dir, name)
        with _open_lock:
            own = self._get_file_writer()
            if directory not in self.all_writers:
                self.all_writers[directory] = self._resume_if_asked(FileWriter(own._sink.child(name), directory))
            return self.all_writers[directory]

    @property
    def _sink(self) -> Any:
        return self._get_file_writer()._sink

    def _stamp(self, global_step: Any, walltime: Any) -> tuple[int, float | None]:
        if self._metadata != _NO_METADATA:
            step, time = self._metadata
            global_step, walltime = step if global_step is None else global_step, time if walltime is None else walltime
        return super()._stamp(global_step, walltime)

    @contextlib.contextmanager
    def use_metadata(self, *, global_step: Any = None, walltime: Any = None) -> Iterator[Self]:
        """Within a ``with`` block, the step and the time of records that are given none. tensorboardX's."""
        before = self._metadata
        self._set_metadata((global_step, walltime))
        try:
            yield self
        finally:
            self._set_metadata(before)

    def _set_metadata(self, metadata: tuple[Any, Any]) -> None:
        with _open_lock:
            self._metadata = metadata
            self._select_fast_path()

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: Any = None, walltime: Any = None
    ) -> None:
        """Records several numbers under one tag, each into a run of its own below this one, named as torch does it:
        ``<main_tag>_<key>``.
        """
        main_tag, scalars = _inputs.tag(main_tag), _inputs.metrics(tag_scalar_dict)
        step, walltime = self._stamp(global_step, walltime)
        walltime = time.time() if walltime is None else walltime
        runs = [self._child_run(_series_name(main_tag, key)) for key in scalars]
        for run, value in zip(runs, scalars.values()):
            run._send("add_scalar", (main_tag, value, step, walltime), {})
            kept = self._scalars.setdefault(run.get_logdir(), deque(maxlen=MAX_EXPORTED))
            kept.append([walltime, step, value])

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Any] | str | None = None,
        run_name: str | None = None,
        global_step: Any = None,
        *,
        name: str | None = None,
    ) -> None:
        """Records settings and the metrics to compare them by, into a run of their own below this one.

        Args:
            hparam_domain_discrete: torch's, without effect: TensorBoard finds the values itself. tensorboardX has the name
                of the run here.
            run_name: of the run; the time if not given. ``"."`` is this writer's own run. tensorboardX calls it ``name``.
        """
        if isinstance(hparam_domain_discrete, str):
            name = hparam_domain_discrete
        run_name = run_name or name or str(time.time())
        settings, metrics = _inputs.settings(hparam_dict), _inputs.metrics(metric_dict)
        at = self._stamp(global_step, None)
        run = self._get_file_writer() if os.path.normpath(run_name) == "." else self._child_run(run_name)
        if settings:
            _native.add_hparams(run._sink, settings, None)
        for tag, value in metrics.items():
            run._send("add_scalar", (tag, value, *at), {})

    def add_onnx_graph(
        self, onnx_model_file: str | os.PathLike[str] | None = None, *, prototxt: str | os.PathLike[str] | None = None
    ) -> None:
        """Records the graph of an ONNX file, without its weights. torch calls the file ``prototxt``."""
        file = prototxt if onnx_model_file is None else onnx_model_file
        if file is None:
            raise TypeError("onnx_model_file is not given: the path of an ONNX file is wanted")
        super().add_onnx_graph(file)

    def rewind(self, step: Any) -> None:
        """Goes back to a step: what is in the run, and in those below that this writer opened, from it on counts no more."""
        with _open_lock:
            self._get_file_writer()
            runs = list(self.all_writers.values())
        for run in runs:
            run.rewind(step)

    @property
    def scalar_dict(self) -> dict[str, list]:
        """The newest points of ``add_scalars``, as ``export_scalars_to_json`` writes them."""
        return {run: list(points) for run, points in self._scalars.items()}

    def export_scalars_to_json(self, path: str | os.PathLike[str]) -> None:
        """Writes the points of ``add_scalars``, ``{run: [[time, step, value], …]}``, and forgets them. tensorboardX's."""
        with open(path, "w") as file:
            json.dump(self.scalar_dict, file)
        self._scalars = {}

    @cached_property
    def default_bins(self) -> list[float]:
        """torch's limits of buckets, from -1e20 to 1e20. ``add_histogram`` does not use them."""
        bins = []
        limit = 1e-12
        while limit < 1e20:
            bins.append(limit)
            limit *= 1.1
        return [-limit for limit in reversed(bins)] + [0] + bins

    def get_logdir(self) -> str:
        """The directory of the run."""
        return self.log_dir

    def stats(self) -> dict[str, Any]:
        """Records that were refused, and arguments of this process that were changed to fit; with a server, also calls
        taken, acknowledged (acked) and dropped.

        After ``close`` they are those of the run that was closed.
        """
        if self.file_writer is None and self._stats_at_close:
            return dict(self._stats_at_close)
        return _sink_stats(self._sink)

    def flush(self, timeout: float | None = None) -> bool:
        """Writes everything to where readers see it; with a server, waits until it is on the server's disk.

        False when that took longer than ``timeout`` seconds, or records were lost since the last flush. Without a
        timeout that is 10 seconds, or 1 while the server is known to be away. An OSError when the directory cannot be
        written to.
        """
        run = self.file_writer
        if run is None:
            return True
        if timeout is None:
            timeout = AWAY_TIMEOUT if _sink_stats(run._sink).get("outage") else FLUSH_TIMEOUT
        return run._sink.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Flushes and ends. A later record opens the run again, in another file."""
        with _open_lock:
            run, self.file_writer, self.all_writers = self.file_writer, None, None
            self._select_fast_path()
        if run is None:
            return True
        is_done = run._sink.close(timeout)
        self._stats_at_close = _sink_stats(run._sink)
        if not is_done and self.url is not None:
            self._report_undelivered(self._stats_at_close)
        return is_done

    def _report_undelivered(self, stats: dict[str, Any]) -> None:
        """Warns of records that the server did not acknowledge before the end, and counts them as dropped if no spool has them."""
        count = stats["taken"] - stats["acked"] - stats["dropped_oldest"]
        if count <= 0:
            return
        has_spool = self._delivery["spool"] is not None
        if not has_spool:
            stats["dropped"] += count
        fate = "are in the spool: `tensorplex drain` delivers them" if has_spool else "are lost: set TENSORPLEX_SPOOL to keep them"
        text = "SummaryWriter %s closed: %d calls that %s did not acknowledge %s"
        logging.getLogger("tensorplex").warning(text, self.client_id, count, _native.shown_address(self.url), fate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        closed = {"file_writer": None, "all_writers": None, "_native": None, "_metadata": _NO_METADATA, "_stats_at_close": {}}
        return self.__dict__ | closed

    def __repr__(self) -> str:
        where = self.log_dir if self.url is None else f"{self.client_id}, {_native.shown_address(self.url)}"
        return f"<SummaryWriter {where}>"


def _sink_stats(sink: Any) -> dict[str, Any]:
    counts = sink.stats() if isinstance(sink, _native.Client) else {}
    return counts | {"refused": sink.refused(), "changed": _adjust.total()}


def _default_dir(comment: str) -> str:
    now = datetime.now().strftime("%b%d_%H-%M-%S")
    return os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")


def _client_id(log_dir: str) -> str:
    path = Path(os.path.abspath(log_dir))
    with contextlib.suppress(ValueError):
        path = path.relative_to(Path.cwd())
    parts = [part for part in path.parts if part != path.anchor]
    parts = parts[1:] if parts[:1] == ["runs"] else parts
    return _native.safe_name("/".join(parts) or "runs")


def _series_name(main_tag: str, key: str) -> str:
    """The name of the run of a key, as torch makes it. A path would not keep empty parts and ``.`` apart."""
    name = f"{main_tag.replace('/', '_')}_{key}"
    return name if {"", "."}.isdisjoint(name.split("/")) else _native.safe_part(name)
