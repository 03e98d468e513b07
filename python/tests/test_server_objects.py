"""Tensorplex and Loggerplex as objects of a Python program."""

import json
import math
import pickle
import re
import signal
import socket
import subprocess

import pytest
from conftest import DEADLINE, ROOT, wait_for
from reading import points, shown
from test_records import server_program  # noqa: F401

import tensorplex
from tensorplex import Loggerplex, LoggerplexClient, ServerError, SummaryWriter, Tensorplex, TensorplexClient

TAGS = [".my#section/foo", ":my.section/bar", "cos", "/abs"]
CLIENTS = ["learner/lr", "agent/0", "agent/9", "individ/3", "eval/red", "eval/A"]


@pytest.fixture
def where(broker):
    """Arguments of `start`: a Redis, or a broker of its own."""
    return {"url": broker.url} if broker.is_real else {"port": 0}


def with_groups(folder):
    plex = Tensorplex(folder, max_processes=0)
    plex.register_normal_group("learner").register_indexed_group("agent", 8)
    plex.register_combined_group("eval", lambda name: ":color" if name == "red" else "alpha")
    return plex.register_indexed_group("individ", 1)


def mended(run, tag):
    """A defect of the original: the bin ``:color`` should be a section, as its documentation says."""
    found = re.fullmatch("eval(.*)/_color", tag)
    return (run, f"eval.color{found[1]}") if found else (run, tag)


def test_runs_and_tags_are_those_of_the_original(where, tmp_path):
    with with_groups(tmp_path).start(**where) as plex:
        for name in CLIENTS:
            client = plex.proxy(name)
            for step, tag in enumerate(TAGS):
                client.add_scalar(tag, step / 2, global_step=step)
            client.add_scalars({"yo": 1.0, ":yo": 2.0, ":yo.yo": 3.0}, 7)
        client.add_text("note", "hello", 3)
        client.add_histogram("h", [1.0, 2.0, 3.0], 4)
    pairs = json.loads((ROOT / "tests/fixtures/original_runs.json").read_text())
    assert len(pairs) == 44
    runs = shown(tmp_path)
    assert {(run, tag) for run, tags in runs.items() for tag in tags} == {mended(*pair) for pair in pairs}
    assert points(runs["agent/9"]["agent.my.section/bar/8-15"]) == [[1, 0.5]]


def test_a_wrong_client_is_refused_and_the_server_goes_on(tmp_path):
    asked = []

    def colour(name):
        asked.append(name)
        return {"red": ":color", "seven": 7}[name]

    with Tensorplex(tmp_path).register_combined_group("eval", colour) as plex:
        with pytest.raises(ValueError, match="unknown group 'agent'; the groups are eval"):
            plex.proxy("agent/0")
        clients = [plex.proxy(f"eval/{name}") for name in ("blue", "seven", "red")]
        clients.append(TensorplexClient("agent/0", url=plex.url))
        for step in range(3):
            for client in clients:
                client.add_scalar("loss", 0.5, step)
        assert [client.flush(DEADLINE) for client in clients] == [False, False, True, False]
        assert [client.stats()["refused"] for client in clients] == [3, 3, 0, 3]
        assert plex.stats()["refused"] == {"error of the object": 9}
        assert sorted(asked) == ["blue", "red", "seven"], "each name once"
    assert shown(tmp_path).keys() == {"eval/red"}


def test_why_a_client_was_refused_stands_on_standard_error(program, tmp_path):
    source = """
import sys
from tensorplex import Tensorplex
plex = Tensorplex(sys.argv[1]).register_combined_group("eval", lambda name: 1 / 0)
plex.proxy("eval/red").add_scalar("loss", 0.5, 1)
plex.stop()
"""
    code, out, err = program(source, tmp_path).end()
    assert (code, out) == (0, "")
    assert "eval/red" in err and "its function raised ZeroDivisionError: division by zero" in err


