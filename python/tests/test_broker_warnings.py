"""A worker whose broker cannot be reached says so, once, with address and cause; and what was lost when it ends."""

import socket
import tempfile

import pytest

import tensorplex

#: Logs one record and prints the client's outage once there is one; goes on at a line of standard input.
WORKER = """
import logging, sys, time
from tensorplex import TensorplexClient

logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
client = TensorplexClient("agent/1", url=sys.argv[1])
client.add_scalar("loss", 0.5, 1)
deadline = time.monotonic() + 60
while client.stats()["outage"] is None and time.monotonic() < deadline:
    time.sleep(0.01)
print(client.stats()["outage"])
"""


@pytest.fixture
def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        # Bound and not listening: nothing else can take it, and connections are refused.
        yield free.getsockname()[1]


def warnings(err):
    return [line for line in err.splitlines() if line.startswith("WARNING tensorplex ")]


def check(program, url, address, cause):
    worker = program(WORKER, url)
    code, out, err = worker.end()
    assert code == 0, err
    first, last = warnings(err)
    assert f"cannot reach {address}: " in first and cause in first and "64 MiB" in first, err
    assert last.startswith(f"WARNING tensorplex 1 call to {address} were not acknowledged"), err
    assert cause in last and cause in out, err


def test_a_closed_port_is_one_warning_and_a_count_at_the_end(program, closed_port):
    check(program, f"localhost:{closed_port}", f"localhost:{closed_port}", "Connection refused")


def test_an_unknown_host_is_named(program):
    check(program, "no-such-host.invalid:6379", "no-such-host.invalid:6379", "")


def test_a_wrong_password_is_named(program):
    broker = tensorplex.EmbeddedBroker(0, password="right")
    address = f"redis://127.0.0.1:{broker.port}"
    check(program, f"redis://:wrong@127.0.0.1:{broker.port}", address, "WRONGPASS")
    broker.stop()


def test_tls_on_a_plain_port_is_named(program):
    broker = tensorplex.EmbeddedBroker(0)
    address = f"rediss://127.0.0.1:{broker.port}"
    check(program, address, address, "TLS")
    broker.stop()


def test_a_broker_that_comes_back_is_one_more_warning(program, redis):
    redis.kill()
    worker = program(WORKER + "client.close(60)\n", redis.url)
    assert worker.line()
    redis.restart()
    with tensorplex.Tensorplex(tempfile.mkdtemp(dir=redis.dir)).start(url=redis.url):
        code, _, err = worker.end()
    assert code == 0
    first, back = warnings(err)
    assert "broker is away" in first and f"broker is back: connected to {redis.url}" in back, err


REFUSED = """
import logging, sys
from tensorplex import TensorplexClient

logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
client = TensorplexClient("learner/1", url=sys.argv[1])
client.add_scalar("loss", 0.5, 1)
print(client.flush(60), client.flush(60), client.stats()["refused"])
"""


def test_a_refused_record_is_a_warning_and_fails_one_flush(program, tmp_path):
    server = tensorplex.Tensorplex(tmp_path)
    server.register_normal_group("agent")
    with server.start(port=0):
        code, out, err = program(REFUSED, server.url).end()
    assert (code, out) == (0, "False True 1\n"), err
    [line] = warnings(err)
    assert "refused" in line and "loss" in line and "learner/1" in line and "agent" in line
