"""One run of a `SummaryWriter`, as callers of torch and tensorboardX know it."""

from __future__ import annotations

import glob
import os
import time
from typing import Any

from tensorplex import _inputs, _native
from tensorplex._recording import Recording


#: Beginning of the name of every event file.
EVENT_FILE = "events.out.tfevents"


class EventWriter:
    """What ``FileWriter.event_writer`` is: the names that callers of torch's and tensorboardX's reach for."""

    def __init__(self, file_writer: FileWriter) -> None:
        self._file_writer = file_writer

    @property
    def _file_name(self) -> str:
        """The path of the newest event file; of a run on a server, or without a file yet, the path without its end."""
        prefix = os.path.join(self.get_logdir(), EVENT_FILE)
        return max(glob.glob(f"{glob.escape(prefix)}*"), default=prefix)

    @property
    def _ev_writer(self) -> EventWriter:
        """tensorboardX's second layer, which has the file name."""
        return self

    def get_logdir(self) -> str:
        """The directory of the run."""
        return self._file_writer.get_logdir()

    def add_event(self, event: Any) -> None:
        """Records an ``Event`` with its own step and time."""
        Recording.add_event(self._file_writer, event)

    def flush(self) -> None:
        """Writes everything of the writer, to where readers see it."""
        self._file_writer.flush()

    def close(self) -> None:
        """Flushes."""
        self._file_writer.close()

    def reopen(self) -> None:
        """Does nothing: what is closed opens with the next record."""


class FileWriter(Recording):
    """What ``SummaryWriter.file_writer`` is: takes ready-made messages of any protobuf library, or their bytes."""

    def __init__(self, sink: Any, logdir: str) -> None:
        self._sink = self._native = sink
        self._logdir = logdir

    @property
    def event_writer(self) -> EventWriter:
        """torch's and tensorboardX's writer of the event file, as far as callers use it."""
        return EventWriter(self)

    def get_logdir(self) -> str:
        """The directory of the run; the client id, when the records go to a server."""
        return self._logdir

    def add_event(self, event: Any, step: Any = None, walltime: Any = None) -> None:
        """Records an ``Event``: a summary, a graph or a profile.

        As in torch, a message gets the time of the call unless ``walltime`` is given; bytes keep what they say.
        """
        if isinstance(event, (bytes, bytearray, memoryview)):
            super().add_event(event)
            return
        message = _inputs.message(event, "event")
        dated = type(event).FromString(message)
        dated.wall_time = time.time() if walltime is None else _inputs.walltime(walltime)
        if step is not None:
            dated.step = _inputs.step(step)
        super().add_event(dated)

    def add_graph(self, graph_profile: Any, walltime: Any = None) -> None:
        """Records a graph and what running it cost: the messages ``GraphDef`` and ``RunMetadata``."""
        graph, profile = (_inputs.message(part, "graph_profile") for part in graph_profile)
        _native.add_graph(self._sink, graph, ("step1", profile) if profile else None, self._stamp(None, walltime))

    def add_onnx_graph(self, graph: Any, walltime: Any = None) -> None:
        """Records a graph: the message ``GraphDef``."""
        _native.add_graph(self._sink, _inputs.message(graph, "graph"), None, self._stamp(None, walltime))

    add_openvino_graph = add_onnx_graph

    def flush(self) -> None:
        """Writes everything of the writer, to where readers see it."""
        self._sink.flush(10.0)

    def close(self) -> None:
        """Flushes. The writer closes what it opened."""
        self.flush()

    def reopen(self) -> None:
        """Does nothing: what is closed opens with the next record."""
