"""SummaryWriter, into a directory and through a server, as TensorBoard's two readers see it."""

import json
import math
import os
import pickle
import shutil
import signal
import threading

import matplotlib
import numpy as np
import pytest
from conftest import DEADLINE, ROOT, wait_for
from test_records import Picture, Tensor, points
from writers import PIXELS, local, place, server, server_program  # noqa: F401 (fixtures)

from tensorplex import SummaryWriter, summary_writer
from tensorplex import _native

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def test_every_method_is_shown_alike_by_both_readers(place, tmp_path):
    onnx, openvino = tmp_path / "model.onnx", tmp_path / "model.xml"
    onnx.write_bytes(bytes.fromhex(json.loads((ROOT / "tests/fixtures/onnx.json").read_text())["model"]))
    openvino.write_text(
        '<net><layers><layer id="0" name="in" type="Parameter"/><layer id="1" name="out" type="Result"/></layers>'
        '<edges><edge from-layer="0" to-layer="1"/></edges></net>'
    )
    figure, axes = pyplot.subplots(figsize=(1, 1))
    axes.plot([1, 2])
    with place.writer("a") as w:
        w.add_scalar("loss", Tensor([0.5]), np.int64(1), 1234.5)
        w.add_scalar("float step", 1.5, 2.0)
        w.add_scalar("new", 0.25, 1, new_style=True, double_precision=True)
        w.add_scalar("described", 0.75, 1, None, "a name", "a *description*")
        w.add_scalars("main/tag", {"x": 1, "y z": 2}, 3)
        w.add_tensor("tensor", np.arange(6).reshape(2, 3), 1)
        w.add_histogram("weights", Tensor([[1.0, 2.0], [3.0, math.nan]]), 1)
        w.add_histogram("few", np.arange(100.0), 1, max_bins=4)
        w.add_histogram("torch's", np.arange(4.0), 1, bins=w.default_bins)
        w.add_histogram_raw("raw histogram", 0, 3, 3, 4, 6, [1.0, 2.0, 3.0], [1, 0, 2], 1)
        w.add_image("image", PIXELS, 3)
        w.add_image("pil", Picture(PIXELS.transpose(1, 2, 0)), 3)
        w.add_images("images", np.zeros((9, 1, 4, 4), np.float32), 3)
        w.add_image_with_boxes("boxes", PIXELS, [[1, 1, 5, 5]], 3)
        w.add_image_with_boxes("labels", PIXELS, np.array([1, 1, 5, 5]), 3, rescale=2, labels="cat")
        w.add_figure("figure", figure, 3)
        w.add_video("video", np.zeros((1, 2, 3, 8, 8), np.uint8), 4, fps=8)
        w.add_audio("sound", np.zeros((1, 100)), 5, sample_rate=8000)
        w.add_text("note", "**bold**", 2)
        w.add_pr_curve("pr", [0, 1, 1], [0.1, 0.9, 0.4], 6, num_thresholds=5, weights=[1, 2, 1])
        w.add_pr_curve_raw("pr raw", *[[1, 0.5]] * 6, 6, 2)
        w.add_custom_scalars({"losses": {"all": ["Multiline", ["a.*"]], "band": ["Margin", ["x", "y", "z"]]}})
        w.add_mesh("mesh", np.zeros((1, 3, 3)), np.zeros((1, 3, 3), np.uint8), [[[0, 1, 2]]], {"a": 1}, 7)
        w.add_hparams({"lr": 0.1, "amp": True, "opt": "adam", "none": None}, {"best": 0.75}, None, "hp", 8)
        w.add_embedding(np.eye(3), metadata=["a", "b", "c"], label_img=np.zeros((3, 1, 2, 2)), global_step=9)
        w.add_onnx_graph(onnx)
        assert w.flush(DEADLINE)
        assert w.stats()["refused"] == 0
    # A run has one graph.
    with place.writer("b") as w:
        w.add_openvino_graph(openvino)
        assert w.flush(DEADLINE)
    assert not pyplot.fignum_exists(figure.number)
    runs = place.readers()
    run = runs["a"]
    assert run["loss"]["points"] == [[1, 0.5, 1234.5]] and points(run["float step"]) == [[2, 1.5]]
    assert points(run["new"]) == [[1, 0.25]] and points(run["described"]) == [[1, 0.75]]
    assert points(runs["a/main_tag_x"]["main/tag"]) == [[3, 1.0]]
    assert points(runs["a/" + _native.safe_name("main_tag_y z")]["main/tag"]) == [[3, 2.0]]
    assert points(run["tensor"]) == [[1, [[0, 1, 2], [3, 4, 5]]]]
    assert sum(bucket[2] for bucket in points(run["weights"])[0][1]) == 3
    assert len(points(run["few"])[0][1]) <= 4 and sum(bucket[2] for bucket in points(run["few"])[0][1]) == 100
    assert points(run["raw histogram"]) == [[1, [[0, 1, 1], [1, 2, 0], [2, 3, 2]]]]
    for tag in ("image", "pil", "images", "boxes", "labels", "figure", "video", "sound"):
        assert run[tag]["kind"] == "blob" and len(points(run[tag])) == 1, tag
    assert points(run["note/text_summary"]) == [[2, ["**bold**"]]]
    assert np.shape(points(run["pr"])[0][1]) == (6, 5) and points(run["pr raw"]) == [[6, [[1.0, 0.5]] * 6]]
    assert run["custom_scalars__config__"]["plugin"] == "custom_scalars"
    assert {"mesh_VERTEX", "mesh_FACE", "mesh_COLOR", "__run_graph__"} <= run.keys() and "__run_graph__" in runs["b"]
    assert {"_hparams_/session_start_info", "_hparams_/session_end_info", "best"} == runs["a/hp"].keys()
    assert points(runs["a/hp"]["best"]) == [[8, 0.75]]
    assert (place.logdir / "a" / "projector_config.pbtxt").exists()


