"""Any object, called from other processes over Redis: same method names, same arguments, futures back."""

from tensorplex._errors import (
    BadArgument,
    BadClientId,
    BadResult,
    ClientClosed,
    DeadlineExceeded,
    Discarded,
    MethodPanicked,
    MethodRaised,
    NoReturnValues,
    OtherProcess,
    RemoteError,
    ResultExpired,
    ServerError,
    TooLarge,
    UnknownMethod,
    UnreadableCall,
    WindowFull,
)
from tensorplex._native import EmbeddedBroker, RemoteFuture
from tensorplex.remote_call import RemoteCall, RemoteClient

__all__ = [
    "BadArgument",
    "BadClientId",
    "BadResult",
    "ClientClosed",
    "DeadlineExceeded",
    "Discarded",
    "EmbeddedBroker",
    "MethodPanicked",
    "MethodRaised",
    "NoReturnValues",
    "OtherProcess",
    "RemoteCall",
    "RemoteClient",
    "RemoteError",
    "RemoteFuture",
    "ResultExpired",
    "ServerError",
    "TooLarge",
    "UnknownMethod",
    "UnreadableCall",
    "WindowFull",
]
