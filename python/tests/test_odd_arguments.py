"""Arguments that torch's or tensorboardX's writer takes: ours takes them too, and records what they mean."""

import enum
import itertools
import pathlib
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image
from tensorboardX import SummaryWriter as Peer
from test_records import points
from writers import local  # noqa: F401 (a fixture)

from tensorplex import SummaryWriter, _inputs

NUMBERS = [
    0, 1.5, True, "3", "x", None, 10**400, Decimal("0.5"), np.float64(3), np.float32(4.5), np.int8(3), np.bool_(1),
    np.array(3.0), np.array([3.0]), np.array([[3]]), [2], [1, 2], float("nan"), float("inf"), np.ma.masked, object(), 1j,
]
STEPS = [None, 0, 3.7, "3", True, np.float64(3), np.float32(4.5), np.int64(3), np.array(3), np.array(3.5), 2**63, "x"]
DTYPES = ["uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32", "float64", "bool"]
HPARAMS = [1, 1.5, True, "x", None, [64], [1, 2], (1,), {"a": 1}, pathlib.Path("a"), dict, enum.Enum("E", "A").A, np.array([1.0]), print]


def picture(shape, dtype):
    return np.ones(shape, dtype)


GRAMMAR = [
    *[("add_scalar", ("t", value, step)) for value, step in itertools.product(NUMBERS, STEPS)],
    *[("add_text", ("t", "x", step)) for step in STEPS],
    *[("add_scalars", ("t", {"k": value}, 1)) for value in NUMBERS],
    *[("add_image", ("t", picture((3, 4, 4), dtype), 1, None, axes)) for dtype in DTYPES for axes in ("CHW", "chw")],
    *[("add_images", ("t", picture((2, 3, 4, 4), dtype))) for dtype in DTYPES],
    *[("add_images", ("t", [picture((3, 4, 4), dtype)] * 2, 1, None, "CHW")) for dtype in DTYPES],
    *[("add_audio", ("t", picture((8,), dtype))) for dtype in DTYPES],
    *[("add_histogram", ("t", picture((8,), dtype))) for dtype in DTYPES],
    *[("add_pr_curve", ("t", [0, 1, label], [0.5, 0.5, p])) for label in (0, 1, -1, 2) for p in (0.5, 1.0000001, 1.5, -1)],
    *[("add_hparams", ({"h": value}, {"m": 1}, f"run{n}")) for n, value in enumerate(HPARAMS)],
    *[("add_mesh", ("t", np.ones((1, 3, 3)), np.full((1, 3, 3), c), np.full((1, 1, 3), f))) for c in (0.5, 255, 300) for f in (1, 2.7)],
]


def failure(writer, method, args):
    try:
        getattr(writer, method)(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.filterwarnings("ignore")
def test_nothing_raises_where_tensorboardx_does_not(tmp_path):
    worse = []
    with Peer(str(tmp_path / "peer")) as peer, SummaryWriter(tmp_path / "ours") as ours:
        for method, args in GRAMMAR:
            if (raised := failure(ours, method, args)) and failure(peer, method, args) is None:
                worse.append(f"{method}{args}: {raised}")
    assert not worse, "\n".join(worse)


@pytest.mark.parametrize("step, recorded", [(3.7, 3), ("3", 3), (np.float32(4.5), 4), (np.array([5]), 5), (np.array(6.0), 6)])
def test_steps_are_what_int_makes_of_them(local, step, recorded):
    with local.writer("a") as w:
        w.add_scalar("x", 1.0, step)
    assert points(local.readers()["a"]["x"]) == [[recorded, 1.0]]


def test_a_changed_step_is_logged_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("tensorplex._adjust._counts", Counter())
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("x", 1.0, 3.7)
        w.add_scalar("x", 1.0, 4.7)
        assert w.stats()["changed"] == 2
    assert [line for line in caplog.messages if "steps" in line] == [
        "steps are cut to whole numbers: global_step 3.7 is recorded as 3; later ones are only counted"
    ]


def test_sound_is_scaled_by_its_type():
    for dtype, low, middle in (("int16", -32768, 16384), ("int32", -(2**31), 2**30), ("uint8", 0, 192), ("int8", -128, 64)):
        assert _inputs.sound(np.array([low, middle], dtype), "s").tolist() == [-1.0, 0.5]
    assert _inputs.sound(np.array([-0.5, 1.0]), "s").tolist() == [-0.5, 1.0]


def test_sound_may_have_leading_axes_of_one(tmp_path):
    with SummaryWriter(tmp_path) as w:
        w.add_audio("x", np.zeros((1, 1, 8)))


def test_pictures_are_scaled_by_their_type():
    sixteen = np.array([[0, 65535]], np.uint16)
    expected = [[0.0, 1.0]]
    for value in (sixteen, Image.fromarray(sixteen), Image.fromarray(sixteen.astype(np.int32)), Image.fromarray(np.float32(expected))):
        assert _inputs.pixels(value, "p", "hw")[0].tolist() == expected
    with pytest.raises(ValueError, match="mode F beyond 0 to 1"):
        _inputs.pixels(Image.fromarray(np.float32([[0, 200]])), "p", "HW")


def test_what_is_masked_is_not_a_number():
    assert np.isnan(_inputs.scalar(np.ma.masked))
    assert np.isnan(_inputs.scalar(np.ma.array([1.0, 2.0], mask=True).mean()))
    values, _ = _inputs.samples(np.ma.array([1, 2], mask=[0, 1]), "values")
    assert values[0] == 1 and np.isnan(values[1])


def test_colors_and_faces_keep_their_meaning():
    assert _inputs.colors([[0.0, 0.5, 1.0]], "c") == [[0, 128, 255]]
    assert _inputs.colors([[0, 300, -4]], "c") == [[0, 255, 0]]
    assert _inputs.colors([[0, 1, 1]], "c") == [[0, 1, 1]]
    assert _inputs.faces([[0, 1, 2.7]], "f") == [[0, 1, 2]]


def test_labels_of_minus_one_are_negative_and_nan_is_left_out():
    is_positive, is_known = _inputs.positives([-1, 0, 1, np.nan], "labels")
    assert is_positive.tolist()[:3] == [False, False, True] and is_known.tolist() == [True, True, True, False]
    assert _inputs.probabilities([1.0000001], "p")[0].tolist() == [1.0]


def test_hparams_that_are_not_numbers_are_texts():
    class Net:
        pass

    found = dict(_inputs.settings({"list": [64], "dict": {"a": 1}, "class": Net, "path": pathlib.Path("a/b"), "array": np.array([2.0])}))
    assert found == {"list": "[64]", "dict": "{'a': 1}", "class": "Net", "path": "a/b", "array": 2.0}


@pytest.mark.parametrize("dtype", ["float16", "uint8", "int16", "uint32"])
def test_tensors_of_small_types_are_recorded(tmp_path, dtype):
    with SummaryWriter(tmp_path) as w:
        w.add_tensor("x", np.ones(3, dtype))
