"""Calls, futures and their errors, on both brokers."""

import asyncio
import inspect
import os
import pickle
import threading
import time

import numpy as np
import pytest
from conftest import DEADLINE, wait_for
from objects import Anything, AnythingClient, CustomError, OneWayClient

import tensorplex
from tensorplex import RemoteCall, RemoteError


@pytest.fixture
def server(broker):
    with RemoteCall(Anything(), url=broker.url, exclude_methods=["mult"]).start() as server:
        yield server


@pytest.fixture
def client(broker, server):
    with AnythingClient("agent/1", url=broker.url) as client:
        yield client


@pytest.fixture
def lonely(broker):
    """A client whose server never comes."""
    client = AnythingClient("agent/1", url=broker.url)
    yield client
    client.close(0)


# ---- signatures ----

METHODS = ["echo", "shape", "hear", "fail", "static", "of_class", "plain", "add"]


@pytest.mark.parametrize("name", METHODS)
def test_signature_and_docstring_are_those_of_the_class(lonely, name):
    if name not in ("static", "of_class"):
        assert inspect.signature(getattr(AnythingClient, name)) == inspect.signature(getattr(Anything, name))
    assert inspect.signature(getattr(lonely, name)) == inspect.signature(getattr(Anything(), name))
    assert getattr(AnythingClient, name).__doc__ == getattr(Anything, name).__doc__
    assert getattr(AnythingClient, name).__name__ == name


WRONG = [
    ("echo", (), {}),
    ("echo", (1, 2), {}),
    ("echo", (1,), {"value": 1}),
    ("echo", (), {"valu": 1}),
    ("shape", (1,), {"b": 2}),
    ("shape", (), {"a": 1, "b": 2, "d": 3}),
    ("hear", (1, 2), {}),
    ("static", (1, 2, 3), {}),
    ("of_class", (), {}),
]


@pytest.mark.parametrize("name, args, kwargs", WRONG)
def test_a_wrong_call_raises_what_a_local_one_raises_and_nothing_is_sent(lonely, name, args, kwargs):
    with pytest.raises(TypeError) as local:
        getattr(Anything(), name)(*args, **kwargs)
    with pytest.raises(TypeError) as remote:
        getattr(lonely, name)(*args, **kwargs)
    assert str(remote.value) == str(local.value)
    assert lonely.stats()["taken"] == 0


def test_only_public_methods_are_there(client, broker):
    names = [name for name in dir(AnythingClient) if not name.startswith("_")]
    own = ["client_id", "close", "flush", "stats", "with_deadline"]
    expect = [name for name in dir(Anything) if not name.startswith("_")]
    for other in ("constant", "Nested", "public_property"):
        expect.remove(other)
    assert sorted(names) == sorted(expect + own)
    # A client that is not ours may name anything.
    native = tensorplex._native.Client(broker.url, "Anything", "c")
    for name in ["_private", "__class__", "public_property", "heard", "Nested", "constant", "__init__", "", "echo.__call__"]:
        with pytest.raises(tensorplex.UnknownMethod):
            native.call(name, (), None).get()


def test_excluded_methods_are_unknown_on_both_sides(broker):
    Client = RemoteCall.make_client_class(Anything, "Client", exclude_methods=["echo"])
    assert not hasattr(Client, "echo") and Client.__name__ == "Client"
    with RemoteCall(Anything(), url=broker.url, queue_name="q", exclude_methods=["echo"]).start():
        with AnythingClient(1, url=broker.url, queue_name="q") as client:
            with pytest.raises(tensorplex.UnknownMethod, match="echo"):
                client.echo(1).get()
            assert client.add(1).get() == 6


def test_names_that_clients_have_of_their_own_are_refused():
    class File:
        def close(self): ...
        def read(self): ...

    with pytest.raises(ValueError, match="close"):
        RemoteCall.make_client_class(File)
    assert hasattr(RemoteCall.make_client_class(File, exclude_methods=["close"]), "read")


def test_every_kind_of_argument_arrives_as_in_a_local_call(client):
    local = Anything()
    for args, kwargs in [
        ((1, 2), {"d": 4}),
        ((1,), {"b": 2, "d": 4, "c": 5}),
        ((1, 2, 3, 4, 5), {"d": 6, "e": 7, "f": 8}),
        ((None, (1, 2)), {"d": {3}, "x": b"y"}),
    ]:
        assert client.shape(*args, **kwargs).get() == local.shape(*args, **kwargs)
    assert client.static(3).get() == 6
    assert client.of_class(3).get() == "Anything 3"


