"""`add_scalar` has a short way for what a training loop hands over: it records, counts and refuses as the long one does."""

import itertools
import json
import logging
import math
import os
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import DEADLINE, wait_for
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from test_spool import NOWHERE, state

import tensorplex
from tensorplex import SummaryWriter, Tensorplex, TensorplexClient

F32 = np.float32


class Celsius(float):
    def __float__(self):
        return float.__float__(self) + 273.0


class Count(int):
    def __index__(self):
        return 7

    def __float__(self):
        return 7.0


class Name(str):
    def __str__(self):
        return "by __str__"


class Sum:
    """An array of any library."""

    def __array__(self, dtype=None, copy=None):
        return np.asarray(2.5, dtype)


#: Values that go the short way, and others; what is written.
USUAL = [(0.1, 0.1), (-0.0, 0.0), (3, 3), (-(2**63), -(2.0**63)), (2**70, 2.0**70), (F32(0.1), 0.1), (np.float64(0.1), 0.1)]
OTHER = [(True, 1), (np.int64(4), 4), (np.array([0.1]), 0.1), (np.float16(0.5), 0.5), (np.bool_(True), 1), (Sum(), 2.5)]
OTHER += [(Celsius(1), 274), (Count(3), 7)]


@pytest.fixture(params=["client", "writer", "directory"])
def place(request, tmp_path):
    """What records, and what reads the scalars of a run then."""
    logdir = tmp_path / "runs"

    def scalars(run="worker"):
        return json.loads(tensorplex._native.export_json(str(logdir)))[run]

    if request.param == "directory":
        yield lambda name="worker": SummaryWriter(logdir / name, url=""), scalars
        return
    with Tensorplex(logdir).start(port=0) as plex:
        if request.param == "client":
            yield lambda name="worker": TensorplexClient(name, url=plex.url), scalars
        else:
            yield lambda name="worker": SummaryWriter(url=plex.url, client_id=name), scalars


@pytest.fixture(params=["client", "directory"])
def native(request, tmp_path):
    """The short way itself."""
    if request.param == "client":
        yield tensorplex._native.Client(NOWHERE, "tensorplex", "worker")
    else:
        yield tensorplex._native.LocalWriter(str(tmp_path), 1.0)


def test_numbers_of_every_kind_arrive(place):
    open_one, scalars = place
    with open_one() as log:
        for step, (value, _) in enumerate(USUAL + OTHER):
            log.add_scalar("loss", value, step)
        assert log.flush(DEADLINE) is True
    expect = [[step, float(F32(value))] for step, (_, value) in enumerate(USUAL + OTHER)]
    assert [[step, float(F32(value))] for _, step, value in scalars()["loss"]] == expect


def test_steps_tags_and_times_of_every_kind_arrive(place):
    open_one, scalars = place
    with open_one() as log:
        for n, step in enumerate([None, 5, -(2**63), 2**63 - 1, np.int64(6), 7.0, True, Count(8)]):
            log.add_scalar(f"step {n}", 0.5, step)
        for walltime in [1234.5, 1235, F32(1236), np.float64(1237.5), np.array(1238.5), Celsius(1000.0)]:
            log.add_scalar("times", 0.5, 1, walltime)
        log.add_scalar("ä €\U0001f600", 0.5, 1)
        log.add_scalar(Name("name"), 0.5, 1)
        assert log.flush(DEADLINE) is True
    found = scalars()
    assert [found.pop(f"step {n}")[0][1] for n in range(8)] == [0, 5, -(2**63), 2**63 - 1, 6, 7, 1, 8]
    assert [time for time, _, _ in found["times"]] == [1234.5, 1235, 1236, 1237.5, 1238.5, 1273]
    assert found.keys() == {"times", "ä €\U0001f600", "name"}


def test_numbers_and_times_that_are_not_finite(place):
    open_one, scalars = place
    with open_one() as log:
        for value in [math.nan, math.inf, F32("-inf"), np.float64("nan")]:
            log.add_scalar("loss", value, 1)
        log.add_scalar("time", 1, 1, math.nan)
        log.add_scalar("time", 1, 2)
        assert log.flush(DEADLINE) is True
    found = scalars()
    assert [value for _, _, value in found["loss"]] == ["NaN", "Infinity", "-Infinity", "NaN"]
    assert all(abs(at - time.time()) < 600 for at, _, _ in found["time"]), "that of the call"


