"""`RemoteCall`: serve an object, and make client classes with the same methods."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import keyword
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from tensorplex import _exit, _native
from tensorplex._inputs import plain_text

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 6379

#: What every client has of its own; no remote method can have these names.
_OWN_NAMES = ("client_id", "close", "flush", "stats", "with_deadline")


class RemoteCall:
    """Serves an object: clients call its public methods.

    The methods are those of the object's class whose names do not start with an underscore, fixed when the server is
    made. With ``has_client_id`` the object's ``_set_client_id(client_id)`` is called before each call; an id that is
    a plain decimal number arrives as an int.

    Args:
        local_object: any object.
        host, port: the broker: Redis, Valkey, or an EmbeddedBroker.
        queue_name: must be the same for the clients; the name of the object's class if not given.
        has_client_id: whether the object is told who calls.
        has_return_value: whether results go back; when not, a call that wants one gets NoReturnValues.
        url: instead of host and port: ``redis://user:password@host:port/db`` or ``unix:///path``.
        journal: a directory. Every call is on disk there before it is made; a new object gets them all again
            after a crash, in the same order.
        exclude_methods: names of methods that cannot be called.
    """

    def __init__(
        self,
        local_object: Any,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        queue_name: str | None = None,
        has_client_id: bool = False,
        has_return_value: bool = True,
        *,
        url: str | None = None,
        journal: str | os.PathLike[str] | None = None,
        exclude_methods: Iterable[str] | None = None,
    ) -> None:
        cls = type(local_object)
        names = _public_methods(cls, exclude_methods)
        methods = [(name, getattr(local_object, name)) for name in names]
        methods = [(name, method) for name, method in methods if callable(method)]
        if not methods:
            raise TypeError(f"{cls.__name__} object has no public methods")
        set_client_id = getattr(local_object, "_set_client_id", None) if has_client_id else None
        if has_client_id and not callable(set_client_id):
            raise TypeError(f"has_client_id=True needs a method {cls.__name__}._set_client_id(client_id)")
        self._server = _native.Server(
            methods,
            set_client_id,
            _address(host, port, url),
            cls.__name__ if queue_name is None else queue_name,
            has_return_value,
            journal,
        )

    def run(self) -> None:
        """Serves in this thread until SIGTERM or SIGINT; then works off what is in the queue, and returns.

        A second SIGINT interrupts the method that is running.
        """
        with _drain_on_signals(self._server):
            self._server.run()

    def start(self) -> _native.ServerHandle:
        """Serves in a thread of its own, until ``stop()`` of the handle or the end of a ``with`` block."""
        handle = self._server.start()
        _exit.register_server(handle)
        return handle

    @staticmethod
    def make_client_class(
        cls: type,
        new_cls_name: str | None = None,
        has_return_value: bool = True,
        exclude_methods: Iterable[str] | None = None,
    ) -> type[RemoteClient]:
        """A class with the same methods as ``cls``, each of which is a remote call.

        ``cls`` itself is never instantiated. Signatures and docstrings are the same; a call that does not fit raises the
        same TypeError, and nothing is sent.

        Args:
            cls: the class of the object on the server.
            new_cls_name: name of the new class; ``MyObjectClient`` for ``MyObject`` if not given.
            has_return_value: whether methods return a RemoteFuture; when not, they return None.
            exclude_methods: names of methods that the new class shall not have.
        """
        if not inspect.isclass(cls):
            raise TypeError(f"a class is needed, not {cls!r}")
        excluded = tuple(exclude_methods or ())
        names = _public_methods(cls, excluded)
        clashes = [name for name in names if name in _OWN_NAMES]
        if clashes:
            raise ValueError(f"{cls.__name__} has methods that clients have of their own: exclude_methods={clashes}")
        name = new_cls_name or f"{cls.__name__}Client"
        recipe = (cls, name, bool(has_return_value), excluded)

        def __init__(
            self,
            client_id: str | int,
            host: str = DEFAULT_HOST,
            port: int = DEFAULT_PORT,
            queue_name: str = cls.__name__,
            *,
            url: str | None = None,
            spool: str | os.PathLike[str] | None = None,
            when_full: str | float = "drop_newest",
        ) -> None:
            RemoteClient.__init__(self, client_id, _address(host, port, url), queue_name, spool, when_full)

        members: dict[str, Any] = {method: _proxy(cls, method, name, has_return_value) for method in names}
        members |= {
            "__init__": __init__,
            "__doc__": f"Calls the methods of a {cls.__name__} that runs elsewhere.",
            "__module__": cls.__module__,
            "__qualname__": name,
            "_class_args": recipe,
        }
        return type(name, (RemoteClient,), members)


class RemoteClient:
    """What all clients have. `RemoteCall.make_client_class` makes the classes with methods.

    A client may be used by many threads at once. After a fork the child goes on with a connection of its own; what the
    parent had called before is the parent's. Pickled, for another process, it is its address and its name.

    Args:
        spool: a directory, for this and other clients and processes. What was called survives a kill of this process: each
            call is written there before it returns, which costs about a system call, and goes when it is acknowledged. The
            next client of the same queue and ``client_id``, or ``tensorplex drain``, delivers what is left. Pictures and
            other records that are encoded in a thread are there when they are encoded.
        when_full: what happens when the 64 MiB of calls that are not acknowledged are used up: ``"drop_newest"``,
            ``"drop_oldest"`` of those that were never sent, ``"spill"`` (they stay in the spool only, up to 1 GiB), or
            ``"block"``: the call waits for room; a number is the most seconds that it waits. What is dropped is counted:
            ``stats``.
    """

    _class_args: tuple[type, str, bool, tuple[str, ...]]

    def __init__(
        self,
        client_id: str | int,
        address: str,
        queue_name: str,
        spool: str | os.PathLike[str] | None = None,
        when_full: str | float = "drop_newest",
    ) -> None:
        if isinstance(client_id, bool) or not isinstance(client_id, (str, int)):
            raise TypeError(f"client_id is a str or an int, not {type(client_id).__name__}")
        self._origin = (client_id, address, queue_name)
        self._delivery = {"spool": None if spool is None else os.path.abspath(spool), "when_full": when_full}
        self._native = _native.Client(address, queue_name, plain_text(client_id), **self._delivery)
        self._deadline: float | None = None
        self._has_warned_of_drops = False

    @property
    def client_id(self) -> str | int:
        """The name under which this client calls."""
        return self._origin[0]

    def with_deadline(self, deadline: float) -> Self:
        """The same client, for calls that are worth nothing later than ``deadline`` seconds after they were made.

        A server that gets to one only then does not run it, and its future raises DeadlineExceeded. How late it is
        says the broker's clock: the clocks of client and server need not agree.
        """
        other = copy.copy(self)
        other._native, other._deadline = self._native.with_deadline(deadline), deadline
        return other

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def flush(self, timeout: float = 10.0) -> bool:
        """Waits until the server has done everything called before.

        False when that took longer than ``timeout`` seconds, or when calls were dropped since the last flush.
        """
        return self._native.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Flushes and ends the connection. False as in flush; what is outstanding then is lost, or stays in the spool."""
        return self._native.close(timeout)

    def stats(self) -> dict[str, Any]:
        """Counters of the client.

        Calls that were taken, acknowledged (acked), dropped (and each cause) and refused by the server; calls that could
        not be written to the spool (unspooled); times at which frames were sent again (rewinds); and ``outage``, the
        reason why the broker cannot be reached, or None.
        """
        return self._native.stats()

    def __enter__(self):
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __reduce__(self):
        return _restore, (self._class_args, self._origin, self._delivery, self._deadline)

    def __repr__(self) -> str:
        client_id, _, queue_name = self._origin
        return f"<{type(self).__name__} {client_id!r} of queue {queue_name!r}>"

    def _send(self, method: str, args: tuple, kwargs: dict[str, Any]) -> None:
        if not self._native.send(method, args, kwargs):
            self._warn_of_drops()

    def _warn_of_drops(self) -> None:
        if not self._has_warned_of_drops:
            self._has_warned_of_drops = True
            logging.getLogger("tensorplex").warning("%r: the window is full, calls are dropped; see stats()", self)