def test_values_keep_their_types_through_a_call(client):
    value = {"a": (1, [2.5, None]), 2**70: {b"x"}, (1,): np.float32(0.5)}
    got = client.echo(value).get()
    assert got == value and type(got["a"]) is tuple and type(got[(1,)]) is np.float32
    array = np.random.default_rng(1).normal(size=(300, 400))
    np.testing.assert_array_equal(client.echo(array).get(), array)


def test_unsendable_arguments_are_named_and_nothing_is_sent(lonely):
    with pytest.raises(TypeError, match=r"^argument 1\['k'\]\[1\]: cannot encode an object of type object"):
        lonely.echo({"k": [1, object()]})
    with pytest.raises(TypeError, match=r"^argument 'value': "):
        lonely.echo(value=object())
    with pytest.raises(ValueError, match="the limit is 64"):
        lonely.fail("ValueError", *range(64))
    with pytest.raises(tensorplex.TooLarge, match="at most"):
        lonely.echo(np.zeros(17 << 20, np.uint8))
    with pytest.raises(ValueError, match="at most"):
        lonely.echo(bytes((16 << 20) - 1000))
    assert lonely.stats()["taken"] == 0


# ---- client ids ----


@pytest.mark.parametrize("given", [1, 0, -3, "agent1", "007", "a/b"])
def test_a_client_id_arrives_as_it_was(broker, given):
    class Who:
        def _set_client_id(self, client_id):
            self.id = client_id

        def who(self):
            return self.id

    with RemoteCall(Who(), url=broker.url, has_client_id=True).start():
        with RemoteCall.make_client_class(Who)(given, url=broker.url) as client:
            assert client.who().get() == given and type(client.who().get()) is type(given)


def test_bad_names_and_addresses_are_refused_at_once(broker):
    for client_id in ("../x", "a b", ""):
        with pytest.raises(ValueError, match="client id"):
            AnythingClient(client_id, url=broker.url)
    for client_id in (None, 1.5, True):
        with pytest.raises(TypeError, match="client_id"):
            AnythingClient(client_id, url=broker.url)
    with pytest.raises(ValueError, match="address"):
        AnythingClient(1, url="http://x")
    with pytest.raises(ValueError, match="queue name"):
        AnythingClient(1, url=broker.url, queue_name="a b")
    with pytest.raises(ValueError, match="queue name"):
        RemoteCall(Anything(), url=broker.url, queue_name="a b").start()
    with pytest.raises(TypeError, match="_set_client_id"):
        RemoteCall(Anything(), url=broker.url, has_client_id=True)
    with pytest.raises(TypeError, match="no public methods"):
        RemoteCall(object(), url=broker.url)


def test_a_set_client_id_that_raises_fails_the_call(broker):
    class Picky:
        def _set_client_id(self, client_id):
            if client_id == "bad":
                raise ValueError("not you")

        def hello(self):
            return "hello"

    Client = RemoteCall.make_client_class(Picky)
    with RemoteCall(Picky(), url=broker.url, has_client_id=True).start():
        with Client("bad", url=broker.url) as bad, Client("good", url=broker.url) as good:
            with pytest.raises(RemoteError, match="ValueError: not you"):
                bad.hello().get()
            assert good.hello().get() == "hello"


# ---- errors ----


