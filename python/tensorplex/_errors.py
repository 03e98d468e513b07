"""The exceptions of this package; docs/guide/python.md has the table of when each is raised."""

from __future__ import annotations

import traceback
from types import TracebackType

# Longest text of an exception, and of its traceback, that travels.
_MAX_TEXT = 16 << 10


class RemoteError(Exception):
    """A call did not end with a value. The subclass says why."""

    #: Type of the exception on the server, such as ``TypeError``; without one, the name of this class.
    type_name: str
    #: What it says.
    message: str
    #: Where it was raised on the server, or None.
    remote_traceback: str | None

    def __init__(self, type_name: str, message: str, remote_traceback: str | None = None) -> None:
        super().__init__(type_name, message, remote_traceback)
        self.type_name = type_name
        self.message = message
        self.remote_traceback = remote_traceback
        if remote_traceback:
            self.add_note(f"On the server:\n{remote_traceback.rstrip()}")

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}"


class MethodRaised(RemoteError):
    """The method raised an exception; the server goes on."""


class MethodPanicked(RemoteError):
    """The method of an object in Rust panicked; the server goes on."""


class UnknownMethod(RemoteError):
    """The object has no such method, or does not offer it."""


class BadArgument(RemoteError):
    """An argument is missing, unknown or of another type."""


class UnreadableCall(RemoteError):
    """The server could not read the call."""


class BadClientId(RemoteError):
    """The server does not accept the client id."""


class NoReturnValues(RemoteError):
    """The server was started without return values, and the client wants one."""


class TooLarge(RemoteError, ValueError):
    """The arguments or the result are too large to travel."""


class DeadlineExceeded(RemoteError):
    """The server came to the call after its deadline, and did not run it."""


class ResultExpired(RemoteError):
    """The server no longer has the result."""


class BadResult(RemoteError):
    """The result came and cannot be read."""


class ClientClosed(RemoteError):
    """The client was closed; of a call that was waited for nobody knows whether it ran."""


class WindowFull(RemoteError):
    """Too many calls wait for the server; this one was dropped."""


class OtherProcess(RemoteError):
    """The call was made by the parent of this process, before a fork."""


class Discarded(RemoteError):
    """The future was discarded."""


class ServerError(RuntimeError):
    """A server could not start, or had to end."""


def describe(error: BaseException, frames: TracebackType | None) -> tuple[str, str, str]:
    """Type, message and traceback of what a method raised, as they travel."""
    kind = type(error)
    is_known = kind.__module__ in ("builtins", "__main__")
    name = kind.__qualname__ if is_known else f"{kind.__module__}.{kind.__qualname__}"
    return name, _text(lambda: str(error))[:_MAX_TEXT], _text(lambda: _traceback(error, frames))[-_MAX_TEXT:]


def _traceback(error: BaseException, frames: TracebackType | None) -> str:
    return "".join(traceback.format_exception(type(error), error, frames))


def _text(make) -> str:
    """An exception may be unable to say what it is, or say what is no Unicode."""
    try:
        return make().encode("utf-8", "backslashreplace").decode()
    except Exception as failed:
        return f"<no text: {type(failed).__name__}>"