def test_ready_made_messages_of_two_libraries_are_taken(place):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboardX.summary import hparams, scalar

    summary = Summary(value=[Summary.Value(tag="ready", simple_value=0.5)])
    with place.writer("a") as w:
        file_writer = w._get_file_writer()
        assert file_writer is w.file_writer and file_writer.get_logdir() == w.get_logdir() == w.log_dir == w.logdir
        file_writer.add_summary(summary, 1)
        file_writer.add_summary(scalar("ready", 0.5), 2)
        event = Event(summary=summary)
        file_writer.add_event(event, 3, 5.0)
        w.add_event(Event(step=4, wall_time=6.0, summary=summary).SerializeToString())
        for part in hparams({"lr": 0.1}, {"ready": 0.5}):
            file_writer.add_summary(part)
        graph = GraphDef()
        graph.node.add(name="x", op="Const")
        file_writer.add_graph((graph, Summary()))
        assert w.flush(DEADLINE)
    assert event == Event(summary=summary)
    run = place.readers()["a"]
    assert points(run["ready"]) == [[1, 0.5], [2, 0.5], [3, 0.5], [4, 0.5]]
    assert [point[2] for point in run["ready"]["points"][2:]] == [5.0, 6.0]
    assert {"_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info", "__run_graph__"} <= run.keys()


def first_run(place):
    with place.writer("a") as w:
        for step in range(4):
            w.add_scalar("loss", step, step)
            w.add_scalars("s", {"k": step}, step)
        w.add_image("early", PIXELS, 1)
        assert w.flush(DEADLINE)


# A point before the new start is stated again: the data server then forgets what came after it.


def test_purge_step_leaves_one_curve(place):
    first_run(place)
    with place.writer("a", purge_step=2) as w:
        w.add_scalar("loss", 20, 2)
        assert w.flush(DEADLINE)
    run = place.readers()["a"]
    assert points(run["loss"]) == [[0, 0.0], [1, 1.0], [1, 1.0], [2, 20.0]]


