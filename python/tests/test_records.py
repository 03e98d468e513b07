"""Records and log lines of Python programs, through a real tensorplex-server, as TensorBoard's two readers see them."""

import logging
import math
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import DEADLINE, ROOT, Redis, built, wait_for
from reading import points, shown

import tensorplex
from tensorplex import LoggerplexClient, LoggerplexHandler, TensorplexClient


class Server:
    """A tensorplex-server, with its own broker or on a Redis, that writes to a directory."""

    def __init__(self, program, logdir, redis):
        self.logdir = logdir
        command = [program, "--logdir", logdir, "--log-level", "debug"]
        command += ["--redis", redis.url] if redis else ["--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        where = self.process.stdout.readline()
        self.url = redis.url if redis else "redis://" + where.split()[2]

    def readers(self):
        return shown(self.logdir)

    def log(self, client_id):
        return (self.logdir / "logs" / f"{client_id}.log").read_text()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(DEADLINE) == 0
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server_program():
    return built("tensorplex-server")


@pytest.fixture(params=["redis", "embedded"])
def server(request, server_program, tmp_path):
    redis = Redis() if request.param == "redis" else None
    server = Server(server_program, tmp_path / "runs", redis)
    yield server
    server.stop()
    if redis:
        redis.close()


@pytest.fixture
def nowhere():
    """A client without a server: nothing of what is wrong with a call is found out there."""
    with tensorplex.EmbeddedBroker(port=0) as broker:
        client = TensorplexClient("worker/1", url=broker.url)
        yield client
        client.close(0)


class Exporter:
    """What offers DLPack only."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Tensor:
    """What has ``__array__`` only when it is detached, like a tensor that records gradients."""

    def __init__(self, array, detached=False):
        self.array, self.detached = np.asarray(array), detached

    def detach(self):
        return Tensor(self.array, True)

    def __array__(self, dtype=None, copy=None):
        if not self.detached:
            raise RuntimeError("call detach() first")
        return self.array


class Picture:
    """What an image of PIL has."""

    mode = "RGB"

    def __init__(self, array):
        self.array = array

    def getbands(self):
        return ("R", "G", "B")

    def convert(self, mode):
        raise AssertionError("it is RGB already")

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_scalars_of_every_kind_arrive(server):
    numbers = [
        1,
        0.5,
        True,
        np.float32(2),
        np.int64(3),
        np.array(4.0),
        np.array([[5]]),
        Tensor([6.0]),
        Exporter(np.array([7.0])),
    ]
    with TensorplexClient("worker/1", url=server.url) as client:
        for step, number in enumerate(numbers):
            client.add_scalar("loss", number, np.int64(step))
        client.add_scalar("odd", math.nan, 1)
        client.add_scalar("odd", math.inf, 2)
        client.add_scalar("no step", 1.5)
        client.add_scalar("timed", 1.5, 3, walltime=1234.5)
        client.add_scalars({"a": 1, "b/c": np.float16(0.25)}, 4)
        assert client.flush(DEADLINE)
        stats = client.stats()
        assert stats["taken"] == stats["acked"] == len(numbers) + 5 and stats["dropped"] == 0
    run = server.readers()["worker/1"]
    assert points(run["loss"]) == [[step, float(value)] for step, value in enumerate([1, 0.5, 1, 2, 3, 4, 5, 6, 7])]
    assert points(run["odd"]) == [[1, "NaN"], [2, "Infinity"]]
    assert points(run["no step"]) == [[0, 1.5]]
    assert run["timed"]["points"] == [[3, 1.5, 1234.5]]
    assert points(run["a"]) == [[4, 1.0]] and points(run["b/c"]) == [[4, 0.25]]
    assert abs(run["a"]["points"][0][2] - time.time()) < 600


def test_every_other_record_arrives(server, tmp_path):
    pixels = np.zeros((3, 8, 16), np.uint8)
    with TensorplexClient("worker/1", url=server.url) as client:
        client.add_histogram("weights", Tensor([[1.0, 2.0], [3.0, math.nan]]), 1)
        client.add_histogram("edges", [0.5, 1.5, 1.75], 1, bins=[0, 1, 2])
        client.add_histogram("seven", np.arange(7.0), 1, bins=np.int64(7), max_bins=np.int64(7))
        client.add_text("note", "**bold**", 2)
        client.add_image("bytes", pixels, 3)
        client.add_image("floats", np.zeros((8, 16), np.float64), 3, dataformats="HW")
        client.add_image("transposed", pixels.transpose(1, 2, 0), 3, dataformats="HWC")
        client.add_image("pil", Picture(pixels.transpose(1, 2, 0)), 3)
        client.add_images("grid", np.zeros((9, 1, 4, 4), np.float32), 3)
        client.add_image_with_boxes("boxes", pixels, [[1, 1, 5, 5]], 3)
        client.add_video("video", np.zeros((1, 2, 3, 8, 8), np.uint8), 4)
        client.add_audio("sound", np.zeros((1, 100)), 5, sample_rate=8000)
        client.add_audio("stereo", np.zeros((100, 2)), 5)
        client.add_pr_curve("pr", [0, 1, 1], [0.1, 0.9, 0.4], 6, num_thresholds=5)
        client.add_pr_curve_raw("raw", *[[1, 0.5]] * 6, 6)
        client.add_custom_scalars({"losses": {"all": ["Multiline", ["a.*"]], "band": ["Margin", ["x", "y", "z"]]}})
        client.add_mesh("mesh", np.zeros((1, 3, 3)), colors=np.zeros((3, 3), np.uint8), faces=[[0, 1, 2]], global_step=7)
        client.add_hparams({"lr": 0.1, "amp": True, "opt": "adam", "n": np.int64(3)}, {"best": 0.75}, global_step=8)
        client.add_embedding(np.eye(3), metadata=["a", "b", "c"], global_step=9)
        assert client.flush(DEADLINE)
    run = server.readers()["worker/1"]
    assert sum(bucket[2] for bucket in points(run["weights"])[0][1]) == 3
    assert points(run["edges"]) == [[1, [[0.0, 1.0, 1.0], [1.0, 2.0, 2.0]]]]
    assert [count for _, _, count in points(run["seven"])[0][1]] == [1.0] * 7
    assert points(run["note/text_summary"]) == [[2, ["**bold**"]]]
    for tag in ("bytes", "floats", "transposed", "pil", "grid", "boxes", "video", "sound", "stereo"):
        assert run[tag]["kind"] == "blob" and len(points(run[tag])) == 1, tag
    assert points(run["bytes"]) == points(run["transposed"]) == points(run["pil"]) != points(run["boxes"])
    assert np.shape(points(run["pr"])[0][1]) == (6, 5)
    assert points(run["raw"]) == [[6, [[1.0, 0.5]] * 6]]
    assert run["custom_scalars__config__"]["plugin"] == "custom_scalars"
    assert points(run["mesh_VERTEX"]) == [[7, [[[0.0] * 3] * 3]]] and points(run["mesh_FACE"]) == [[7, [[[0.0, 1.0, 2.0]]]]]
    assert "_hparams_/session_start_info" in run and points(run["best"]) == [[8, 0.75]]
    assert list((server.logdir / "worker/1").glob("projector_config.pbtxt"))


def test_ready_made_messages_arrive(server):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    summary = Summary(value=[Summary.Value(tag="ready", simple_value=0.5)])
    with TensorplexClient("worker/1", url=server.url) as client:
        client.add_summary(summary, 1)
        client.add_summary(summary.SerializeToString(), 2)
        client.add_event(Event(step=3, wall_time=5.0, summary=summary))
        assert client.flush(DEADLINE)
    assert points(server.readers()["worker/1"]["ready"]) == [[1, 0.5], [2, 0.5], [3, 0.5]]


def test_a_long_record_arrives_in_pieces(server):
    noise = np.random.default_rng(1).integers(0, 256, (1600, 1600, 3), np.uint8)
    with TensorplexClient("worker/1", url=server.url) as client:
        client.add_image("noise", noise, 1, dataformats="HWC")
        assert client.flush(DEADLINE)
    [[step, [*_, blob]]] = points(server.readers()["worker/1"]["noise"])
    assert step == 1 and blob["bytes"] > 2 * (4 << 20) - (1 << 20)


def test_a_rewound_run_shows_one_curve(server):
    with TensorplexClient("worker/1", url=server.url) as client:
        for step in range(4):
            client.add_scalar("loss", step, step)
        client.rewind(2)
        client.add_scalar("loss", 20, 2)
        assert client.flush(DEADLINE)
    with TensorplexClient("worker/1", url=server.url) as client:
        client.resume()
        client.add_scalar("loss", 10, 1)
        assert client.flush(DEADLINE)
    # The point before the new start is stated again: the data server then forgets what came after it.
    assert points(server.readers()["worker/1"]["loss"]) == [[0, 0.0], [0, 0.0], [1, 10.0]]


def test_children_and_pickled_clients_record_too(server):
    client = TensorplexClient("worker/1", url=server.url)
    client.add_scalar("parent", 1, 1)
    child = os.fork()
    if child == 0:
        client.add_scalar("child", 2, 1)
        client.add_image("picture", np.zeros((3, 4, 4), np.uint8), 1)
        os._exit(0 if client.flush(DEADLINE) else 1)
    assert os.waitpid(child, 0)[1] == 0
    with pickle.loads(pickle.dumps(client)) as other:
        other.add_scalar("pickled", 3, 1)
    assert client.close(DEADLINE)
    assert {"parent", "child", "picture", "pickled"} <= server.readers()["worker/1"].keys()


def test_a_deadline_holds_for_what_is_encoded_too(redis, tmp_path):
    """The deadline passes, by the broker's clock, while there is no server."""
    noise = np.random.default_rng(1).integers(0, 256, (500, 500, 3), np.uint8)
    client = TensorplexClient("worker/1", url=redis.url)
    hurried = client.with_deadline(0.001)
    hurried.add_scalar("late scalar", 1, 1)
    hurried.add_image("late picture", np.zeros((3, 4, 4), np.uint8), 1)
    hurried.add_image("late in two pieces", noise, 1, dataformats="HWC")
    hurried.add_audio("late sound", np.zeros(100), 1)
    patient = client.with_deadline(DEADLINE)
    patient.add_image("in time", np.zeros((3, 4, 4), np.uint8), 1)
    wait_for("all calls", lambda: client.stats()["taken"] == 6)

    def clock():
        seconds, microseconds = map(int, redis.ask("TIME").split())
        return seconds * 1000 + microseconds // 1000

    last_call = clock()
    wait_for("the deadline", lambda: clock() > last_call + 1)
    with tensorplex.Tensorplex(tmp_path).start(url=redis.url) as server:
        assert client.close(DEADLINE) is False
        assert client.stats()["refused"] == 5
        assert server.stats()["refused"] == {"deadline exceeded": 5}
    assert list(shown(tmp_path)["worker/1"]) == ["in time"]


@pytest.mark.parametrize(
    "method, args, kind, text",
    [
        ("add_scalar", (1, 0.5), TypeError, "tag is a int: a str is wanted"),
        ("add_scalar", ("", 0.5), ValueError, "tag is empty"),
        ("add_scalar", ("t", "0.5"), TypeError, "scalar_value is a str"),
        ("add_scalar", ("t", None), TypeError, "scalar_value is a NoneType"),
        ("add_scalar", ("t", object()), TypeError, "scalar_value is a object of objects"),
        ("add_scalar", ("t", [1, 2]), ValueError, r"shape \(2,\): one number is wanted"),
        ("add_scalar", ("t", 1j), TypeError, "dtype complex128: a real number is wanted"),
        ("add_scalar", ("t", 0.5, math.nan), ValueError, "global_step is nan: an int or None is wanted"),
        ("add_scalar", ("t", 0.5, 2**63), ValueError, "global_step is 9223372036854775808"),
        ("add_scalar", ("t", 0.5, 1, "now"), TypeError, "walltime is a str"),
        ("add_scalars", ([1, 2],), TypeError, "tag_scalar_dict is a list"),
        ("add_scalars", ({"a": [1, 2]},), ValueError, r"'a' has shape \(2,\)"),
        ("add_histogram", ("t", ["x"]), TypeError, "values has dtype <U1"),
        ("add_histogram", ("t", [1.0], 1, "pebble"), ValueError, "pebble"),
        ("add_histogram", ("t", [1.0], 1, -1), ValueError, "bins is -1: 1 to 4096 is wanted"),
        ("add_histogram", ("t", [1.0], 1, 2**64), ValueError, "bins is 18446744073709551616: 1 to 4096"),
        ("add_histogram", ("t", [1.0], 1, 1.5), TypeError, "bins is a float: an int is wanted"),
        ("add_histogram", ("t", [1.0], 1, None), TypeError, "bins is a NoneType: an int is wanted"),
        ("add_histogram", ("t", [1.0], 1, [1]), ValueError, r"bins has shape \(1,\): a number, or at least two edges"),
        ("add_histogram", ("t", [1.0], 1, [[0, 1], [1, 2]]), ValueError, r"bins has shape \(2, 2\)"),
        ("add_histogram", ("t", [1.0], 1, [0, 2, 1]), ValueError, "an edge at 2 and the next at 1; expected finite"),
        ("add_histogram", ("t", [1.0], 1, 3, None, -1), ValueError, "max_bins is -1: 1 to"),
        ("add_histogram", ("t", [2**70]), TypeError, "whole numbers beyond 64 bits"),
        ("add_text", ("t", 1), TypeError, "text_string is a int"),
        ("add_image", ("t", np.zeros((3, 4), np.uint8)), ValueError, r"\[3, 4\]"),
        ("add_image", ("t", np.zeros((3, 4, 4), complex)), TypeError, "dtype complex128: uint8"),
        ("add_image_with_boxes", ("t", np.zeros((3, 4, 4)), [[1, 2]]), ValueError, r"\(1, 2\): \(n, 4\) is wanted"),
        ("add_audio", ("t", np.zeros((3, 4))), ValueError, r"\(3, 4\)"),
        ("add_audio", ("t", np.zeros(5), 0, -1), ValueError, "sample_rate is -1: 1 to 4294967295 is wanted"),
        ("add_audio", ("t", np.zeros(5), 0, 2**31), ValueError, "2147483648 samples a second.*1 to 2147483647"),
        ("add_audio", ("t", np.zeros((5, 2)), 0, 2**30), ValueError, "1073741824 samples a second.*1 to 1073741823"),
        ("add_pr_curve", ("t", [0, 1], [0.5]), ValueError, "pr curve"),
        ("add_pr_curve", ("t", [0, 1], [0.1, 0.9], 0, -1), ValueError, "num_thresholds is -1: 1 to"),
        ("add_pr_curve", ("t", [0, 1], [0.1, 0.9], 0, "x"), TypeError, "num_thresholds is a str: an int is wanted"),
        ("add_mesh", ("t", np.zeros((4, 2))), ValueError, r"\(4, 2\): \(n, 3\) is wanted"),
        ("add_embedding", (np.zeros(3),), ValueError, r"\(3,\): \(n, size\) is wanted"),
        ("add_custom_scalars", ({"s": {"c": ["Pie", ["a"]]}},), ValueError, "'Multiline' or 'Margin'"),
        ("add_summary", ("text",), TypeError, "bytes or a protobuf message"),
    ],
)
def test_wrong_input_raises_in_the_caller_and_sends_nothing(nowhere, method, args, kind, text):
    with pytest.raises(kind, match=text):
        getattr(nowhere, method)(*args)
    assert nowhere.stats()["taken"] == 0


def test_without_a_server_records_are_taken_and_flush_is_false():
    client = TensorplexClient("worker/1", port=1)
    client.add_scalar("loss", 0.5, 1)
    client.add_image("picture", np.zeros((3, 4, 4), np.uint8), 1)
    assert not client.flush(0.01)
    assert not client.close(0)
    for record in (lambda: client.add_scalar("loss", 0.5), lambda: client.add_image("p", np.zeros((3, 4, 4)))):
        with pytest.raises(tensorplex.ClientClosed):
            record()


def test_lines_of_every_level_arrive(server):
    with LoggerplexClient("worker/1", url=server.url) as client:
        client.debug("a", 1, None, sep="-")
        client.info("b", {"k": 2})
        client.warning("c")
        client.error("d")
        client.critical("e", "\udc80")
        client.log(25, "f")
        client.section("g", "h", sep="*", repeat=6)
        try:
            1 / 0
        except ZeroDivisionError as error:
            client.exception("i")
            caught = error
        client.exception("j", exc=caught)
        client.exception("k")
        assert client.flush(DEADLINE)
    lines = [line[9:] for line in server.log("worker/1").splitlines() if line[2] == ":"]
    assert lines[:7] == [
        "DEBUG> a-1-None",
        "INFO> b {'k': 2}",
        "WARNING> c",
        "ERROR> d",
        r"CRITICAL> e \udc80",
        lines[5],
        "INFO> *** g h ***",
    ]
    assert lines[5].endswith("> f")
    assert lines[7:] == ["ERROR> i", "ERROR> j", "ERROR> k"]
    assert server.log("worker/1").count("ERROR> ZeroDivisionError: division by zero") == 2


def test_a_handler_keeps_level_logger_place_and_traceback(server):
    handler = LoggerplexHandler("worker/1", url=server.url)
    logger = logging.getLogger("train.loop")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        logger.debug("step %d", 3)
        try:
            raise KeyError("x")
        except KeyError:
            logger.exception("failed")
        assert handler.flush(DEADLINE)
    finally:
        logger.removeHandler(handler)
        handler.close()
    text = server.log("worker/1")
    assert "DEBUG> train.loop test_records.py:" in text and ": step 3\n" in text
    assert "ERROR> train.loop test_records.py:" in text and "KeyError: 'x'" in text


@pytest.mark.parametrize("level, kind", [("info", TypeError), (True, TypeError), (256, ValueError), (-1, ValueError)])
def test_a_level_is_a_number_from_0_to_255(level, kind):
    client = LoggerplexClient("worker/1", port=1)
    with pytest.raises(kind, match="level is"):
        client.log(level, "x")
    client.close(0)


@pytest.mark.parametrize(
    "page, word",
    [("README.md", "TensorplexClient"), ("docs/guide/python.md", "TensorplexClient"), ("docs/guide/python.md", "LoggerplexHandler")],
)
def test_the_documentation_runs(server, page, word):
    """The first example in which the word stands."""
    sources = (block.split("```")[0] for block in (ROOT / page).read_text().split("```python\n")[1:])
    source = next(source for source in sources if word in source)
    for where in (', host="localhost", port=8008)', ')'):
        source = source.replace(f'"agent/17"{where}', f'"agent/17", url={server.url!r})')
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        exec(source, {})
    finally:
        for handler in set(root.handlers) - set(before):
            root.removeHandler(handler)
            handler.close()
    if "Loggerplex" in source:
        wait_for("the lines", lambda: "from any library" in server.log("agent/17"))
        wait_for("the other lines", lambda: "ZeroDivisionError: division by zero" in server.log("agent/17"))
        assert "epoch 3 loss 0.25" in server.log("agent/17")
    else:
        assert len(server.readers()["agent/17"]["loss"]["points"]) in (100, 1000)
