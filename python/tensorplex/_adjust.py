"""Arguments that were changed where torch's and tensorboardX's writers would take them: logged once per cause."""

from __future__ import annotations

import logging

_logged: set[str] = set()


def log_once(cause: str, what: str) -> None:
    """Warns of a change. ``cause`` is what all changes of its kind have in common, ``what`` is the first of them."""
    if cause not in _logged:
        _logged.add(cause)
        logging.getLogger("tensorplex").warning("%s: %s; later ones are not logged", cause, what)
