"""GlobalSummaryWriter: steps that are counted for all threads and processes of a program."""

import inspect
import multiprocessing
import os
import threading

import numpy as np
import pytest
from conftest import DEADLINE
from reading import points, shown

from tensorplex import GlobalSummaryWriter, global_writer

PIXELS = np.zeros((3, 4, 4), np.uint8)


@pytest.fixture
def writer(tmp_path):
    writer = GlobalSummaryWriter(tmp_path / "runs")
    yield writer
    writer.close()


def record(writer, count):
    for n in range(count):
        writer.add_scalar("loss", float(os.getpid()))
    writer.add_image("picture", PIXELS)
    writer.add_text("note", "text")


def record_and_die(writer, count):
    record(writer, count)
    os._exit(7)


def tags(tmp_path):
    [tags] = shown(tmp_path / "runs").values()
    return tags


def steps(series):
    return [step for step, _ in points(series)]


def test_steps_are_counted_over_threads(writer, tmp_path):
    threads = [threading.Thread(target=record, args=(writer, 50)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    found = tags(tmp_path)
    assert steps(found["loss"]) == list(range(200))
    assert steps(found["picture"]) == steps(found["note/text_summary"]) == list(range(4))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_steps_are_counted_over_processes_that_die_at_once(writer, tmp_path, method):
    context = multiprocessing.get_context(method)
    children = [context.Process(target=record_and_die, args=(writer, 50)) for _ in range(2)]
    for child in children:
        child.start()
    record(writer, 50)
    for child in children:
        child.join(DEADLINE)
        assert child.exitcode == 7
    writer.close()
    found = tags(tmp_path)
    assert steps(found["loss"]) == list(range(150))
    values = [value for _, value in points(found["loss"])]
    assert {pid: values.count(pid) for pid in values} == {pid: 50 for pid in (os.getpid(), *(c.pid for c in children))}
    assert steps(found["picture"]) == steps(found["note/text_summary"]) == list(range(3))


def test_what_is_refused_has_no_step(writer, tmp_path):
    writer.add_image("picture", PIXELS)
    with pytest.raises(ValueError, match="shape"):
        writer.add_image("picture", PIXELS[0])
    with pytest.raises(TypeError, match="tag is a int"):
        writer.add_scalar(1, 0.5)
    writer.add_image("picture", PIXELS, walltime=12.0, dataformats="CHW")
    writer.close()
    assert steps(tags(tmp_path)["picture"]) == [0, 1]


def test_a_program_has_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(global_writer, "_writer", None)
    first = GlobalSummaryWriter.getSummaryWriter()
    try:
        assert GlobalSummaryWriter.getSummaryWriter() is first
        assert first.file_writer.get_logdir() == first.smw.log_dir
        first.close()
        second = GlobalSummaryWriter.getSummaryWriter()
        assert second is not first
        second.close()
    finally:
        first.close()


def test_it_has_what_tensorboardx_has():
    import tensorboardX

    theirs = tensorboardX.GlobalSummaryWriter
    assert {name for name in dir(theirs) if not name.startswith("_")} <= set(dir(GlobalSummaryWriter))
    for method in ("__init__", "add_scalar", "add_image", "add_text"):
        ours = inspect.signature(getattr(GlobalSummaryWriter, method)).parameters
        assert list(inspect.signature(getattr(theirs, method)).parameters) == list(ours)
