"""A Rust client calls a Python object, and the other way round."""

import subprocess

import pytest
from conftest import DEADLINE, built
from objects import Anything, AnythingClient

import tensorplex
from tensorplex import RemoteCall


@pytest.fixture(scope="module")
def peer():
    """tests/src/bin/test-peer.rs; quick when it is built already."""
    return built("test-peer")


def test_a_rust_client_calls_a_python_object(broker, peer):
    with RemoteCall(Anything(), url=broker.url, queue_name="peer").start():
        called = subprocess.run([peer, "call", broker.url, "peer"], capture_output=True, text=True, timeout=DEADLINE)
    assert called.stderr == ""
    assert called.stdout.splitlines() == [
        '{"got": (1099511627776, 0.5, "é2", [Some(true), None], {"k": [1, -2]})}',
        "5",
        "ValueError |  | true",
    ]


def test_a_python_client_calls_a_rust_object(broker, peer):
    server = subprocess.Popen([peer, "serve", broker.url, "peer"])
    try:
        with AnythingClient("py/1", url=broker.url, queue_name="peer") as client:
            got = client.plain(2**40, 0.5, "é", b"\0\xff", [True, None], {"k": [1, -2]}).get()
            assert got == {"got": [2**40, 0.5, "é2", [True, None], {"k": [1, -2]}]}
            assert client.add(1).get() == 6 and client.add(b=2, a=1).get() == 3
            native = client._native
            for name, args, kwargs, kind, text in [
                ("nothing", (), None, tensorplex.UnknownMethod, "nothing"),
                ("add", ("x",), None, tensorplex.BadArgument, "argument a: "),
                ("add", (1,), {"c": 2}, tensorplex.BadArgument, "argument c: unknown name"),
                ("add", ((1,),), None, tensorplex.BadArgument, "argument a: "),
                ("fail", ("x",), None, tensorplex.MethodRaised, "ParseIntError: invalid digit"),
                ("panic", (), None, tensorplex.MethodPanicked, "on purpose"),
            ]:
                with pytest.raises(kind, match=text) as raised:
                    native.call(name, args, kwargs).get()
                assert raised.value.remote_traceback is None
    finally:
        server.terminate()
        assert server.wait() == 0
