"""Forks, spawns, kills and ends."""

import multiprocessing
import os
import signal
import threading
import time

import pytest
from conftest import DEADLINE
from objects import Anything, AnythingClient, OneWayClient

import tensorplex
from tensorplex import RemoteCall

FORKS = 1000

SERVER = """
import sys
from objects import *
from tensorplex import RemoteCall
RemoteCall(Anything(), url=sys.argv[1], journal=(sys.argv + [None])[2]).run()
print('drained')
"""


@pytest.fixture
def server(broker, program):
    """In a process of its own: what forks here shall not have its threads."""
    program(SERVER, broker.url)


def forked(work):
    """Runs `work` in a child, and ends the child without any ceremony."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def succeeded(pid):
    """A child that hangs fails the test."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0
            return
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError("the child hangs")


def test_the_queued_calls_of_a_parent_are_made_once(broker):
    """The server comes later: everything is still queued when the fork happens."""
    parent = OneWayClient("parent", url=broker.url)
    for n in range(1000):
        parent.hear(n)

    def child():
        assert parent.stats()["taken"] == 0
        for n in range(1000, 1010):
            parent.hear(n)
        assert parent.flush(DEADLINE)

    pid = forked(child)
    parent.hear(2000)
    # A broker in this process would take its sockets into the child; a server does not matter.
    with RemoteCall(Anything(), url=broker.url).start(), AnythingClient("x", url=broker.url) as client:
        succeeded(pid)
        assert parent.flush(DEADLINE)
        heard = client.all_heard().get()
    assert sorted(heard) == [*range(1010), 2000]
    assert [n for n in heard if not 1000 <= n < 1010] == [*range(1000), 2000]
    parent.close()


def test_a_child_cannot_use_its_parents_futures(broker, server):
    client = AnythingClient("parent", url=broker.url)
    done = client.echo("done")
    assert done.get() == "done"
    waiting = [client.echo(n) for n in range(100)]

    def child():
        assert done.get() == "done", "what had come before the fork is there"
        for future in waiting:
            with pytest.raises(tensorplex.OtherProcess):
                future.get()
        waiting.clear()
        assert client.echo("child").get() == "child"
        assert client.close()

    pid = forked(child)
    assert [future.get() for future in waiting] == list(range(100))
    succeeded(pid)
    assert client.echo("parent").get() == "parent"
    client.close()


def test_a_thousand_forks_while_threads_hold_every_lock(redis, program):
    program(SERVER, redis.url)
    quiet = OneWayClient("quiet", url=redis.url)
    client = AnythingClient("client", url=redis.url)
    assert client.add(1).get() == 6
    over = threading.Event()
    made = [0] * 4

    def work(number):
        while not over.is_set():
            quiet.hear(-1)
            future = client.echo(number)
            if made[number] % 16 == 0:
                future.get()
            made[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(made))]
    for thread in threads:
        thread.start()
    before = time.monotonic()
    try:
        for round in range(FORKS):
            def child():
                quiet.hear(round)
                if round % 20 == 0:
                    assert client.echo(round).get() == round
                    client.close(DEADLINE)
                assert quiet.close(DEADLINE)

            succeeded(forked(child))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    print(f"{FORKS} forks in {time.monotonic() - before:.1f} s beside {sum(made)} calls")
    assert quiet.flush(DEADLINE)
    heard = client.all_heard().get()
    assert sorted(n for n in heard if n >= 0) == list(range(FORKS))
    assert heard.count(-1) == sum(made)


def in_child(client, n):
    client.hear(n)


def in_child_with_future(client, n):
    assert client.add(n).get() == n + 5


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_call_and_lose_nothing(broker, server, method):
    context = multiprocessing.get_context(method)
    quiet = OneWayClient("w", url=broker.url)
    client = AnythingClient("w", url=broker.url)
    quiet.hear(-1)
    children = [context.Process(target=in_child, args=(quiet, n)) for n in range(3)]
    children.append(context.Process(target=in_child_with_future, args=(client, 1)))
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert quiet.flush(DEADLINE)
    assert sorted(client.all_heard().get()) == [-1, 0, 1, 2]


def test_a_pickled_client_is_its_address(broker):
    import pickle

    client = OneWayClient("agent/7", url=broker.url, queue_name="q")
    data = pickle.dumps(client)
    other = pickle.loads(data)
    assert (other.client_id, repr(other)) == ("agent/7", repr(client))
    assert other.echo(1) is None and client.stats()["taken"] == 0
    for each in (client, other):
        each.close(0)


# ---- kills ----


def test_futures_outlive_a_killed_server(broker, program, tmp_path):
    first = program(SERVER, broker.url, tmp_path / "journal")
    client = AnythingClient("c", url=broker.url)
    assert client.hear(1).get() is None
    first.kill()
    futures = [client.hear(n) for n in range(2, 100)]
    assert not futures[0].done()
    program(SERVER, broker.url, tmp_path / "journal")
    for future in futures:
        assert future.get() is None
    assert client.all_heard().get() == list(range(1, 100))
    client.close()


def test_every_future_ends_when_a_server_is_killed_again_and_again(broker, program, tmp_path):
    """Value or typed error, and a journaled object counts what was acknowledged, once."""
    client = AnythingClient("c", url=broker.url)
    futures = []
    for round in range(4):
        server = program(SERVER, broker.url, tmp_path / "journal")
        futures += [client.hear(1) for _ in range(500)]
        futures[-250].result(DEADLINE)
        server.kill()
    program(SERVER, broker.url, tmp_path / "journal")
    ends = [future.exception(DEADLINE) for future in futures]
    assert {type(end) for end in ends} <= {type(None), tensorplex.ResultExpired}
    assert client.all_heard().get() == [1] * len(futures)
    client.close()


