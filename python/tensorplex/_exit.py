"""The end of a process: servers drain, clients flush, all within one deadline."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
import weakref

from tensorplex import _native

#: Seconds for everything together. A process never hangs longer on its way out.
EXIT_TIMEOUT = 5.0

_registered_pid: int | None = None
_servers: weakref.WeakSet = weakref.WeakSet()


def register() -> None:
    """Called before the first client or server of a process."""
    global _registered_pid
    if _registered_pid == os.getpid():
        return
    _registered_pid = os.getpid()
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
            logging.getLogger("tensorplex").exception("server ended")
    done, dropped = _native.close_all(max(0.0, deadline - time.monotonic()))
    if not done:
        logging.getLogger("tensorplex").warning("calls were not acknowledged before the process ended")
    if dropped:
        logging.getLogger("tensorplex").warning("calls of this process were dropped: %s", dropped)
