"""Names and texts: subclasses of `str`, and names that become ids and directories."""

import enum
import math
import os
import pathlib
import struct
import tomllib
import unicodedata

import numpy as np
import pytest
from conftest import ROOT
from tensorboard.compat.proto.event_pb2 import Event
from test_records import points
from writers import local  # noqa: F401 (a fixture)

import tensorplex
from tensorplex import SummaryWriter, _inputs, _native
from tensorplex._log_methods import message_text


class Metric(str, enum.Enum):
    LOSS = "loss"


#: Names that a map with losses would make one.
NAMES = [
    "学习率一",
    "学习率二",
    "a b",
    "a_b",
    "a:b",
    "a.",
    "a. ",
    "a",
    "A",
    ".a",
    "_a",
    "🦀",
    "🐍",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "x" * 226,
    "x" * 227,
]


@pytest.mark.parametrize("make", [lambda text: Metric.LOSS, np.str_], ids=["enum", "numpy"])
def test_the_text_of_a_str_subclass_is_its_characters(local, make):
    name = make("loss")
    with local.writer("a") as w:
        w.add_scalar(name, 1.0, 1)
        w.add_text("text", name, 1)
        w.add_scalars("main", {name: 2.0}, 1)
        w.add_hparams({name: name}, {name: 3.0}, run_name=name)
    runs = local.readers()
    assert points(runs["a"]["loss"]) == [[1, 1.0]]
    assert points(runs["a"]["text/text_summary"]) == [[1, ["loss"]]]
    assert runs.keys() == {"a", "a/main_loss", "a/loss"}
    assert _inputs.settings({name: name}) == [("loss", "loss")]
    assert _inputs.labels([name], None)[1] == [["loss"]]
    assert all(type(text) is str for text in (_inputs.tag(name), *_inputs.settings({name: name})[0]))
    assert message_text(("the", name), " ") == "the loss"


def test_an_object_that_cannot_say_what_it_is_is_logged_without_text():
    class Broken:
        def __str__(self):
            raise RuntimeError("not now")

    assert message_text(("x", Broken()), " ") == "x <Broken without text: RuntimeError>"


def test_names_that_differ_become_runs_that_differ(local):
    with local.writer("a") as w:
        for name in NAMES:
            w.add_scalars("m", {name: 1.0}, 1)
            w.add_hparams({"lr": 0.1}, {"metric": 1.0}, run_name=name)
    made = [name for name in os.listdir(local.logdir / "a") if os.path.isdir(local.logdir / "a" / name)]
    assert len(made) == 2 * len(NAMES)


def test_series_whose_keys_differ_in_empty_parts_stay_apart(local):
    with local.writer("a") as w:
        for value, key in enumerate(["x/y", "x//y", "x/./y"]):
            w.add_scalars("m", {key: value}, 1)
    runs = {run for run in local.readers() if run != "a"}
    assert len(runs) == 3 and "a/m_x/y" in runs


def test_directories_that_differ_become_client_ids_that_differ():
    ids = {_native.safe_name(f"runs/{name}") for name in NAMES}
    assert len(ids) == len(NAMES) and "runs/学习率一" in ids
    assert len(_native.safe_name("/".join(["x" * 226] * 4))) <= 512

def test_embeddings_of_long_tags_are_written(local):
    with local.writer("a") as w:
        for tag in ("实验" * 60 + "一", "实验" * 60 + "二"):
            w.add_embedding(np.eye(2), tag=tag)
        assert w.flush()
    found = [folder for folder, _, files in os.walk(local.logdir) if "tensors.tsv" in files]
    assert len(found) == 2


def tags(directory):
    """Tags of the event files of a directory, from their bytes."""
    found = set()
    for path in pathlib.Path(directory).glob("*tfevents*"):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found |= {value.tag for value in Event.FromString(data[12 : 12 + length]).summary.value}
            data = data[16 + length :]
    return found


def test_a_rewritten_tag_stays_apart(tmp_path):
    with SummaryWriter(tmp_path / "run", url="") as writer:
        for tag in ['a"b', "a_b", "a\\b"]:
            writer.add_image(tag, np.zeros((3, 2, 2), np.uint8), 1)
    assert len(tags(tmp_path / "run")) == 3


def test_a_masked_number_is_none(local):
    with local.writer("a") as w:
        w.add_scalar("loss", np.ma.array([1.0], mask=[True]).mean(), 1)
    ((step, value, _),) = local.readers()["a"]["loss"]["points"]
    assert step == 1 and (value is None or value == "NaN" or math.isnan(float(value)))


@pytest.mark.parametrize("resume", [None, "auto"])
def test_the_event_file_is_there_when_the_constructor_returns(tmp_path, resume):
    with SummaryWriter(tmp_path / "run", resume=resume) as w:
        (name,) = os.listdir(tmp_path / "run")
        assert name.startswith("events.out.tfevents.") and b"brain.Event:2" in (tmp_path / "run" / name).read_bytes()
        writer = w.file_writer.event_writer
        assert writer._file_name == writer._ev_writer._file_name == str(tmp_path / "run" / name)
        assert writer.get_logdir() == str(tmp_path / "run")
        w.add_scalar("x", 1.0, 1)
        writer.flush()
    assert os.listdir(tmp_path / "run") == [name], "no second file"


def test_the_package_has_a_version():
    assert tensorplex.__version__ == metadata_version()


def metadata_version():
    with open(ROOT / "Cargo.toml", "rb") as file:
        return tomllib.load(file)["workspace"]["package"]["version"]
