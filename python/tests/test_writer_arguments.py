"""What SummaryWriter is called with: the arguments of two libraries, and wrong ones."""

import json
import os

import numpy as np
import pytest
from conftest import ROOT, Embedded
from test_records import points
from writers import PIXELS, Directory, local  # noqa: F401 (a fixture)

import tensorplex
from tensorplex import SummaryWriter

def test_default_step_and_time(local):
    with local.writer("a") as w:
        with w.use_metadata(global_step=7, walltime=1234.5):
            w.add_scalar("x", 1)
            w.add_scalar("x", 1, 8)
            w.add_text("t", "x")
        w.add_scalar("x", 1, 9, 1.0)
    run = local.readers()["a"]
    assert run["x"]["points"] == [[7, 1.0, 1234.5], [8, 1.0, 1234.5], [9, 1.0, 1.0]]
    assert points(run["t/text_summary"]) == [[7, ["x"]]]


def test_scalars_are_exported(local, tmp_path):
    with local.writer("a") as w:
        w.add_scalars("main", {"k": 0.5}, 3, 1.5)
        run = os.path.join(w.log_dir, "main_k")
        assert w.scalar_dict == {run: [[1.5, 3, 0.5]]}
        w.export_scalars_to_json(tmp_path / "out.json")
        assert json.loads((tmp_path / "out.json").read_text()) == {run: [[1.5, 3, 0.5]]} and w.scalar_dict == {}


