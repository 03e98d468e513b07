"""Those who call a SummaryWriter, as they are, and `patch`.

transformers is the real one here, ray is in test_ray.py and Keras in test_examples.py. Of the others, which need torch, the calls
are repeated as their code makes them; the file is named at each.
"""

import importlib
import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT, built
from matplotlib.figure import Figure
from test_records import Tensor, points
from writers import Directory

import tensorplex

PIXELS = np.zeros((3, 8, 8), np.float32)


@pytest.fixture
def place(tmp_path):
    return Directory(tmp_path / "runs")


@pytest.fixture
def patched():
    with tensorplex.patch() as patch:
        yield patch


def drive_transformers(callback):
    """What a Trainer does with a callback. Its arguments need torch; the callback asks no more of them than this."""
    args = SimpleNamespace(output_dir="out", to_json_string=lambda: '{"lr": 0.1}')
    state = SimpleNamespace(is_world_process_zero=True, is_hyper_param_search=False, global_step=0)
    model = SimpleNamespace(config=SimpleNamespace(to_json_string=lambda: "{}"))
    callback.on_train_begin(args, state, None, model=model)
    for state.global_step in range(1, 4):
        callback.on_log(args, state, None, logs={"loss": 1 / state.global_step, "eval_acc": 0.5, "note": "x"})
    callback.on_train_end(args, state, None)


def check_transformers(run):
    assert points(run["train/loss"]) == [[1, 1.0], [2, 0.5], [3, pytest.approx(1 / 3)]]
    assert points(run["eval/acc"]) == [[step, 0.5] for step in (1, 2, 3)]
    assert points(run["args/text_summary"]) == [[0, ['{"lr": 0.1}']]] and "model_config/text_summary" in run


def test_transformers_with_a_writer(place):
    from transformers.integrations import TensorBoardCallback

    drive_transformers(TensorBoardCallback(tb_writer=place.writer("a")))
    check_transformers(place.readers()["a"])


def test_transformers_makes_its_own_writer(place, patched, monkeypatch):
    from transformers.integrations import TensorBoardCallback

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(place.logdir / "a"))
    callback = TensorBoardCallback()
    assert callback._SummaryWriter is tensorplex.SummaryWriter
    drive_transformers(callback)
    check_transformers(place.readers()["a"])


@pytest.fixture
def torch_like(monkeypatch):
    """torch.utils.tensorboard without torch: modules of the same names around tensorboardX's class and functions."""
    import tensorboardX.summary

    original = importlib.import_module("tensorboardX.writer").SummaryWriter
    names = ("torch", "torch.utils", "torch.utils.tensorboard", "torch.utils.tensorboard.writer")
    modules = {name: ModuleType(name) for name in names}
    theirs = type("SummaryWriter", (original,), {"__module__": "torch.utils.tensorboard.writer"})
    modules["torch"].nn = SimpleNamespace(Module=type("Module", (), {}))
    modules["torch"].utils = modules["torch.utils"]
    modules["torch.utils"].tensorboard = modules["torch.utils.tensorboard"]
    for name in names[2:]:
        modules[name].SummaryWriter = theirs
    modules["torch.utils.tensorboard"].summary = tensorboardX.summary
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return theirs


