"""The original's README and its own test, against this package."""

import logging

import pytest
from conftest import ROOT
from objects import MyObject, Slow

import tensorplex
from tensorplex import RemoteCall, RemoteError

SEQUENCE = "can't multiply sequence by non-int of type 'float'"

SERVER = """
import sys
from objects import *
from tensorplex import RemoteCall

myobj = {name}(x=20, y=42)
RemoteCall(myobj, url=sys.argv[1], queue_name='remotecall', has_client_id=True, has_return_value=True).run()
print('drained')
"""


@pytest.fixture
def readme_server(broker, program):
    server = program(SERVER.format(name="MyObject"), broker.url)
    yield server
    assert server.terminate() == (0, "drained\n", "")


def test_the_readme_runs_unchanged(broker, readme_server):
    MyObjectClient = RemoteCall.make_client_class(MyObject, has_return_value=True)
    myobj = MyObjectClient(client_id=1, url=broker.url, queue_name="remotecall")
    future1 = myobj.add(10, var="y")
    future2 = myobj.mult(-2)
    local = MyObject(20, 42)
    local._set_client_id(1)
    assert future1.get(timeout=30) == local.add(10, var="y") == 73
    assert future2.get() == local.mult(-2) == 4160
    myobj.close()


def test_a_type_error_on_the_server_reaches_the_caller_and_the_server_survives(broker, readme_server):
    MyObjectClient = RemoteCall.make_client_class(MyObject, has_return_value=True)
    with MyObjectClient(client_id="agent1", url=broker.url, queue_name="remotecall") as myobj:
        future1 = myobj.add(10, var="y")
        # An int times a text is a long text, here as in a local run; a float times a text is an error.
        assert myobj.mult(-2).get() == "agent1" * (40 * 104)
        future2 = myobj.mult(-0.5)
        for future, line in [(future1, "return self.x + self.y + self._client_id"), (future2, "return self.x * self.y")]:
            for _ in range(2):
                with pytest.raises(RemoteError) as raised:
                    future.get()
                assert raised.value.type_name == "TypeError"
                assert raised.value.message in ("unsupported operand type(s) for +: 'int' and 'str'", SEQUENCE)
                assert line in raised.value.remote_traceback


def test_the_original_test_object_with_two_clients(broker, program):
    server = program(SERVER.format(name="Slow"), broker.url)
    Client = RemoteCall.make_client_class(Slow, has_return_value=True)
    local = Slow(20, 42)

    def both(client, name, *args, **kwargs):
        local._set_client_id(client.client_id)
        return getattr(client, name)(*args, **kwargs), getattr(local, name)(*args, **kwargs)

    one = Client("agent1", url=broker.url, queue_name="remotecall")
    two = Client("agent2", url=broker.url, queue_name="remotecall")
    first = [
        both(one, "tell", "msg1", "msg2", "msg3"),
        both(one, "mult", factor=1 / 3),
        both(one, "tell"),
        both(one, "add", var="y", delta=-50),
        both(one, "tell"),
    ]
    for future, expect in first:
        assert future.get() == expect
    second = [both(two, "add", var="x", delta=300), both(two, "tell", "this", "is", "agent", 2)]
    for future, expect in second:
        assert future.get() == expect
    code, out, err = server.terminate()
    assert (code, out.splitlines()[-1], err) == (0, "drained", "")


def test_two_clients_at_once_both_get_everything(broker):
    server = RemoteCall(Slow(0, 0), url=broker.url, has_client_id=True).start()
    Client = RemoteCall.make_client_class(Slow)
    clients = [Client(f"agent/{n}", url=broker.url) for n in range(2)]
    futures = [client.tell(n) for n in range(100) for client in clients]
    for n, future in enumerate(futures):
        assert future.get() == f"({n // 2},) 0(0&agent/{n % 2})"
    slow = [client.add(1) for client in clients]
    assert {future.get() for future in slow} in ({"1(0&agent/0)", "2(0&agent/1)"}, {"1(0&agent/1)", "2(0&agent/0)"})
    assert server.stop()


def test_the_package_readme_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TENSORPLEX_URL", raising=False)
    text = (ROOT / "python" / "README.md").read_text()
    before = list(logging.getLogger().handlers)
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    assert len(blocks) == 3
    for block in blocks:
        exec(block, {})
    for handler in set(logging.getLogger().handlers) - set(before):
        logging.getLogger().removeHandler(handler)
        handler.close()
    assert capsys.readouterr().out == "2 5\n"
    assert [path.name.split(".")[0] for path in tmp_path.glob("runs/first/*")] == ["events"]


def test_every_exception_is_in_the_documentation():
    text = (ROOT / "docs" / "guide" / "python.md").read_text()
    kinds = [kind for kind in vars(tensorplex).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10
    assert [kind.__name__ for kind in kinds if f"`{kind.__name__}`" not in text] == []