@functools.cache
def _cached_class(recipe: tuple[type, str, bool, tuple[str, ...]]) -> type[RemoteClient]:
    return RemoteCall.make_client_class(*recipe)


def _restore(
    recipe: tuple[type, str, bool, tuple[str, ...]],
    origin: tuple[str | int, str, str],
    keeping: dict[str, Any],
    deadline: float | None,
) -> RemoteClient:
    client_id, address, queue_name = origin
    client = _cached_class(recipe)(client_id, url=address, queue_name=queue_name, **keeping)
    return client if deadline is None else client.with_deadline(deadline)


def _address(host: str, port: int, url: str | None) -> str:
    if url is not None:
        return url
    if not isinstance(host, str):
        raise TypeError(f"host is {host!r}: the name or the address of a machine is wanted")
    return f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}"


def _public_methods(cls: type, excluded: Iterable[str] | None) -> list[str]:
    excluded = set(excluded or ())
    return [name for name in dir(cls) if not name.startswith("_") and name not in excluded and _is_method(cls, name)]


def _is_method(cls: type, name: str) -> bool:
    # Without running what is behind a property.
    raw = inspect.getattr_static(cls, name)
    return not inspect.isclass(raw) and callable(getattr(raw, "__func__", raw))


def _proxy(cls: type, name: str, client_name: str, has_return_value: bool) -> Callable[..., Any]:
    local = getattr(cls, name)
    raw = inspect.getattr_static(cls, name)
    is_bound = isinstance(raw, (staticmethod, classmethod))
    check = _check_of(raw.__func__ if is_bound else local)
    if isinstance(raw, staticmethod):
        check = _without_first(check)

    if has_return_value:

        def method(self, /, *args, **kwargs):
            check(self, *args, **kwargs)
            return self._native.call(name, args, kwargs)

    else:

        def method(self, /, *args, **kwargs):
            check(self, *args, **kwargs)
            self._send(name, args, kwargs)

    functools.update_wrapper(method, local)
    method.__qualname__ = f"{client_name}.{name}"
    method.__doc__ = inspect.getdoc(local)
    if is_bound:
        # What is bound to the class there is bound to the client here.
        method.__signature__ = _with_self(inspect.signature(local))
    return method