def test_arguments_by_name_and_those_of_the_other_libraries(place):
    open_one, scalars = place
    with open_one() as log:
        log.add_scalar(tag="named", scalar_value=0.5, global_step=3, walltime=1234.5)
        log.add_scalar("torch", 0.5, 4, 1234.5, False, True)
        log.add_scalar("tensor", 0.5, 4, 1234.5, True)
        log.add_scalar("title", 0.5, 5, 1234.5, "a title", "a text")
        assert log.flush(DEADLINE) is True
    found = scalars()
    assert {tag: points for tag, points in found.items()} == {
        "named": [[1234.5, 3, 0.5]],
        "torch": [[1234.5, 4, 0.5]],
        "tensor": [[1234.5, 4, 0.5]],
        "title": [[1234.5, 5, 0.5]],
    }


def test_what_asks_for_a_tensor_a_title_or_a_text_gets_it(tmp_path):
    with SummaryWriter(tmp_path, url="") as log:
        log.add_scalar("plain", 0.5, 1)
        log.add_scalar("tensor", 0.5, 1, new_style=True)
        log.add_scalar("title", 0.5, 1, None, "a title")
        log.add_scalar("text", 0.5, 1, summary_description="a text")
    (file,) = tmp_path.iterdir()
    values = [value for event in RawEventFileLoader(str(file)).Load() for value in Event.FromString(event).summary.value]
    found = {value.tag: (value.WhichOneof("value"), value.metadata) for value in values}
    assert {tag: kind for tag, (kind, _) in found.items()} == {
        "plain": "simple_value",
        "tensor": "tensor",
        "title": "tensor",
        "text": "tensor",
    }
    assert found["title"][1].display_name == "a title" and found["text"][1].summary_description == "a text"


@pytest.mark.parametrize("value", [value for value, _ in USUAL])
def test_the_short_way_takes_what_is_usual(native, value):
    assert native.add_scalar("loss", value, 1, None) is True
    assert native.add_scalar("loss", value, None, 1234.5) is True
    native.close(0)


@pytest.mark.parametrize(
    "args",
    [
        *(("loss", value, 1, None) for value, _ in OTHER),
        *(("loss", value, 1, None) for value in ["0.5", None, [0.5], 1j, 10**400, object()]),
        *((tag, 0.5, 1, None) for tag in ["", Name("loss"), b"loss", 1, "\udc80", "x" * ((64 << 10) + 1)]),
        *(("loss", 0.5, step, None) for step in [2**63, -(2**63) - 1, 1.0, True, Count(1), "1"]),
        *(("loss", 0.5, 1, walltime) for walltime in ["now", True, np.array(1.5), Celsius(1)]),
    ],
)
def test_the_short_way_does_nothing_with_anything_else(native, args):
    assert native.add_scalar(*args) is None
    if isinstance(native, tensorplex._native.Client):
        assert native.stats()["taken"] == native.stats()["dropped"] == 0
    assert native.refused() == 0
    native.close(0)


@pytest.mark.parametrize(
    "args, kind, text",
    [
        (("\udc80", 0.5), ValueError, "lone surrogate"),
        (("loss", 10**400), ValueError, "beyond what a float holds"),
        (("loss", 0.5, 2**63), ValueError, "global_step is 9223372036854775808"),
        (("x" * (17 << 20), 0.5), tensorplex.TooLarge, "at most 16777216"),
    ],
)
def test_what_is_refused_is_not_counted_as_dropped(args, kind, text):
    client = TensorplexClient("worker", url=NOWHERE)
    with pytest.raises(kind, match=text):
        client.add_scalar(*args)
    assert client.stats()["taken"] == client.stats()["dropped"] == 0
    client.close(0)


#: 64 MiB of them fill a window.
LONG_TAG = "x" * (64 << 10)
FILL = 1100


@pytest.mark.parametrize("policy, cause", [("drop_newest", "dropped_newest"), ("drop_oldest", "dropped_oldest")])
def test_what_a_full_window_drops_is_counted_once_and_told_once(policy, cause, caplog):
    client = TensorplexClient("worker", url=NOWHERE, when_full=policy)
    with caplog.at_level(logging.WARNING, "tensorplex"):
        for step in range(FILL):
            client.add_scalar(LONG_TAG, 0.5, step)
    stats = client.stats()
    kept = stats["taken"] - stats["dropped_oldest"]
    assert 0 < stats["dropped"] == stats[cause] == FILL - kept
    told = [record for record in caplog.records if "the window is full" in record.message]
    assert len(told) == (policy == "drop_newest")
    assert client.flush(0) is False
    client.close(0)


