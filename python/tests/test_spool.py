"""What survives a kill of the worker, and what becomes of calls when the window is full."""

import json
import os
import pickle
import signal
import subprocess
import sys

import pytest
from conftest import DEADLINE, wait_for
from objects import OneWayClient

import tensorplex
from tensorplex import LoggerplexClient, RemoteCall, SummaryWriter, Tensorplex, TensorplexClient

NOWHERE = "redis://127.0.0.1:1"

RECORDER = """
import sys, time
from tensorplex import *
how, url, spool = sys.argv[1:]
if how == "client":
    log = TensorplexClient("agent/1", url=url, spool=spool)
elif how == "writer":
    log = SummaryWriter("runs/agent/1", url=url, spool=spool, client_id="agent/1")
else:
    log = LoggerplexClient("agent/1", url=url)        # the environment names the spool
for n in range(1000):
    log.info(n) if how == "lines" else log.add_scalar("loss", n, n)
print("accepted", flush=True)
time.sleep(600)
"""


def killed(how, spool):
    """A worker that accepted a thousand records, without any server, and was killed."""
    environment = os.environ | ({"TENSORPLEX_SPOOL": str(spool)} if how == "lines" else {})
    command = [sys.executable, "-c", RECORDER, how, NOWHERE, str(spool)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert worker.stdout.readline() == "accepted\n"
    worker.kill()
    worker.wait()


@pytest.mark.parametrize("how", ["client", "writer"])
def test_records_of_a_killed_worker_are_delivered_by_the_next_one(tmp_path, how):
    killed(how, tmp_path / "spool")
    with Tensorplex(tmp_path / "runs").start(port=0) as plex:
        with TensorplexClient("agent/1", url=plex.url, spool=tmp_path / "spool") as log:
            log.add_scalar("loss", 1000, 1000)
            assert log.flush(DEADLINE) is True
            assert log.stats()["taken"] == 1001
        assert list((tmp_path / "spool").iterdir()) == []
    series = exported(tmp_path / "runs")["agent/1"]["loss"]
    assert [(step, value) for _, step, value in series] == [(n, n) for n in range(1001)]


def exported(logdir):
    return json.loads(tensorplex._native.export_json(str(logdir)))


def test_lines_of_a_killed_worker_are_delivered_by_the_next_one(tmp_path, monkeypatch):
    killed("lines", tmp_path / "spool")
    with tensorplex.Loggerplex(tmp_path / "logs").start(port=0) as logs:
        monkeypatch.setenv("TENSORPLEX_SPOOL", str(tmp_path / "spool"))
        with LoggerplexClient("agent/1", url=logs.url) as log:
            assert log.flush(DEADLINE) is True
    lines = (tmp_path / "logs/agent/1.log").read_text().splitlines()
    assert [line.split()[-1] for line in lines] == [str(n) for n in range(1000)]


def test_a_child_leaves_its_parents_spool_alone(tmp_path):
    parent = OneWayClient(1, url=NOWHERE, spool=tmp_path)
    parent.echo(1)
    (own,) = tmp_path.iterdir()
    before = sum(file.stat().st_size for file in own.iterdir())
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        parent.echo(2)
        os.write(writing, b"x")
        signal.pause()
        os._exit(0)
    try:
        assert os.read(reading, 1) == b"x"
        assert len(list(tmp_path.iterdir())) == 2, "the child has one of its own"
        assert sum(file.stat().st_size for file in own.iterdir()) == before
        # The child lives, and does not hold what was its parent's.
        parent.close(0)
        with OneWayClient(1, url=NOWHERE, spool=tmp_path) as after:
            assert after.stats()["taken"] == 1
            after._native.close(0)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_client_without_a_usable_spool_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        TensorplexClient("agent/1", url=NOWHERE, spool=tmp_path / "file" / "spool")
    with pytest.raises(ValueError, match="name its directory"):
        TensorplexClient("agent/1", url=NOWHERE, when_full="spill")
    for policy in ["drop", 0, -1.0]:
        with pytest.raises(ValueError, match="'drop_newest', 'drop_oldest', 'spill', 'block' or a positive number"):
            SummaryWriter(url=NOWHERE, when_full=policy)


def test_options_travel_with_a_pickled_client(tmp_path):
    with TensorplexClient("agent/1", url=NOWHERE, spool=tmp_path, when_full="spill") as client:
        other = pickle.loads(pickle.dumps(client))
        assert other._delivery == client._delivery == {"spool": str(tmp_path), "when_full": "spill"}
        assert len(list(tmp_path.iterdir())) == 2
        other.close(0)


#: Does not become shorter on its way.
BLOCK = os.urandom(8 << 20)


class Notes:
    def __init__(self):
        self.seen = []

    def note(self, n, block):
        self.seen.append(n)


NotesClient = RemoteCall.make_client_class(Notes, has_return_value=False)


def seen_by_server(broker, **options):
    with NotesClient(1, url=broker.url, **options) as client:
        for n in range(16):
            client.note(n, BLOCK)
        stats = client.stats()
        notes = Notes()
        with RemoteCall(notes, url=broker.url).start():
            flushed = client.flush(DEADLINE)
        assert flushed is (stats["dropped"] == 0)
    return notes.seen, stats


def test_the_oldest_are_dropped_when_newer_ones_come(broker):
    seen, stats = seen_by_server(broker, when_full="drop_oldest")
    assert seen[-1] == 15 and len(seen) + stats["dropped_oldest"] == 16
    assert 0 < stats["dropped_oldest"] == stats["dropped"]


def test_what_spills_is_delivered(broker, tmp_path):
    seen, stats = seen_by_server(broker, when_full="spill", spool=tmp_path)
    assert seen == list(range(16)) and stats["dropped"] == 0


def test_a_call_may_wait_for_room(broker):
    seen, stats = seen_by_server(broker, when_full=0.01)
    assert seen == list(range(len(seen))) and len(seen) + stats["dropped_newest"] == 16
    with NotesClient(1, url=broker.url, when_full="block") as client:
        notes = Notes()
        with RemoteCall(notes, url=broker.url).start():
            for n in range(16):
                client.note(n, BLOCK)
            assert client.flush(DEADLINE) is True
    assert notes.seen == list(range(16))


WAITER = """
import sys
from tensorplex import *
class Notes:
    def note(self, n, block): pass
Client = RemoteCall.make_client_class(Notes, has_return_value=False)
client = Client(1, url=sys.argv[1], when_full="block")
print("full", flush=True)
try:
    for n in range(100):
        client.note(n, bytes(8 << 20))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_the_wait_for_room():
    worker = subprocess.Popen([sys.executable, "-c", WAITER, NOWHERE], stdout=subprocess.PIPE, text=True)
    assert worker.stdout.readline() == "full\n"
    wait_for("the worker to sleep", lambda: state(worker.pid) == "S")
    worker.send_signal(signal.SIGINT)
    assert worker.stdout.readline() == "interrupted\n"
    worker.kill()
    worker.wait()


def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


LOSER = """
import logging, sys
from tensorplex import *
logging.basicConfig()
client = TensorplexClient("agent/1", url=sys.argv[1])
for n in range(12):
    client.add_text("long", "x" * (7 << 20), n)
"""


def test_what_was_dropped_is_logged_at_exit():
    command = [sys.executable, "-c", LOSER, NOWHERE]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    assert "calls of this process were dropped: 3 newest" in said