def test_stable_baselines(place, torch_like, patched):
    """stable-baselines3 2.9.2, common/logger.py, TensorBoardOutputFormat."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(log_dir=str(place.logdir / "PPO_1"))
    for part in sys.modules["torch.utils.tensorboard"].summary.hparams({"lr": 0.1}, metric_dict={"rollout/reward": 0}):
        writer.file_writer.add_summary(part)
    for step in (10, 20):
        writer.add_scalar("rollout/reward", np.float64(step), step)
        writer.add_text("note", "text", step)
        writer.add_histogram("actions", Tensor(np.arange(5.0)), step)
        writer.add_video("video", Tensor(PIXELS[None, None]), step, 40)
        figure = Figure(figsize=(1, 1))
        writer.add_figure("figure", figure, step, close=True)
        writer.add_image("image", Tensor(PIXELS), step, dataformats="CHW")
        writer.flush()
    writer.close()
    run = place.readers()["PPO_1"]
    assert points(run["rollout/reward"]) == [[10, 10.0], [20, 20.0]]
    assert {"note/text_summary", "actions", "video", "figure", "image", "_hparams_/session_start_info"} <= run.keys()


def test_lightning(place, torch_like, patched):
    """lightning 2.6.6, fabric/loggers/tensorboard.py and pytorch/loggers/tensorboard.py, TensorBoardLogger."""
    from torch.utils.tensorboard import SummaryWriter

    experiment = SummaryWriter(log_dir=str(place.logdir / "version_0"), max_queue=10)
    for part in sys.modules["torch.utils.tensorboard"].summary.hparams({"lr": 0.1}, {"hp_metric": -1}):
        experiment._get_file_writer().add_summary(part, 0)
    experiment.add_scalar("hp_metric", -1, 0)
    for step in range(3):
        experiment.add_scalar("train_loss", 0.5, step)
        experiment.add_scalars("losses", {"train": 1.0, "val": 2.0}, step)
    experiment.flush()
    experiment.close()
    runs = place.readers()
    assert points(runs["version_0"]["train_loss"]) == [[step, 0.5] for step in range(3)]
    assert points(runs["version_0/losses_val"]["losses"]) == [[step, 2.0] for step in range(3)]


def test_accelerate(place, torch_like, patched):
    """accelerate 1.15, tracking.py, TensorBoardTracker."""
    from torch.utils import tensorboard

    writer = tensorboard.SummaryWriter(place.logdir / "project")
    writer.add_hparams({"lr": 0.1, "model": "small"}, metric_dict={})
    writer.flush()
    for step in range(2):
        writer.add_scalar("loss", 0.5, global_step=step)
        writer.add_text("note", "text", global_step=step)
        writer.add_scalars("both", {"a": 1, "b": 2}, global_step=step)
        writer.add_images("images", PIXELS[None], global_step=step)
        writer.flush()
    writer.close()
    runs = place.readers()
    assert points(runs["project"]["loss"]) == [[0, 0.5], [1, 0.5]] and "images" in runs["project"]
    [session] = [run for run, tags in runs.items() if "_hparams_/session_start_info" in tags]
    assert session.startswith("project/")


def test_the_gallery_is_that_of_rust(place):
    """Which tests/test_gallery.py looks at in a browser, on every dashboard."""
    program = ROOT / "examples/python/gallery.py"
    printed = subprocess.run([sys.executable, program, place.logdir / "g"], capture_output=True, text=True, check=True)
    assert printed.stdout == f"tensorboard --logdir {place.logdir / 'g'}\n"
    subprocess.run([built("examples/gallery"), place.logdir / "rust"], check=True)

    runs = place.readers()
    ours, theirs = runs["g"], runs["rust/gallery"]
    assert ours.keys() - theirs.keys() == {"best", "figure"} and theirs.keys() <= ours.keys()
    plugins = {series["plugin"] for series in ours.values()}
    assert plugins == {
        "audio", "custom_scalars", "graphs", "histograms", "hparams", "images", "mesh", "pr_curves", "scalars", "text",
    }  # fmt: skip
    for tag, series in theirs.items():
        assert form(ours[tag]) == form(series), tag
    assert points(ours["__run_graph__"]) == points(theirs["__run_graph__"])
    assert points(ours["note/text_summary"]) == points(theirs["note/text_summary"])
    projector = [(place.logdir / run / "projector_config.pbtxt").read_text() for run in ("g", "rust/gallery")]
    ours, theirs = (re.sub(r"points-\d+", "points", text) for text in projector)
    assert ours == theirs and "sprite" in ours
    assert len(points(runs["g/runs_sin"]["runs"])) == 50


def form(series):
    """What a dashboard makes of a series: its kind, its numbers as they are drawn, the sizes of pictures."""
    values = [value for _, value in points(series)]
    match series["plugin"]:
        case "images":
            values = [value[:2] for value in values]
        case "scalars":
            values = [round(value, 4) for value in values]
        case "hparams" | "text" | "graphs" | "custom_scalars":
            values = len(values)
        case "audio":
            values = [[blob["bytes"] for blob in value] for value in values]
        case _:
            values = [np.shape(value) for value in values]
    return series["plugin"], series["kind"], values


def forget(*roots):
    found = {name: module for name, module in sys.modules.items() if name.split(".")[0] in roots}
    for name in found:
        del sys.modules[name]
    return found


def test_patch_reaches_who_imported_before_and_who_imports_later(torch_like):
    import tensorboardX

    theirs = tensorboardX.SummaryWriter
    user = ModuleType("user")
    user.Writer, user.Torch = theirs, torch_like
    sys.modules["user"] = user
    before = {}
    try:
        theirs_global = tensorboardX.GlobalSummaryWriter
        with tensorplex.patch():
            assert tensorboardX.global_writer.GlobalSummaryWriter is tensorplex.GlobalSummaryWriter
            assert tensorboardX.GlobalSummaryWriter is tensorplex.GlobalSummaryWriter
            assert user.Writer is user.Torch is tensorboardX.SummaryWriter is tensorplex.SummaryWriter
        assert (user.Writer, user.Torch, tensorboardX.SummaryWriter) == (theirs, torch_like, theirs)

        assert tensorboardX.GlobalSummaryWriter is tensorboardX.global_writer.GlobalSummaryWriter is theirs_global

        before = forget("tensorboardX", "torch")
        patch = tensorplex.patch()
        later = importlib.import_module("tensorboardX")
        assert later.SummaryWriter is later.writer.SummaryWriter is tensorplex.SummaryWriter
        assert later.GlobalSummaryWriter is tensorplex.GlobalSummaryWriter
        patch.undo()
        patch.undo()
        assert later.SummaryWriter is later.writer.SummaryWriter is later.global_writer.SummaryWriter
        assert later.SummaryWriter.__module__ == "tensorboardX.writer"
        assert later.GlobalSummaryWriter is later.global_writer.GlobalSummaryWriter
        assert later.GlobalSummaryWriter.__module__ == "tensorboardX.global_writer"
    finally:
        forget("tensorboardX", "user", "torch")
        sys.modules.update(before)


def test_patch_needs_nothing_to_be_installed():
    before = forget("tensorboardX", "torch")
    try:
        with tensorplex.patch(), pytest.raises(ImportError):
            importlib.import_module("torch.utils.tensorboard")
    finally:
        sys.modules.update(before)