@pytest.mark.parametrize(
    "register, kind, text",
    [
        (lambda plex: plex.register_normal_group("a/b"), ValueError, "contains '/'"),
        (lambda plex: plex.register_normal_group("logs"), ValueError, "reserved"),
        (lambda plex: plex.register_normal_group("a").register_indexed_group("a", 8), ValueError, "'a' is registered twice"),
        (lambda plex: plex.register_indexed_group("a", 0), ValueError, "bin_size is 0"),
        (lambda plex: plex.register_indexed_group("a", 8.0), TypeError, "bin_size is a float"),
        (lambda plex: plex.register_combined_group("a", "alpha"), TypeError, "a function is wanted"),
    ],
)
def test_a_group_that_cannot_be_is_refused_at_once(tmp_path, register, kind, text):
    with pytest.raises(kind, match=text):
        register(Tensorplex(tmp_path))


def test_runs_of_a_summary_writer_lie_below_the_clients_own(tmp_path):
    plex = Tensorplex(tmp_path).register_normal_group("learner").register_indexed_group("agent", 8)
    with plex.start(0):
        for client_id in ("learner/lr", "agent/9"):
            with SummaryWriter(url=plex.url, client_id=client_id) as writer:
                writer.add_scalars("loss", {"train": 0.5, "val": 0.75}, 1)
                writer.add_hparams({"lr": 0.1}, {"best": 0.75}, run_name="hp")
                assert writer.flush(DEADLINE)
        assert plex.stats()["refused"] == {}
    runs = {run: set(tags) - {"_hparams_/session_end_info"} for run, tags in shown(tmp_path).items()}
    start = "_hparams_/session_start_info"
    assert runs == {
        "learner/loss_train": {"lr/loss"},
        "learner/loss_val": {"lr/loss"},
        "learner/hp": {start, "lr/best"},
        "agent/9/loss_train": {"agent/loss/8-15"},
        "agent/9/loss_val": {"agent/loss/8-15"},
        "agent/9/hp": {start, "agent/best/8-15"},
    }


def test_an_object_serves_once_and_groups_come_before(tmp_path):
    with Tensorplex(tmp_path) as plex:
        assert (plex.url, plex.port, plex.is_running, plex.stats()) == (None, None, False, {})
        plex.proxy("a").add_scalar("loss", 1, 1)
        assert plex.is_running and str(plex.port) in plex.url
        with pytest.raises(RuntimeError, match="was started before"):
            plex.start(0)
        with pytest.raises(RuntimeError, match="groups are registered first"):
            plex.register_normal_group("late")
    assert not plex.is_running and plex.stop()


def test_two_servers_cannot_have_one_directory(tmp_path):
    with Tensorplex(tmp_path).start(0):
        with pytest.raises(ServerError, match="in use by another server"):
            Tensorplex(tmp_path).start(0)


def test_a_queue_that_is_served_elsewhere_ends_the_server_with_the_reason(redis, tmp_path):
    with Tensorplex(tmp_path / "one").start(url=redis.url) as first:
        client = first.proxy("a")
        client.add_scalar("loss", 1, 1)
        assert client.flush(DEADLINE)
        with pytest.raises(ServerError, match="is held by the server at"):
            Tensorplex(tmp_path / "two").start_server(url=redis.url)
        assert first.is_running


def test_a_proxy_is_an_ordinary_client_elsewhere(tmp_path):
    with Tensorplex(tmp_path) as plex:
        with pickle.loads(pickle.dumps(plex.proxy("a"))) as client:
            assert type(client) is TensorplexClient
            client.add_scalar("loss", 1, 1)
            assert client.flush(DEADLINE)
    assert points(shown(tmp_path)["a"]["loss"]) == [[1, 1.0]]


def test_records_and_lines_may_go_through_one_broker(where, tmp_path):
    with Tensorplex(tmp_path).start(**where) as plex, Loggerplex(tmp_path / "logs").start(url=plex.url) as logs:
        with TensorplexClient("agent/0", url=plex.url) as records, LoggerplexClient("agent/0", url=logs.url) as lines:
            records.add_scalar("loss", 0.5, 1)
            lines.info("hello")
            assert records.flush(DEADLINE) and lines.flush(DEADLINE)
    assert points(shown(tmp_path)["agent/0"]["loss"]) == [[1, 0.5]]
    assert (tmp_path / "logs/agent/0.log").read_text().endswith(" INFO> hello\n")