def test_futures_outlive_a_killed_redis(redis, program, tmp_path):
    program(SERVER, redis.url, tmp_path / "journal")
    client = AnythingClient("c", url=redis.url)
    assert client.echo(1).get() == 1
    redis.kill()
    futures = [client.hear(n) for n in range(100)]
    redis.restart()
    for future in futures:
        assert future.exception(DEADLINE) is None
    assert client.all_heard().get() == list(range(100))
    client.close()


CALLER = """
import sys
from objects import *
client = AnythingClient('c', url=sys.argv[1])
futures = [client.echo(n) for n in range(100)]
print(futures[-1].get())
unread = [client.echo(n) for n in range(100)]
quiet = OneWayClient('q', url=sys.argv[1])
quiet.hear(1)
quiet.flush()
print('ready')
sys.stdin.read()
"""


def test_a_killed_client_leaves_nothing_for_ever(redis, program):
    with RemoteCall(Anything(), url=redis.url).start() as server:
        caller = program(CALLER, redis.url)
        assert (caller.line(), caller.line()) == ("99", "ready")
        caller.kill()
        assert server.stop()
    kept = redis.keys()
    streams = {key for key in kept if key.endswith(":out")}
    assert streams, "the reply stream of the client"
    for key in streams:
        assert 0 < int(redis.ask("PTTL", key)) <= 60_000
    # What stays is the queue's own: one stream, empty, and one hash.
    assert kept - streams <= {"rc:{Anything.0}:in", "rc:{Anything.0}:ack"}
    assert redis.ask("XLEN", "rc:{Anything.0}:in") == "0"


# ---- ends ----

ENDS = """
import sys, time
from objects import *
client = OneWayClient('c', url=sys.argv[1])
futures = AnythingClient('f', url=sys.argv[1])
for n in range(100): client.hear(n)
future = futures.echo(1)
print('ready')
{end}
"""


@pytest.mark.parametrize(
    "end", ["", "sys.exit(0)", "del client", "import threading; threading.Thread(target=client.hear).start()"]
)
def test_a_process_with_a_dead_broker_ends_in_time(program, end):
    caller = program(ENDS.format(end=end), "redis://127.0.0.1:1")
    # Its start is not its end.
    assert caller.line() == "ready"
    before = time.monotonic()
    code, out, err = caller.end()
    assert (code, out) == (0, "")
    assert "not acknowledged" in err and "Traceback" not in err
    assert time.monotonic() - before < 20


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "del client", "raise SystemExit"])
def test_a_process_that_ends_has_sent_everything(broker, server, program, end):
    code, out, err = program(ENDS.format(end=end), broker.url).end()
    assert (code, out, err) == (0, "ready\n", "")
    with AnythingClient("c", url=broker.url) as client:
        assert client.all_heard().get() == list(range(100))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_drain_a_server(broker, program, number):
    server = program(SERVER, broker.url)
    with AnythingClient("c", url=broker.url) as client:
        assert client.thread().get() is True, "run() makes the calls in the thread that called it"
        futures = [client.echo(n) for n in range(2000)]
        server.process.send_signal(number)
        code, out, err = server.end()
        assert (code, out, err) == (0, "drained\n", "")
        unanswered = [future for future in futures if not future.done()]
        # What came while the server drained was answered; the rest waits for the next one.
        program(SERVER, broker.url)
        assert [future.get() for future in futures] == list(range(2000)), len(unanswered)


def test_ctrl_c_interrupts_a_wait(broker, program):
    caller = program(
        """
import sys
from objects import *
client = AnythingClient('c', url=sys.argv[1])
future = client.echo(1)
try:
    print('waiting')
    future.get()
except KeyboardInterrupt:
    print('interrupted')
client.close(0)
""",
        broker.url,
    )
    assert caller.line() == "waiting"
    caller.process.send_signal(signal.SIGINT)
    code, out, err = caller.end()
    assert (code, out) == (0, "interrupted\n"), err


def test_a_server_in_a_thread_ends_with_its_process(broker, program):
    server = program(
        """
import sys
from objects import *
from tensorplex import RemoteCall
handle = RemoteCall(Anything(), url=sys.argv[1]).start()
print('started')
AnythingClient('c', url=sys.argv[1]).echo(1).get()
""",
        broker.url,
    )
    assert server.end() == (0, "started\n", "")


def test_a_child_that_ends_as_usual_leaves_what_is_its_parents(program):
    """Broker, server, clients and futures are all there in the child, and none of their threads."""
    parent = program(
        """
import os
from objects import *
broker = tensorplex.EmbeddedBroker(port=0)
server = tensorplex.RemoteCall(Anything(), url=broker.url).start()
client = AnythingClient('c', url=broker.url)
futures = [client.echo(n) for n in range(100)]
pid = os.fork()
if pid == 0:
    assert not server.is_running and server.stop()
    del futures
    broker.stop()
else:
    status = os.waitpid(pid, 0)[1]
    print(status, futures[-1].get(), client.add(1).get())
"""
    )
    assert parent.end() == (0, "0 99 6\n", "")