@pytest.mark.parametrize("kind", ["ValueError", "SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_whatever_a_method_raises_is_an_answer(client, kind):
    for _ in range(2):
        with pytest.raises(tensorplex.MethodRaised) as raised:
            client.fail(kind, "why").get()
        error = raised.value
        assert (error.type_name, error.message) == (kind, "why")
        assert "in fail" in error.remote_traceback and str(error) == f"{kind}: why"
    assert client.add(1).get() == 6


def test_exceptions_that_cannot_say_what_they_are(client):
    with pytest.raises(tensorplex.MethodRaised) as raised:
        client.mute().get()
    assert raised.value.type_name.endswith("Mute")
    assert raised.value.message == "<no text: RuntimeError>"
    with pytest.raises(tensorplex.MethodRaised) as raised:
        client.fail("CustomError", "x" * 100_000).get()
    assert raised.value.type_name == f"{CustomError.__module__}.CustomError"
    assert len(raised.value.message) == 16 << 10
    assert client.add(1).get() == 6


def test_results_that_cannot_travel(client):
    with pytest.raises(tensorplex.MethodRaised, match=r"the result\['a'\]\[0\]: cannot encode an object of type object"):
        client.unsendable().get()
    with pytest.raises(tensorplex.TooLarge, match="at most 8388608"):
        client.large(9 << 20).get()
    assert client.large(7 << 20).get().nbytes == 7 << 20


def test_a_call_that_does_not_fit_is_answered(client, broker):
    native = tensorplex._native.Client(broker.url, "Anything", "c")
    with pytest.raises(tensorplex.MethodRaised, match="TypeError.*positional argument"):
        native.call("echo", (), None).get()


def test_a_server_without_return_values_says_so(broker):
    with RemoteCall(Anything(), url=broker.url, has_return_value=False).start():
        with AnythingClient(1, url=broker.url) as client, OneWayClient(1, url=broker.url) as quiet:
            with pytest.raises(tensorplex.NoReturnValues):
                client.echo(1).get()
            assert quiet.echo(1) is None and quiet.flush()


def test_a_call_is_not_run_after_its_deadline(broker, lonely):
    hurried = lonely.with_deadline(0.02)
    late = hurried.add(1000)
    assert pickle.loads(pickle.dumps(hurried))._deadline == 0.02
    # The deadline passes while there is no server; how late it is says the broker's clock.
    wait_for("the deadline", lambda: late.get(timeout=0.05) is None)
    with RemoteCall(Anything(), url=broker.url).start():
        with pytest.raises(tensorplex.DeadlineExceeded, match="its deadline was 20 ms"):
            late.get()
        assert lonely.add(1).get() == 6, "what was too late did not run"
        assert lonely.with_deadline(DEADLINE).add(1).get() == 6
    with pytest.raises(ValueError, match="positive"):
        lonely.with_deadline(0)


def test_a_lost_reply_is_found_again_or_said_to_be_gone(redis):
    """The reply stream is deleted before the server answers. The server keeps 64 MiB of results."""
    client = AnythingClient("agent/1", url=redis.url)
    futures = [client.large(8_000_000) for _ in range(9)]
    stream = wait_for("the reply stream", lambda: next((key for key in redis.keys() if key.startswith("rc:{r.")), None))
    wait_for("the calls", lambda: redis.ask("XLEN", "rc:{Anything.0}:in") != "0")
    assert redis.ask("DEL", stream) == "1"
    with RemoteCall(Anything(), url=redis.url).start():
        with pytest.raises(tensorplex.ResultExpired):
            futures[0].get()
        assert [future.get().nbytes for future in futures[1:]] == [8_000_000] * 8
        assert client.close()


def test_a_wait_without_a_server_warns_once(redis, caplog):
    """It takes half a minute: so long a server may be away before anybody is told."""
    lonely = AnythingClient("agent/1", url=redis.url)
    future = lonely.echo(1)
    wait_for("the warning", lambda: future.get(timeout=0.1) is None and caplog.records)
    assert future.get(timeout=0.2) is None
    assert [record.name for record in caplog.records] == ["tensorplex"]
    assert "no server has held the lease for 30 s" in caplog.text
    lonely.close(0)


def test_a_closed_client_refuses_and_its_futures_end(lonely):
    future = lonely.echo(1)
    waiting = []
    thread = threading.Thread(target=lambda: waiting.append(future.exception()))
    thread.start()
    assert lonely.close(0) is False
    thread.join()
    assert isinstance(waiting[0], tensorplex.ClientClosed)
    with pytest.raises(tensorplex.ClientClosed):
        lonely.echo(2)
    assert lonely.close(10) is False, "what is outstanding is lost, and waiting does not help"


def test_errors_are_one_family_and_can_be_pickled():
    for name in tensorplex.__all__:
        kind = getattr(tensorplex, name)
        if isinstance(kind, type) and issubclass(kind, RemoteError):
            error = pickle.loads(pickle.dumps(kind("T", "m", "tb")))
            assert (type(error), error.type_name, error.message, error.remote_traceback) == (kind, "T", "m", "tb")


# ---- futures ----


def test_get_tells_a_timeout_by_none_and_result_by_an_exception(lonely):
    future = lonely.echo(None)
    assert future.get(timeout=0.01) is None
    with pytest.raises(TimeoutError):
        future.result(timeout=0)
    with pytest.raises(TimeoutError):
        future.exception(timeout=0.01)
    assert not future.done() and "waiting" in repr(future)
    for bad in (-1, float("nan")):
        with pytest.raises(ValueError):
            future.get(timeout=bad)


def test_a_result_can_be_asked_for_again(client):
    future = client.echo([1])
    assert future.get() == future.get(5) == future.result() == future.result(0) == [1]
    assert future.done() and future.exception() is None and "done" in repr(future)


def test_a_discarded_future_has_nothing(client):
    future = client.hear(1)
    future.discard()
    assert future.get() is None
    with pytest.raises(tensorplex.Discarded):
        future.result()
    assert client.all_heard().get() == [1], "the call runs all the same"


def test_many_threads_wait_for_one_future(client):
    futures = [client.echo((n, "x" * 100)) for n in range(50)]
    results = []
    threads = [threading.Thread(target=lambda: results.append([f.get() for f in futures])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[(n, "x" * 100) for n in range(50)]] * 8


def test_await_and_gather(client):
    async def main():
        assert await client.echo(1) == 1
        with pytest.raises(RemoteError, match="ValueError"):
            await client.fail("ValueError", "x")
        futures = [client.echo(n) for n in range(1000)]

        async def one(future):
            return await future

        before = threading.active_count()
        got = await asyncio.gather(*map(one, futures))
        assert threading.active_count() == before, "no thread waits"
        assert got == list(range(1000))
        # Twice at once, and when it is done.
        future = client.echo("twice")
        assert await asyncio.gather(one(future), one(future)) == ["twice"] * 2
        assert await future == "twice"

    asyncio.run(main())


def test_a_wait_for_that_times_out_leaves_the_future_whole(broker, lonely):
    future = lonely.echo("late")

    async def wait():
        async def one():
            return await future

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one(), 0.05)

    asyncio.run(wait())
    with RemoteCall(Anything(), url=broker.url).start():
        assert future.get() == "late"


# ---- one way, flush, close ----


def test_one_way_calls_arrive_in_order(broker, client):
    with OneWayClient("agent/2", url=broker.url) as quiet:
        for n in range(1000):
            assert quiet.hear(n) is None
        assert quiet.flush(60) is True
        stats = quiet.stats()
        assert (stats["taken"], stats["acked"], stats["dropped"]) == (1000, 1000, 0)
    assert client.all_heard().get() == list(range(1000))


def test_flush_is_honest(lonely):
    assert lonely.flush(0) is True
    lonely.echo(1)
    assert lonely.flush(0.01) is False


def test_dropped_calls_are_counted_and_told_once(broker, caplog):
    with OneWayClient(1, url=broker.url) as quiet:
        block = os.urandom(8 << 20)  # zeros would become short on their way
        for _ in range(20):
            quiet.echo(block)
        dropped = quiet.stats()["dropped"]
        assert 10 < dropped < 20
        assert [record.getMessage().count("window is full") for record in caplog.records] == [1]
        with RemoteCall(Anything(), url=broker.url).start():
            assert quiet.flush(60) is False, "those that were dropped are not done"
            assert quiet.flush(60) is True
    client = AnythingClient(1, url=broker.url)
    futures = [client.echo(block) for _ in range(20)]
    with pytest.raises(tensorplex.WindowFull):
        futures[-1].get()
    client.close(0)


def test_sixteen_threads_share_a_client(client):
    results = {}

    def work(name):
        results[name] = [client.echo((name, n)) for n in range(200)]

    threads = [threading.Thread(target=work, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, futures in results.items():
        assert [future.get() for future in futures] == [(name, n) for n in range(200)]


def test_dropping_a_client_waits_for_nothing_and_loses_nothing(broker):
    quiet = OneWayClient(1, url=broker.url)
    for n in range(10):
        quiet.hear(n)
    before = time.monotonic()
    del quiet
    assert time.monotonic() - before < 1
    with RemoteCall(Anything(), url=broker.url).start(), AnythingClient(1, url=broker.url) as client:
        from conftest import wait_for

        wait_for("the calls of the client that is gone", lambda: client.all_heard().get() == list(range(10)))


# ---- servers ----


def test_start_and_stop(broker):
    server = RemoteCall(Anything(), url=broker.url)
    handle = server.start()
    assert handle.is_running
    with pytest.raises(RuntimeError, match="already started"):
        server.start()
    assert handle.stop() is True and not handle.is_running
    assert handle.stop() is True


def test_a_second_server_of_a_queue_is_refused(broker, server, client):
    assert client.add(1).get() == 6
    with pytest.raises(tensorplex.ServerError, match="held by"):
        RemoteCall(Anything(), url=broker.url).run()


def test_a_journaled_object_comes_back(broker, tmp_path):
    heard = list(range(20))
    with RemoteCall(Anything(), url=broker.url, journal=tmp_path / "journal").start():
        with OneWayClient(1, url=broker.url) as quiet:
            for n in heard:
                quiet.hear(n)
            assert quiet.flush(60)
    again = Anything()
    with RemoteCall(again, url=broker.url, journal=tmp_path / "journal").start():
        assert again.heard == heard