def test_the_arguments_of_both_libraries(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TENSORPLEX_URL", raising=False)
    w = SummaryWriter(None, "_c", None, 5, 30, ".suffix")
    assert w.log_dir.startswith("runs/") and w.log_dir.endswith("_c") and os.path.isdir(w.log_dir)
    assert (w.max_queue, w.flush_secs, w.filename_suffix, w.purge_step) == (5, 30, ".suffix", None)
    assert w.default_bins[0] < -9e19 and len(w.default_bins) == 2 * 775 - 1 or sorted(w.default_bins) == w.default_bins
    w = SummaryWriter(logdir=tmp_path / "x", comet_config={"disabled": True})
    assert w.logdir == str(tmp_path / "x") and not caplog.messages
    SummaryWriter(log_dir="y", comet_config={"project": "p"}, unknown=1)
    assert ["comet_config", "unknown"] == [word for word in ("comet_config", "unknown") if word in caplog.text]
    with SummaryWriter("nothing", write_to_disk=False) as w:
        w.add_scalar("x", 1, 1)
        w.add_image("i", PIXELS)
        w.add_scalars("m", {"k": 1})
        with pytest.raises(ValueError):
            w.add_image("i", PIXELS[0])
    assert not os.path.exists("nothing")


@pytest.mark.parametrize(
    "log_dir, client_id",
    [
        ("runs/exp/1", "exp/1"),
        ("exp 1/ü", "exp_1-861296bac907/ü"),
        ("runs/实验一", "实验一"),
        ("a//b/./c", "a/b/c"),
        ("runs", "runs"),
        (".hidden/x", "_hidden-0da0cdcb404d/x"),
        ("/elsewhere/runs/x", "elsewhere/runs/x"),
    ],
)
def test_a_client_id_is_made_from_the_directory(tmp_path, monkeypatch, log_dir, client_id):
    monkeypatch.chdir(tmp_path)
    embedded = Embedded()
    monkeypatch.setenv("TENSORPLEX_URL", embedded.url)
    w = SummaryWriter(log_dir)
    assert w.client_id == client_id and repr(w).startswith(f"<SummaryWriter {client_id}, redis")
    assert SummaryWriter(tmp_path / log_dir, client_id="agent/1").client_id == "agent/1"
    assert SummaryWriter(tmp_path / "local", url="").client_id is None
    assert not os.path.exists(log_dir) or log_dir.startswith("/")
    w.close(0)
    embedded.close()


@pytest.fixture(params=["directory", "server"])
def checked(request, tmp_path):
    if request.param == "directory":
        yield SummaryWriter(tmp_path / "checked")
    else:
        with tensorplex.EmbeddedBroker(port=0) as broker:
            w = SummaryWriter("checked", url=broker.url)
            yield w
            w.close(0)


@pytest.mark.parametrize(
    "method, args, kind, text",
    [
        ("add_scalar", ("", 0.5), ValueError, "tag is empty"),
        ("add_scalar", ("t", [1, 2]), ValueError, r"shape \(2,\): one number is wanted"),
        ("add_scalar", ("t", 0.5, [1]), TypeError, "global_step is a list: an int or None is wanted"),
        ("add_scalar", ("t", 0.5, float("nan")), ValueError, "global_step is nan"),
        ("add_scalar", ("t", 10**400), ValueError, "scalar_value is beyond what a float holds"),
        ("add_scalar", ("t", 0.5, 1, None, True, False, 5), TypeError, "display_name is a int: a str is wanted"),
        ("add_scalars", ("m", {"a": 1, "b": [1, 2]}), ValueError, r"'b' has shape \(2,\)"),
        ("add_scalars", ("m", [1]), TypeError, "metric_dict is a list"),
        ("add_tensor", ("t", np.zeros(2, np.complex64)), TypeError, "dtype complex64: one of"),
        ("add_histogram", ("t", []), ValueError, r"shape \(0,\): at least one number"),
        ("add_histogram", ("t", ["x"]), TypeError, "values has dtype <U1"),
        ("add_histogram", ("t", [1.0], 1, "pebble"), ValueError, "pebble"),
        ("add_histogram", ("t", [1.0], 1, 10, None, 0), ValueError, "max_bins is 0: 1 to 2147483647 is wanted"),
        ("add_histogram_raw", ("t", 0, 1, 1, 1, 1, [1, 2], [1]), ValueError, r"\(2,\) and bucket_counts \(1,\)"),
        ("add_histogram_raw", ("t", 0, 3, 1, 1, 1, [2, 1, 3], [1, 1, 1]), ValueError, "rising order"),
        ("add_histogram_raw", ("t", 0, 3, 1, 1, 1, [1, 2], [-1, 1]), ValueError, "none below 0"),
        ("add_image", ("t", np.zeros((3, 4), np.uint8)), ValueError, r"\[3, 4\]"),
        ("add_image_with_boxes", ("t", PIXELS, [[1, 2]]), ValueError, r"\(1, 2\): \(n, 4\) is wanted"),
        ("add_image_with_boxes", ("t", PIXELS, [[1, 1, 2, 2]], 1, None, 1, "CHW", ["a", "b"]), ValueError, "2 labels"),
        ("add_figure", ("t", np.zeros(3)), TypeError, "a figure of matplotlib"),
        ("add_video", ("t", np.zeros((3, 4, 4))), ValueError, r"\[3, 4, 4\]"),
        ("add_audio", ("t", np.zeros((3, 4))), ValueError, r"\(3, 4\)"),
        ("add_text", ("t", 1), TypeError, "text_string is a int"),
        ("add_pr_curve", ("t", [0, 1], [0.5]), ValueError, "pr curve"),
        ("add_pr_curve_raw", ("t", *[[1, 2]] * 5, [1]), ValueError, "pr curve"),
        ("add_custom_scalars", ([],), TypeError, "layout is a list"),
        ("add_custom_scalars_marginchart", (["a", "b"],), ValueError, r"expected 3 \(value"),
        ("add_mesh", ("t", np.zeros((4, 2))), ValueError, r"\(4, 2\): \(n, 3\) is wanted"),
        ("add_hparams", ({"a": 1}, {"m": "x"}), TypeError, "'m' is a str"),
        ("add_embedding", (np.zeros(3),), ValueError, r"\(3,\): \(n, size\) is wanted"),
        ("add_graph", ("model",), TypeError, "model is a str"),
        ("add_onnx_graph", (), TypeError, "onnx_model_file is not given"),
        ("add_summary", (b"\xff",), ValueError, "not a message"),
        ("add_event", (b"",), ValueError, "no value, no graph"),
        ("add_event", (5,), TypeError, "event is a int: bytes or a protobuf message"),
        ("add_scalar", ("half \ud800", 0.5), ValueError, r"tag has a lone surrogate, '\\ud800' at 5"),
        ("add_text", ("t", "\udfff"), ValueError, "text_string has a lone surrogate"),
        ("add_image", ("t", PIXELS, 1, None, None), TypeError, "dataformats is a NoneType: a str is wanted"),
        ("add_mesh", ("t", np.zeros((1, 3, 3)), None, None, 5), TypeError, "config_dict is 5: a dict"),
        ("add_embedding", (np.zeros((2, 2)), 5), TypeError, "metadata is 5: a label per vector"),
        ("add_embedding", (np.zeros((1, 2)), [5], None, 1, "t", ["a"]), TypeError, r"metadata is \[5\]: a row of labels"),
    ],
)
def test_wrong_input_raises_in_the_caller_and_nothing_is_written(checked, method, args, kind, text):
    def sizes():
        return [os.path.getsize(f"{checked.log_dir}/{file}") for file in os.listdir(checked.log_dir)]

    before = sizes() if checked.url is None else None
    with pytest.raises(kind, match=text):
        getattr(checked, method)(*args)
    if checked.url is None:
        assert checked.flush()
        assert sizes() == before and len(before) == 1
    else:
        assert checked.stats()["taken"] == 0


@pytest.mark.parametrize(
    "options, kind, text",
    [
        ({"resume": "yes"}, ValueError, "resume is 'yes'"),
        ({"log_dir": "s3://b"}, ValueError, "local directory"),
        ({"url": 5}, TypeError, "url is a int"),
    ],
)
def test_wrong_arguments_of_a_writer(tmp_path, options, kind, text):
    with pytest.raises(kind, match=text):
        SummaryWriter(**options)


@pytest.mark.parametrize("block", [0, 1])
def test_the_documentation_runs(tmp_path, monkeypatch, block):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/guide/python.md").read_text().split("## SummaryWriter\n")[1]
    exec(page.split("```python\n")[1 + block].split("```")[0], {})
    if block == 0:
        runs = Directory(tmp_path / "runs").readers()
        assert runs.keys() == {"first", "first/both_train", "first/both_val"}


def test_every_method_of_both_libraries_is_there():
    import tensorboardX

    # The names of torch 2.15, for those that tensorboardX has not.
    names = {"add_tensor", "get_logdir", "add_histogram_raw"} | set(dir(tensorboardX.SummaryWriter))
    public = {name for name in names if not name.startswith("_")}
    assert public - set(dir(SummaryWriter)) == set()