def test_json_has_every_scalar_of_every_run(where, tmp_path, capsys):
    with with_groups(tmp_path).start(**where) as plex:
        client = plex.proxy("agent/9")
        for step, value in enumerate([0.5, math.nan, 0.25]):
            client.add_scalar("loss", value, step, walltime=100 + step)
        client.add_text("note", "no number")
        plex.proxy("learner/lr").add_scalar("loss", 1, 7, walltime=5)
        client.export_json("export/now")
        plex.print_done()
    found = {path.name: json.loads(path.read_text()) for path in (tmp_path / "export/now").iterdir()}
    assert found == {
        "agent.9.json": {"agent/loss/8-15": [[100.0, 0, 0.5], [101.0, 1, "NaN"], [102.0, 2, 0.25]]},
        "learner.json": {"lr/loss": [[5.0, 7, 1.0]]},
    }
    assert capsys.readouterr().out == "agent/9 done\nlearner done\n"


SERVER = """
import signal, sys
from tensorplex import Loggerplex, Tensorplex
folder, broker, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
where = {"url": broker} if broker else {"port": port}
plex = Tensorplex(folder).register_combined_group("eval", lambda name: ":color").register_indexed_group("agent", 8)
plex.start(**where)
logs = Loggerplex(folder + "/logs").start(url=plex.url)
print(plex.url, plex.port or 0, flush=True)
signal.pause()
"""


def start(program, folder, broker, port=0):
    """A server process, its address and its port."""
    server = program(SERVER, folder, broker.url if broker.is_real else "", port)
    url, port = server.line().split()
    return server, url, port


def test_a_server_that_is_killed_loses_nothing_and_repeats_nothing(broker, program, tmp_path):
    server, url, port = start(program, tmp_path, broker)
    records = [TensorplexClient(f"agent/{n}", url=url) for n in range(3)] + [TensorplexClient("eval/red", url=url)]
    lines = [LoggerplexClient(f"agent/{n}", url=url) for n in range(3)]
    step = 0
    for kill in range(6):
        for _ in range(500):
            for client in records:
                client.add_scalar("loss", step / 4, step)
            for client in lines:
                client.info("step", step)
            step += 1
        # Killed somewhere in the middle of all that.
        wait_for("some acks", lambda: records[0].stats()["acked"] > 400 * kill)
        server.kill()
        server, _, _ = start(program, tmp_path, broker, port)
    assert all(client.flush(DEADLINE) for client in records + lines)
    server.kill()
    runs = shown(tmp_path)
    expected = [[n, n / 4] for n in range(step)]
    for n in range(3):
        assert points(runs[f"agent/{n}"]["agent/loss/0-7"]) == expected
        text = (tmp_path / f"logs/agent/{n}.log").read_text()
        assert [line.split(" INFO> ")[1] for line in text.splitlines()] == [f"step {n}" for n in range(step)]
    assert points(runs["eval/red"]["eval.color/loss"]) == expected
    for client in records + lines:
        assert client.stats()["dropped"] == 0
        client.close(0)


def test_the_program_goes_on_where_a_killed_object_ended(redis, program, server_program, tmp_path):  # noqa: F811
    source = """
import signal, sys
from tensorplex import Tensorplex
plex = Tensorplex(sys.argv[1]).start(url=sys.argv[2])
print("started", flush=True)
signal.pause()
"""
    server = program(source, tmp_path, redis.url)
    assert server.line() == "started"
    with TensorplexClient("worker/1", url=redis.url) as client:
        for step in range(100):
            client.add_scalar("loss", step, step)
        assert client.flush(DEADLINE)
        server.kill()
        for step in range(100, 200):
            client.add_scalar("loss", step, step)
        command = [server_program, "--logdir", tmp_path, "--redis", redis.url]
        other = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert client.flush(DEADLINE)
        finally:
            other.terminate()
            assert other.wait(DEADLINE) == 0
    assert points(shown(tmp_path)["worker/1"]["loss"]) == [[step, float(step)] for step in range(200)]


