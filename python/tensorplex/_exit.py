"""The end of a process: servers drain, clients flush, all within one deadline."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref

from tensorplex import _native

#: Seconds for everything together. A process never hangs longer on its way out.
EXIT_TIMEOUT = 5.0

_logger = logging.getLogger("tensorplex")

_registered_pid: int | None = None
_servers: weakref.WeakSet = weakref.WeakSet()


def register() -> None:
    """Called before the first client or server of a process."""
    global _registered_pid
    if _registered_pid == os.getpid():
        return
    _registered_pid = os.getpid()
    _native.start_log_bridge()
    # A daemon: it waits for messages as long as the process lives.
    threading.Thread(target=_log_messages, name="tensorplex-log", daemon=True).start()
    atexit.register(_close)
    # A child of multiprocessing ends without atexit.
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import process, util

        if process.parent_process() is not None:
            _finalize(_close)
        # A client among the arguments is there before the child clears its finalizers, and calls these.
        util.register_after_fork(_close, _finalize)


def _finalize(close) -> None:
    from multiprocessing import util

    util.Finalize(None, close, exitpriority=-1)


def register_server(handle) -> None:
    _servers.add(handle)


def _close() -> None:
    deadline = time.monotonic() + EXIT_TIMEOUT
    for handle in list(_servers):
        try:
            handle.stop(max(0.0, deadline - time.monotonic()))
        except Exception:
            _logger.exception("server ended")
    undelivered, dropped = _native.close_all(max(0.0, deadline - time.monotonic()))
    for level, text in _native.close_log_bridge():
        _logger.log(level, "%s", text)
    for text in undelivered:
        _logger.warning("%s", text)
    if dropped:
        _logger.warning("calls of this process were dropped: %s", dropped)


def _log_messages() -> None:
    """Passes warnings of the threads in Rust to the logger, until the process ends."""
    while (message := _native.next_log_message()) is not None:
        level, text = message
        _logger.log(level, "%s", text)
