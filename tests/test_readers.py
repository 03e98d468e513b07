"""Tests of readers.py, the oracle of the Rust tests, against bytes written by hand and known facts."""

import hashlib
import json
import pathlib
import select
import struct
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.compat.proto import types_pb2

import handwritten as hand
import loaders

READERS = pathlib.Path(__file__).with_name("readers.py")
BOTH = ["rust", "python"]

# Limit for the wait of a following reader, in seconds.
WAIT_LIMIT = 30
# Limit for one answer: each reader has loaders.LOAD_LIMIT for a pass.
ANSWER_LIMIT = 2 * loaders.LOAD_LIMIT + WAIT_LIMIT


def run(command, logdir):
    done = subprocess.run(
        [sys.executable, READERS, command, logdir], stdout=subprocess.PIPE, check=True, timeout=120
    )
    return json.loads(done.stdout)


class Follower:
    """`readers.py follow`, used as in a Rust test."""

    def __init__(self, logdir):
        self.process = subprocess.Popen(
            [sys.executable, READERS, "follow", logdir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        # Each command has one line as its answer, so nothing is left in the buffer of the pipe.
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_LIMIT)
        assert ready, f"waited {ANSWER_LIMIT} s for the answer to {command!r}"
        return json.loads(self.process.stdout.readline())

    def wait_for(self, points):
        answer = self.ask(f"await {points} {WAIT_LIMIT}")
        assert answer["reached"], answer
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The end of standard input makes the script quit.
        self.process.communicate(timeout=WAIT_LIMIT)
        assert self.process.returncode == 0


@pytest.fixture
def follow(tmp_path):
    with Follower(tmp_path) as follower:
        yield follower


def values(seen, reader, run, tag):
    """The values of a series, which `reader` shows at steps 0, 1, 2 and so on."""
    points = seen[reader].get(run, {}).get(tag, {"points": []})["points"]
    assert [step for step, _, _ in points] == list(range(len(points)))
    return [value for _, value, _ in points]


def test_every_kind_of_series_is_read(tmp_path):
    buckets = [[-1.0, 0.0, 3.0], [0.0, 0.5, 4.0]]
    hand.write(tmp_path / "agent" / "0", *hand.scalars("loss", [0.5, 0.25]))
    hand.write(
        tmp_path / "agent" / "1",
        *hand.scalars("loss", [1.5]),
        hand.histogram("weights", 7, buckets),
        hand.text("note", 8, "hello *world*", "größer"),
        hand.image("picture", 9, 2, 1, b"png bytes"),
    )
    hand.write(tmp_path, *hand.scalars("top", [1]))

    seen = run("dump", tmp_path)

    at = hand.EPOCH
    expected = {
        ".": {"top": {"kind": "scalar", "plugin": "scalars", "points": [[0, 1.0, at]]}},
        "agent/0": {
            "loss": {"kind": "scalar", "plugin": "scalars", "points": [[0, 0.5, at], [1, 0.25, at + 1]]}
        },
        "agent/1": {
            "loss": {"kind": "scalar", "plugin": "scalars", "points": [[0, 1.5, at]]},
            "weights": {"kind": "tensor", "plugin": "histograms", "points": [[7, buckets, at + 7]]},
            "note": {
                "kind": "tensor",
                "plugin": "text",
                "points": [[8, ["hello *world*", "größer"], at + 8]],
            },
            "picture": {
                "kind": "blob",
                "plugin": "images",
                "points": [[9, [blob(b"2"), blob(b"1"), blob(b"png bytes")], at + 9]],
            },
        },
    }
    assert seen == {"points": {"rust": 4, "python": 4}, "rust": expected, "python": expected}


def blob(data):
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_numbers_that_json_lacks_are_strings(tmp_path):
    hand.write(tmp_path, *hand.scalars("odd", [float("nan"), float("inf"), float("-inf")]))
    seen = run("dump", tmp_path)
    for reader in BOTH:
        assert values(seen, reader, ".", "odd") == ["NaN", "Infinity", "-Infinity"]


def test_no_point_is_sampled_away_and_the_checksum_is_of_the_points(tmp_path):
    numbers = [step / 3 for step in range(3000)]
    hand.write(tmp_path / "a", *hand.scalars("loss", numbers, first_step=5))
    packed = b"".join(struct.pack("<qf", step, value) for step, value in enumerate(numbers, 5))

    seen = run("summary", tmp_path)

    for reader in BOTH:
        assert seen[reader]["a"]["loss"] == {
            "kind": "scalar",
            "plugin": "scalars",
            "count": 3000,
            "first": 5,
            "last": 3004,
            "increasing": True,
            "sha256": hashlib.sha256(packed).hexdigest(),
        }


def test_a_repeated_step_is_reported_as_each_reader_sees_it(tmp_path):
    hand.write(tmp_path, *[hand.scalar("loss", 0, value) for value in (1, 2, 3)])
    seen = run("summary", tmp_path)
    assert seen["rust"]["."]["loss"]["count"] == 1
    assert seen["python"]["."]["loss"]["count"] == 3
    assert not seen["python"]["."]["loss"]["increasing"]


def test_a_double_is_a_scalar_for_one_reader_only(tmp_path):
    hand.write(
        tmp_path,
        hand.scalar_tensor("float", 0, types_pb2.DT_FLOAT, float_val=[0.5]),
        hand.scalar_tensor("double", 0, types_pb2.DT_DOUBLE, double_val=[0.5]),
    )
    seen = run("dump", tmp_path)
    assert values(seen, "rust", ".", "float") == [0.5]
    assert values(seen, "python", ".", "float") == [0.5]
    assert values(seen, "rust", ".", "double") == []
    assert values(seen, "python", ".", "double") == [0.5]


def test_a_torn_tail_is_completed_under_a_following_reader(tmp_path, follow):
    second = hand.record(hand.scalar("loss", 1, 2.0))
    third = hand.record(hand.scalar("loss", 2, 3.0))
    # Cuts inside the length, its checksum, the payload, and the last checksum.
    cuts = {"length": 3, "length-crc": 10, "payload": 20, "payload-crc": len(second) - 1}
    files = {name: hand.write(tmp_path / name, hand.scalar("loss", 0, 1.0)) for name in cuts}
    for name, cut in cuts.items():
        hand.append(files[name], second[:cut])

    seen = follow.ask("dump")
    for reader in BOTH:
        assert {name: values(seen, reader, name, "loss") for name in cuts} == dict.fromkeys(cuts, [1.0])

    for name, cut in cuts.items():
        hand.append(files[name], second[cut:] + third)
    seen = follow.wait_for(3 * len(cuts))
    for reader in BOTH:
        whole = dict.fromkeys(cuts, [1.0, 2.0, 3.0])
        assert {name: values(seen, reader, name, "loss") for name in cuts} == whole


def test_records_appended_after_a_torn_tail_are_lost(tmp_path, follow):
    second = hand.record(hand.scalar("loss", 1, 2.0))
    broken = hand.write(tmp_path / "broken", hand.scalar("loss", 0, 1.0))
    hand.append(broken, second[:20])
    assert values(follow.ask("dump"), "rust", "broken", "loss") == [1.0]

    hand.append(broken, second)
    hand.write(tmp_path / "whole", *hand.scalars("loss", [1, 2]))
    seen = follow.ask("dump")
    for reader in BOTH:
        assert values(seen, reader, "broken", "loss") == [1.0]
        assert values(seen, reader, "whole", "loss") == [1.0, 2.0]


def test_a_directory_that_appears_later_is_followed(tmp_path):
    logdir = tmp_path / "runs"
    with Follower(logdir) as follower:
        assert follower.ask("dump") == {"points": {"rust": 0, "python": 0}, "rust": {}, "python": {}}
        file = hand.write(logdir / "a", *hand.scalars("loss", [1, 2]))
        follower.wait_for(2)
        hand.append(file, hand.record(hand.scalar("loss", 2, 3.0)))
        hand.write(logdir / "b" / "c", *hand.scalars("loss", [5]))
        seen = follower.wait_for(4)
    for reader in BOTH:
        assert values(seen, reader, "a", "loss") == [1.0, 2.0, 3.0]
        assert values(seen, reader, "b/c", "loss") == [5.0]


def test_a_pass_ends_while_a_writer_is_faster_than_the_reader(tmp_path, monkeypatch):
    file = hand.write(tmp_path / "a", *hand.scalars("loss", [0.0, 1.0, 2.0]))
    loader = loaders.PythonLoader(str(tmp_path))
    step = 2

    def process_and_write_two_more(accumulator, event, process=EventAccumulator._ProcessEvent):
        nonlocal step
        process(accumulator, event)
        for step in (step + 1, step + 2):
            hand.append(file, hand.record(hand.scalar("loss", step, float(step))))
            assert step < 1000, "the pass does not end"

    with monkeypatch.context() as patch:
        patch.setattr(EventAccumulator, "_ProcessEvent", process_and_write_two_more)
        loader.refresh()
        assert loader.count_scalars() == 3
        loader.refresh()
        assert loader.count_scalars() == 11
    # With the writer at rest, a pass reads all that is left.
    loader.refresh()
    assert loader.count_scalars() == step + 1


def test_an_await_that_times_out_says_so(tmp_path, follow):
    hand.write(tmp_path, *hand.scalars("loss", [1]))
    answer = follow.ask("await 2 0 summary")
    assert not answer["reached"]
    assert answer["points"] == {"rust": 1, "python": 1}
    assert answer["rust"]["."]["loss"]["count"] == 1


def test_an_unknown_command_is_answered(follow):
    assert follow.ask("sing") == {"error": "unknown command 'sing'"}
    assert follow.ask("await") == {"error": "unknown command 'await'"}