def test_rewind_waits_for_what_is_being_encoded(place):
    with place.writer("a") as w:
        for step in range(4):
            w.add_image("image", np.full((3, 64, 64), step, np.uint8), step)
        w.rewind(2)
        w.add_image("image", PIXELS, 2)
        assert w.flush(DEADLINE)
    assert [step for step, _ in points(place.readers()["a"]["image"])] == [0, 1, 2]


@pytest.mark.parametrize("step, expect", [(2, [0, 1, 1, 2]), (4, [0, 1, 2, 3, 4])])
def test_resume_goes_back_only_when_the_steps_do(place, step, expect):
    first_run(place)
    with place.writer("a", resume="auto") as w:
        w.add_scalar("loss", 20, step)
        w.add_scalars("s", {"k": 20}, step)
        assert w.flush(DEADLINE)
    runs = place.readers()
    assert [step for step, _ in points(runs["a"]["loss"])] == expect
    assert [step for step, _ in points(runs["a/s_k"]["s"])] == expect


def test_after_close_the_next_record_opens_another_file(place):
    w = place.writer("a")
    assert list(w.all_writers) == [w.log_dir]
    w.add_scalar("x", 1, 1)
    assert w.close(DEADLINE) and w.close(DEADLINE)
    assert w.file_writer is None and w.all_writers is None
    w.add_scalar("x", 2, 2)
    w.add_scalars("main", {"k": 1}, 1)
    assert list(w.all_writers) == [w.log_dir, os.path.join(w.log_dir, "main_k")]
    assert w.close(DEADLINE)
    assert points(place.readers()["a"]["x"]) == [[1, 1.0], [2, 2.0]]


def test_a_pickled_writer_and_a_child_go_on_with_files_of_their_own(place):
    w = place.writer("a")
    w.add_scalar("parent", 1, 1)
    child = os.fork()
    if child == 0:
        w.add_scalar("child", 2, 1)
        w.add_image("picture", PIXELS, 1)
        os._exit(0 if w.flush(DEADLINE) else 1)
    assert os.waitpid(child, 0)[1] == 0
    with pickle.loads(pickle.dumps(w)) as other:
        other.add_scalar("pickled", 3, 1)
        assert other.flush(DEADLINE)
    assert w.close(DEADLINE)
    run = place.readers()["a"]
    assert {tag: len(run[tag]["points"]) for tag in ("parent", "child", "picture", "pickled")} == dict.fromkeys(
        ("parent", "child", "picture", "pickled"), 1
    )


def test_two_writers_of_one_directory_keep_each_others_points(local):
    with local.writer("a") as train, local.writer("a") as val:
        for step in range(3):
            train.add_scalar("train", step, step)
            val.add_scalar("val", step, step)
    run = local.readers()["a"]
    assert points(run["train"]) == points(run["val"]) == [[0, 0.0], [1, 1.0], [2, 2.0]]


