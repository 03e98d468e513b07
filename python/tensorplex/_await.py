"""`await future`: the thread that reads replies tells the event loop; no thread waits."""

import asyncio
import functools


def wait(future):
    """What `RemoteFuture.__await__` returns."""
    if not future.done():
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        future._when_done(functools.partial(_tell, loop, waiter))
        yield from waiter
    return future.result(0)


def _tell(loop, waiter):
    try:
        loop.call_soon_threadsafe(_finish, waiter)
    except RuntimeError:
        pass  # The loop is closed: nobody waits.


def _finish(waiter):
    if not waiter.done():
        waiter.set_result(None)