def _check_of(local: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes what ``local`` takes and does nothing: Python itself checks the call, in its own words."""
    try:
        signature = inspect.signature(local)
    except ValueError:  # Some built-in functions have none; the server will check.
        return lambda *args, **kwargs: None
    if any(not name.isidentifier() or keyword.iskeyword(name) for name in signature.parameters):
        return signature.bind
    check = eval(f"lambda {_parameters(signature)}: None", {})
    check.__qualname__ = getattr(local, "__qualname__", repr(local))
    return check


def _without_first(check: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _self, /, *args, **kwargs: check(*args, **kwargs)


def _with_self(signature: inspect.Signature) -> inspect.Signature:
    first = inspect.Parameter("_self", inspect.Parameter.POSITIONAL_ONLY)
    return signature.replace(parameters=[first, *signature.parameters.values()])


def _parameters(signature: inspect.Signature) -> str:
    """The parameters as source, without annotations and with None for every default."""
    plain = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=parameter.default if parameter.default is inspect.Parameter.empty else None,
        )
        for parameter in signature.parameters.values()
    ]
    text = str(inspect.Signature(plain))
    return text[1:-1]


@contextlib.contextmanager
def _drain_on_signals(server: _native.Server) -> Iterator[None]:
    """Python's handlers can be set, and run, in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping = False

    def drain(number: int, frame: object) -> None:
        nonlocal stopping
        if stopping and number == signal.SIGINT:
            raise KeyboardInterrupt
        stopping = True
        server.request_stop()

    before = {number: signal.signal(number, drain) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