def test_many_threads_may_share_a_writer(place):
    with place.writer("a") as w:

        def log(n):
            for step in range(100):
                w.add_scalar(f"thread/{n}", step, step)
                w.add_histogram(f"values/{n}", np.arange(10.0), step)

        threads = [threading.Thread(target=log, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert w.flush(DEADLINE)
    run = place.readers()["a"]
    for n in range(4):
        assert points(run[f"thread/{n}"]) == [[step, step] for step in range(100)]
        assert [step for step, _ in points(run[f"values/{n}"])] == list(range(100))


def test_what_was_refused_is_known_after_the_end(place):
    with place.writer("a") as w:
        w.add_scalar("x", 0.5, 1)
    before = list(place.logdir.rglob("*tfevents*"))
    assert w.stats()["refused"] == 0
    assert w.file_writer is None, "to ask opens nothing"
    assert list(place.logdir.rglob("*tfevents*")) == before


def test_refused_records_are_counted_over_the_ends_of_a_writer(local):
    w = local.writer("a")
    for n in range(1, 3):
        w.add_scalar("x", 0.5, n)
        w.add_histogram("x", [1.0], n)
        assert not w.close()
        assert w.stats()["refused"] == 1
    with w:
        w.add_scalar("x", 0.5, 3)
        assert w.stats()["refused"] == 0


def test_a_directory_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(OSError, match=rf"cannot open log directory {tmp_path}/{name}: "):
            SummaryWriter(tmp_path / name)


def test_threads_that_come_to_a_closed_writer_open_it_once(local):
    rounds, count = 20, 4
    w = local.writer("a")
    barrier = threading.Barrier(count)

    def log(n):
        for step in range(rounds):
            # All are here: the last one closes, and then all log.
            if barrier.wait() == 0:
                w.close()
            barrier.wait()
            w.add_scalar(f"thread/{n}", step, step)
            w.add_scalars("both", {f"k{n}": step}, step)

    threads = [threading.Thread(target=log, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    w.close()
    assert len(list((local.logdir / "a").glob("*tfevents*"))) == 1 + rounds
    runs = local.readers()
    for n in range(count):
        assert points(runs["a"][f"thread/{n}"]) == [[step, step] for step in range(rounds)]
        assert points(runs[f"a/both_k{n}"]["both"]) == [[step, step] for step in range(rounds)]


def test_a_child_that_was_forked_while_a_writer_opened_can_open_one(local):
    """Another thread holds the lock at the fork, and is not in the child."""
    w = local.writer("a")
    w.close()
    held, end = threading.Event(), threading.Event()

    def hold():
        with summary_writer._open_lock:
            held.set()
            end.wait(DEADLINE)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(DEADLINE)
    child = os.fork()
    if child == 0:
        # Not for ever, if it has to wait.
        signal.alarm(30)
        w.add_scalar("child", 1, 1)
        os._exit(0 if w.close(DEADLINE) else 1)
    end.set()
    holder.join()
    assert os.waitpid(child, 0)[1] == 0
    assert "child" in local.readers()["a"]


def test_records_are_on_disk_when_the_process_ends_without_closing(local, program):
    source = """
import sys, numpy, tensorplex
writer = tensorplex.SummaryWriter(sys.argv[1])
for step in range(20):
    writer.add_scalar("loss", step, step)
    writer.add_image("image", numpy.zeros((3, 64, 64)), step)
"""
    assert program(source, local.logdir / "a").end() == (0, "", "")
    run = local.readers()["a"]
    assert len(points(run["loss"])) == len(points(run["image"])) == 20


def test_a_record_is_written_though_nothing_follows(local):
    w = local.writer("a", flush_secs=0.1)
    w.add_scalar("loss", 1, 1)
    wait_for("the record", lambda: any(file.stat().st_size for file in local.logdir.rglob("*tfevents*")))
    w.close()


def test_what_was_refused_is_counted_and_told(place, caplog):
    w = place.writer("a")
    w.add_scalar("x", 1, 1)
    w.add_histogram("x", [1.0], 2)
    w.add_scalar("x", 3, 3)
    told = w.flush(DEADLINE)
    if w.url is None:
        assert not told and w.stats()["refused"] == 1
        assert "1 records were lost" in caplog.text and "is a scalar, not a histogram" in caplog.text
        assert w.flush(DEADLINE)
    assert w.close(DEADLINE)
    assert points(place.readers()["a"]["x"]) == [[1, 1.0], [3, 3.0]]


def test_a_disk_that_refuses_is_an_error_of_flush(tmp_path):
    w = SummaryWriter(tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "a").write_text("in the way")
    w.add_scalar("x", 1, 1)
    with pytest.raises(OSError):
        w.flush()


def test_a_call_returns_before_its_record_is_encoded(tmp_path):
    """Were it encoded in the call, nothing would ever be left for a flush."""
    noise = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    with SummaryWriter(tmp_path) as w:

        def call():
            w.add_image("noise", noise, 1, dataformats="HWC")
            return not w.flush(0)

        wait_for("a record that is not encoded yet", call)
        assert w.flush(DEADLINE) and w.stats()["refused"] == 0
