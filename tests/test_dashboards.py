"""Tests of dashboards.py: it finds things that are present, and reports others as missing."""

import pathlib
import struct
import subprocess
import sys

import pytest

import handwritten as hand

DASHBOARDS = pathlib.Path(__file__).with_name("dashboards.py")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("runs")
    for worker in range(3):
        hand.write(
            logdir / "agent" / str(worker),
            *hand.scalars("train/loss", [1 / (step + 1) + worker for step in range(50)]),
            *[hand.histogram("weights", step, buckets(step)) for step in range(5)],
            hand.text("note", 0, f"written by *worker* {worker}"),
        )
    return logdir


def buckets(step):
    return [[float(left), left + 1.0, 10.0 + left * step] for left in range(10)]


def dashboards(*arguments):
    return subprocess.run(
        [sys.executable, DASHBOARDS, *arguments], stderr=subprocess.PIPE, text=True, timeout=300
    )


def test_visible_things_are_found(logdir):
    done = dashboards(
        "check", logdir, "--scalars", "train/loss", "--histograms", "weights",
        "--text", "written by worker 1", "agent/2",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_things_are_reported(logdir):
    # Missing: a part of a tag, a tag of another kind, a text that was not written.
    done = dashboards(
        "check", logdir, "--seconds", "4", "--scalars", "loss", "--histograms", "train/loss",
        "--text", "written by worker 9",
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "missing in TensorBoard:",
        "#timeseries: a chart of 'loss'",
        "#scalars: a chart of 'loss'",
        "#histograms: a chart of 'train/loss'",
        "#text: the text 'written by worker 9'",
    ]


def test_a_picture_has_the_size_of_the_window(logdir, tmp_path):
    picture = tmp_path / "timeseries.png"
    done = dashboards("shot", logdir, picture)
    assert (done.returncode, done.stderr) == (0, "")
    # Signature, length and name of the first chunk; then width and height.
    assert struct.unpack(">16x2I", picture.read_bytes()[:24]) == (1400, 900)
