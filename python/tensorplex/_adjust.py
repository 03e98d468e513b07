"""Arguments that were changed where torch's and tensorboardX's writers would take them: counted, and logged once per cause."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter

_counts: Counter[str] = Counter()
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    # Another thread of the parent may have held it, and is not here to let it go.
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def log_once(cause: str, what: str) -> None:
    """Counts a change and warns of the first. ``cause`` is common to all changes of its kind, ``what`` is this one."""
    with _lock:
        _counts[cause] += 1
        is_first = _counts[cause] == 1
    if is_first:
        logging.getLogger("tensorplex").warning("%s: %s; later ones are only counted", cause, what)


def total() -> int:
    """Number of changes in this process."""
    with _lock:
        return _counts.total()
