"""TensorBoard's two loaders, with the same four methods.

rust    tensorboard-data-server, which TensorBoard starts by default; it polls the directory
python  EventMultiplexer, the fallback of TensorBoard; it reads on request

    start()           begin to follow a log directory, which need not exist yet
    refresh()         read everything that was on disk before the call
    provider          data provider of the dashboards: list_scalars, read_scalars, ...
    count_scalars()   number of scalar points, without the cost of reading their values

Both keep every point: the sampling that TensorBoard does by default is switched off.
"""

import contextlib
import os
import re
import struct
import sys
import tempfile
import time

from tensorboard import context
from tensorboard.backend.event_processing import data_provider
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.compat.proto import summary_pb2
from tensorboard.data import server_ingester
from tensorboard.util import grpc_util

# Limits on the points per series: 0 keeps all. The rust loader samples the series of other plugins.
KEEP_ALL = dict.fromkeys(
    "scalars histograms text images audio pr_curves hparams custom_scalars mesh graphs"
    " graph_run_metadata graph_run_metadata_graph graph_keras_model".split(),
    0,
)

# Limit on the points per request, more than any test writes.
ALL_POINTS = 1 << 30

# Limit for one pass of either loader over a run, in seconds.
LOAD_LIMIT = 120

# Polling interval, in seconds.
POLL = 0.02


class RustLoader:
    """The data server as a child process, which ends with this process."""

    def __init__(self, logdir, reload_interval=1):
        self._cycles = LoadCycles()
        self._ingester = server_ingester.SubprocessServerDataIngester(
            logdir=logdir,
            reload_interval=reload_interval,
            channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
            samples_per_plugin=KEEP_ALL,
            server_binary=server_ingester.get_server_binary(),
            # Makes the server log its load cycles.
            extra_flags=["--verbose"],
        )

    def start(self):
        with self._cycles.as_standard_error():
            self._ingester.start()

    @property
    def provider(self):
        return self._ingester.data_provider

    def refresh(self):
        self._cycles.wait_for_a_new_one()

    def count_scalars(self):
        runs = self.provider.read_scalars(
            request_context(), experiment_id="", plugin_name="scalars", downsample=ALL_POINTS
        )
        return sum(len(points) for tags in runs.values() for points in tags.values())


class LoadCycles:
    """The load cycles of the rust loader, as it logs them on its standard error.

    The server has no request to read, and none to ask whether it has read. Its log contains the begin
    and the end of each pass over the directory, and a pass reads everything that was on disk when it began.
    """

    CYCLE = re.compile(rb"INFO +rustboard_core::cli\] (Starting|Finished) load cycle")

    def __init__(self):
        # A file, because a full pipe would block the server.
        self._log = tempfile.TemporaryFile()
        self._read = 0
        self._started = 0
        self._finished = 0

    @contextlib.contextmanager
    def as_standard_error(self):
        """Context whose child processes log here."""
        sys.stderr.flush()
        ours = os.dup(2)
        os.dup2(self._log.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(ours, 2)
            os.close(ours)
            self._take_lines()

    def wait_for_a_new_one(self):
        """Waits for the end of a cycle that begins after the call."""
        self._take_lines()
        # The server logs a cycle before its work, so a cycle without a line has not begun.
        new = self._started + 1
        deadline = time.monotonic() + LOAD_LIMIT
        while self._finished < new:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the rust loader ended no load cycle within {LOAD_LIMIT} s")
            time.sleep(POLL)
            self._take_lines()

    def _take_lines(self):
        new = os.pread(self._log.fileno(), 1 << 20, self._read)
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            match = self.CYCLE.search(line)
            if match is None:
                relay(line)
            elif match[1] == b"Starting":
                self._started += 1
            else:
                self._finished += 1


def relay(line):
    """Prints warnings of the server, for the reader of a failed test."""
    if b" INFO " not in line:
        print("rust loader:", line.decode(errors="replace"), file=sys.stderr)


class RecordCount:
    """Number of whole records in an event file, by their headers."""

    HEADER = struct.Struct("<Q")
    #: Bytes of a record besides its payload: the length and two checksums.
    FRAMING = 16

    def __init__(self, path):
        self._path = path
        self._end = 0
        self._count = 0

    def count(self):
        with open(self._path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            while self._end + self.HEADER.size <= size:
                file.seek(self._end)
                (length,) = self.HEADER.unpack(file.read(self.HEADER.size))
                if self._end + length + self.FRAMING > size:
                    break
                self._end += length + self.FRAMING
                self._count += 1
        return self._count


def bounded_load(loader, load=event_file_loader.RawEventFileLoader.Load):
    """Raw records of an event file, up to the last one that was there when the pass began.

    TensorBoard's own pass ends when it finds no further record, so it never ends while a writer is faster
    than the reader. A pass of this function also ends with an error after LOAD_LIMIT seconds.
    """
    deadline, present = time.monotonic() + LOAD_LIMIT, None
    if not hasattr(loader, "record_count"):
        loader.record_count, loader.records_read = RecordCount(loader._file_path), 0
    for record in load(loader):
        # The count follows the loader's own look at the size of the file, which precedes its first record.
        if present is None:
            present = loader.record_count.count()
        loader.records_read += 1
        yield record
        if loader.records_read >= present:
            # The loader skips a file that has not grown since its last pass. This one may have further records.
            loader._file_size = 0
            return
        if time.monotonic() > deadline:
            # No OSError, because the multiplexer ignores those.
            raise RuntimeError(f"the python loader did not read {loader._file_path} within {LOAD_LIMIT} s")


event_file_loader.RawEventFileLoader.Load = bounded_load


class PythonLoader:
    """The loader inside the TensorBoard process."""

    def __init__(self, logdir):
        self._logdir = logdir
        self._multiplexer = plugin_event_multiplexer.EventMultiplexer(
            size_guidance=plugin_event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE,
            tensor_size_guidance=KEEP_ALL,
        )
        self.provider = data_provider.MultiplexerDataProvider(self._multiplexer, logdir)

    def start(self):
        pass

    def refresh(self):
        self._multiplexer.AddRunsFromDirectory(self._logdir)
        self._multiplexer.Reload()

    def count_scalars(self):
        return sum(
            len(self._multiplexer.Tensors(run, tag))
            for run, tags in self._multiplexer.AllSummaryMetadata().items()
            for tag, metadata in tags.items()
            if metadata.data_class == summary_pb2.DATA_CLASS_SCALAR
        )


def request_context():
    """Empty context of a request: there is no browser."""
    return context.RequestContext()


def both(logdir):
    """Starts both loaders; returns them by name."""
    loaders = {"rust": RustLoader(logdir), "python": PythonLoader(logdir)}
    for loader in loaders.values():
        loader.start()
    return loaders