def test_start_server_blocks_until_a_signal_and_drains(redis, program, tmp_path):
    source = """
import sys
from tensorplex import Tensorplex
plex = Tensorplex(sys.argv[1])
plex.start_server(url=sys.argv[2])
print("drained", plex.is_running)
"""
    server = program(source, tmp_path, redis.url)
    client = TensorplexClient("worker/1", url=redis.url)
    for step in range(1000):
        client.add_scalar("loss", 0.5, step)
    assert client.flush(DEADLINE)
    assert server.terminate() == (0, "drained False\n", "")
    assert len(points(shown(tmp_path)["worker/1"]["loss"])) == 1000
    client.close(0)


def test_start_server_has_its_own_broker_on_its_port(program, tmp_path):
    source = """
import sys, threading, time
from tensorplex import Loggerplex
logs = Loggerplex(sys.argv[1])
def tell():
    while logs.port is None:
        time.sleep(0.001)
    print(logs.port, flush=True)
threading.Thread(target=tell).start()
logs.start_server(0)
print("drained")
"""
    server = program(source, tmp_path)
    with LoggerplexClient("worker/1", port=int(server.line())) as client:
        client.warning("hello")
        assert client.flush(DEADLINE)
    assert server.terminate(signal.SIGINT) == (0, "drained\n", "")
    assert (tmp_path / "worker/1.log").read_text().endswith(" WARNING> hello\n")


def test_the_server_works_while_python_holds_the_interpreter(program, tmp_path):
    source = """
import ctypes, sys
from tensorplex import Tensorplex
plex = Tensorplex(sys.argv[1]).start(0)
print(plex.url, flush=True)
ctypes.PyDLL(None).sleep(600)  # PyDLL: the interpreter's lock is held all the time
"""
    server = program(source, tmp_path)
    with TensorplexClient("worker/1", url=server.line()) as client:
        client.add_scalar("loss", 0.5, 1)
        assert client.flush(DEADLINE)
    server.kill()
    assert points(shown(tmp_path)["worker/1"]["loss"]) == [[1, 0.5]]


def test_a_program_that_just_ends_has_written_everything(program, tmp_path):
    source = """
import sys
from tensorplex import Loggerplex, Tensorplex
records, lines = Tensorplex(sys.argv[1]).proxy("agent/0"), Loggerplex(sys.argv[1] + "/logs").proxy("agent/0")
for step in range(1000):
    records.add_scalar("loss", 0.5, step)
    lines.info(step)
"""
    assert program(source, tmp_path).end() == (0, "", "")
    assert len(points(shown(tmp_path)["agent/0"]["loss"])) == 1000
    lines = (tmp_path / "logs/agent/0.log").read_text().splitlines()
    assert [line.split("> ")[1] for line in lines] == [str(step) for step in range(1000)]


def test_after_a_fork_the_server_is_the_parents(program, tmp_path):
    source = """
import os, sys
from tensorplex import Tensorplex
plex = Tensorplex(sys.argv[1]).start(0)
plex.proxy("parent").add_scalar("loss", 1, 1)
child = os.fork()
if child == 0:
    assert not plex.is_running and plex.stop() and plex.stats()["calls"] == 0
    try:
        plex.start(0)
    except RuntimeError as error:
        assert "was started before" in str(error)
    client = plex.proxy("child")
    client.add_scalar("loss", 2, 1)
    os._exit(0 if client.flush(60) else 1)
assert os.waitpid(child, 0)[1] == 0
assert plex.is_running and plex.stop(60)
"""
    assert program(source, tmp_path).end() == (0, "", "")
    runs = shown(tmp_path)
    assert points(runs["parent"]["loss"]) == [[1, 1.0]] and points(runs["child"]["loss"]) == [[1, 2.0]]


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        plex = Tensorplex(tmp_path)
        with pytest.raises(OSError, match="cannot listen"):
            plex.start(taken.getsockname()[1])
    assert not plex.is_running and plex.stop()


def test_the_documentation_runs(tmp_path):
    text = (ROOT / "docs/guide/python.md").read_text().split("## A server in your program\n")[1]
    source = text.split("```python\n")[1].split("```")[0].replace('"runs', f'"{tmp_path}').replace("8008", "0")
    exec(source, {})
    assert shown(tmp_path)["agent/9"].keys() == {"agent/loss/8-15", "agent.time/step/8-15"}
    assert (tmp_path / "json/agent.9.json").exists()
    assert (tmp_path / "logs/agent/9.log").read_text().endswith(" INFO3> a finer level\n")
