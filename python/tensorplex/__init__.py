"""Records and log lines of many workers, to one server; and any object, called from other processes over Redis."""

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
from tensorplex._native import VERSION as __version__
from tensorplex._native import EmbeddedBroker, RemoteFuture
from tensorplex._patch import Patch, patch
from tensorplex.global_writer import GlobalSummaryWriter
from tensorplex.loggerplex_client import LoggerplexClient, LoggerplexHandler
from tensorplex.loggerplex_server import Loggerplex
from tensorplex.remote_call import RemoteCall, RemoteClient
from tensorplex.summary_writer import SummaryWriter
from tensorplex.tensorplex_client import TensorplexClient
from tensorplex.tensorplex_server import Tensorplex

__all__ = [
    "BadArgument",
    "BadClientId",
    "BadResult",
    "ClientClosed",
    "DeadlineExceeded",
    "Discarded",
    "EmbeddedBroker",
    "GlobalSummaryWriter",
    "Loggerplex",
    "LoggerplexClient",
    "LoggerplexHandler",
    "MethodPanicked",
    "MethodRaised",
    "NoReturnValues",
    "OtherProcess",
    "Patch",
    "RemoteCall",
    "RemoteClient",
    "RemoteError",
    "RemoteFuture",
    "ResultExpired",
    "ServerError",
    "SummaryWriter",
    "Tensorplex",
    "TensorplexClient",
    "TooLarge",
    "UnknownMethod",
    "UnreadableCall",
    "WindowFull",
    "__version__",
    "patch",
]