def test_a_writer_drops_silently_and_its_stats_tell(caplog):
    writer = SummaryWriter(url=NOWHERE, client_id="worker")
    for step in range(FILL):
        writer.add_scalar(LONG_TAG, 0.5, step)
    assert 0 < writer.stats()["dropped_newest"] == FILL - writer.stats()["taken"]
    assert not any("the window is full" in record.message for record in caplog.records)
    writer.close(0)


def test_one_that_waits_for_room_lets_other_threads_run():
    client = TensorplexClient("worker", url=NOWHERE, when_full=0.2)
    while client.stats()["dropped_newest"] == 0:
        client.add_scalar(LONG_TAG, 0.5, 1)
    ticks, done = itertools.count(), threading.Event()

    def tick():
        while not done.wait(0.001):
            next(ticks)

    thread = threading.Thread(target=tick)
    thread.start()
    before = next(ticks)
    client.add_scalar(LONG_TAG, 0.5, 1)
    after = next(ticks)
    done.set()
    thread.join()
    assert client.stats()["dropped_newest"] == 2
    # It ticked about two hundred times; attached, the wait would have let it tick once or twice.
    assert after - before > 10
    client.close(0)


def test_one_that_waits_for_room_ends_with_the_client():
    client = TensorplexClient("worker", url=NOWHERE, when_full="block")
    outcome = []

    def fill():
        try:
            for step in range(FILL):
                client.add_scalar(LONG_TAG, 0.5, step)
        except tensorplex.ClientClosed as error:
            outcome.append(error)

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    wait_for("an almost full window", lambda: client.stats()["taken"] * len(LONG_TAG) > (63 << 20))
    assert client.close(0) is False
    thread.join(DEADLINE)
    assert len(outcome) == 1 and client.stats()["taken"] < FILL


def test_one_that_waits_for_a_time_is_dropped_then():
    client = TensorplexClient("worker", url=NOWHERE, when_full=0.001)
    for step in range(FILL):
        client.add_scalar(LONG_TAG, 0.5, step)
    assert 0 < client.stats()["dropped_newest"] == FILL - client.stats()["taken"]
    client.close(0)


def test_one_that_waits_is_taken_when_there_is_room(tmp_path):
    """Every call arrives; the server refuses each for its long tag, so `flush` is false."""
    with Tensorplex(tmp_path).start(port=0) as plex:
        with TensorplexClient("worker", url=plex.url, when_full="block") as client:
            for step in range(FILL):
                client.add_scalar(LONG_TAG, 0.5, step)
            assert client.flush(DEADLINE) is False
            stats = client.stats()
            assert (stats["acked"], stats["refused"], stats["dropped"]) == (FILL, FILL, 0)


WAITER = """
import sys
from tensorplex import *
client = TensorplexClient("worker", url=sys.argv[1], when_full="block")
print("full", flush=True)
try:
    for step in range(2000):
        client.add_scalar("x" * (64 << 10), 0.5, step)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_the_wait_for_room(program):
    worker = program(WAITER, NOWHERE)
    assert worker.line() == "full"
    wait_for("the worker to sleep", lambda: state(worker.process.pid) == "S")
    worker.process.send_signal(2)
    assert worker.line() == "interrupted"


def test_after_close_a_client_refuses_and_a_writer_opens_again(place):
    open_one, scalars = place
    log = open_one()
    log.add_scalar("loss", 0.5, 1)
    assert log.close(DEADLINE) is True
    if isinstance(log, TensorplexClient):
        with pytest.raises(tensorplex.ClientClosed):
            log.add_scalar("loss", 0.5, 2)
        assert log.stats()["dropped_after_close"] == 1
        return
    log.add_scalar("loss", 0.5, 2)
    assert log.close(DEADLINE) is True
    assert [step for _, step, _ in scalars()["loss"]] == [1, 2]


def test_a_child_a_copy_for_another_process_and_many_threads(place):
    open_one, scalars = place
    log = open_one()
    log.add_scalar("parent", 0.5, 1)
    child = os.fork()
    if child == 0:
        log.add_scalar("child", 0.5, 1)
        os._exit(0 if log.flush(DEADLINE) else 1)
    assert os.waitpid(child, 0)[1] == 0
    other = pickle.loads(pickle.dumps(log))
    other.add_scalar("pickled", 0.5, 1)
    assert other.close(DEADLINE) is True

    def many(tag):
        for step in range(1000):
            log.add_scalar(tag, 0.5, step)

    threads = [threading.Thread(target=many, args=(f"thread {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.close(DEADLINE) is True
    counts = {tag: len(points) for tag, points in scalars().items()}
    assert counts == {"parent": 1, "child": 1, "pickled": 1} | {f"thread {n}": 1000 for n in range(4)}


@pytest.mark.parametrize("place", ["writer", "directory"], indirect=True)
def test_a_writers_default_step_and_time_come_and_go(place):
    open_one, scalars = place
    with open_one() as log:
        log.add_scalar("loss", 0.5, 1, 1.0)
        with log.use_metadata(global_step=7, walltime=2.0):
            log.add_scalar("loss", 0.5)
            with log.use_metadata(global_step=8):
                log.add_scalar("loss", 0.5, walltime=3.0)
            log.close(DEADLINE)
            log.add_scalar("loss", 0.5)
            with pickle.loads(pickle.dumps(log)) as other:
                other.add_scalar("other", 0.5, 9, 4.0)
                other.add_scalar("other", 0.5, walltime=4.0)
        log.add_scalar("loss", 0.5, walltime=5.0)
        assert log.flush(DEADLINE) is True
    found = scalars()
    assert [[at, step] for at, step, _ in found["loss"]] == [[1, 1], [2, 7], [3, 8], [2, 7], [5, 0]]
    assert [[at, step] for at, step, _ in found["other"]] == [[4, 9], [4, 0]]


def test_a_deadline_is_that_of_each_copy(tmp_path, redis):
    """The deadline passes, by the broker's clock, while there is no server."""
    patient = TensorplexClient("worker", url=redis.url)
    hurried = patient.with_deadline(0.001)
    hurried.add_scalar("late", 0.5, 1)
    patient.add_scalar("in time", 0.5, 1)

    def clock():
        seconds, microseconds = map(int, redis.ask("TIME").split())
        return seconds * 1000 + microseconds // 1000

    last_call = clock()
    wait_for("the deadline", lambda: clock() > last_call + 1)
    with Tensorplex(tmp_path).start(url=redis.url) as server:
        assert patient.close(DEADLINE) is False, "one was refused"
        assert server.stats()["refused"] == {"deadline exceeded": 1}
    assert json.loads(tensorplex._native.export_json(str(tmp_path)))["worker"].keys() == {"in time"}


@pytest.mark.parametrize("kind", ["client", "writer"])
def test_what_was_recorded_is_in_the_spool_when_the_call_returns(tmp_path, kind):
    how = {
        "client": f"TensorplexClient('worker', url={NOWHERE!r}, spool=sys.argv[1])",
        "writer": f"SummaryWriter(url={NOWHERE!r}, client_id='worker', spool=sys.argv[1])",
    }[kind]
    source = f"import os, sys\nfrom tensorplex import *\nlog = {how}\n"
    source += "for n in range(100): log.add_scalar('loss', n / 2, n)\nos._exit(0)"
    subprocess.run([sys.executable, "-c", source, str(tmp_path / "spool")], check=True)
    with Tensorplex(tmp_path / "runs").start(port=0) as plex:
        with TensorplexClient("worker", url=plex.url, spool=tmp_path / "spool") as log:
            assert log.flush(DEADLINE) is True
    series = json.loads(tensorplex._native.export_json(str(tmp_path / "runs")))["worker"]["loss"]
    assert [(step, value) for _, step, value in series] == [(n, n / 2) for n in range(100)]


def test_a_subclass_may_do_more():
    class Scaled(TensorplexClient):
        def add_scalar(self, tag, scalar_value, *args, **kwargs):
            super().add_scalar(f"scaled/{tag}", scalar_value * 2, *args, **kwargs)

    client = Scaled("worker", url=NOWHERE)
    client.add_scalar("loss", 0.5, 1)
    client.add_hparams({"lr": 0.1}, {"best": 0.75})
    assert client.stats()["taken"] >= 2
    client.close(0)
