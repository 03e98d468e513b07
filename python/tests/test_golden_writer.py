"""What SummaryWriter writes, beside what torch (tests/fixtures/torch.json) and tensorboardX write for the same calls.

Every difference is in one of the tables here, and with its reason in docs/reference/records.md.
"""

import json

import pytest
import tensorboardX
from conftest import ROOT
from golden_calls import CALLS, written_by

import tensorplex

TORCH = json.loads((ROOT / "tests/fixtures/torch.json").read_text())

#: Fields of values that differ, by call.
DIFFERENCES = {
    "torch": {
        "histogram": {"items", "shape"},
        "histogram_edges": {"items"},
        "image_with_boxes": {"items"},
        "audio": {"items"},
        "mesh": {"display_name", "dtype"},
        "mesh_points": {"display_name", "content"},
    },
    "tensorboardX": {
        "histogram": {"items", "shape"},
        "histogram_edges": {"items"},
        "image_with_boxes": {"items"},
        "mesh": {"display_name", "dtype", "tag", "content"},
        "mesh_points": {"display_name", "tag", "content"},
    },
}
#: Runs that have another name in tensorboardX.
RUNS = {"both/of/a": "both_of_a", "both/of/b": "both_of_b"}


@pytest.mark.parametrize("call", CALLS)
def test_the_fields_are_torchs(tmp_path, call):
    check("torch", call, TORCH[call], written_by(tensorplex.SummaryWriter, tmp_path, call))


@pytest.mark.parametrize("call", CALLS)
def test_the_fields_are_those_of_tensorboardx(tmp_path, call):
    theirs = written_by(tensorboardX.SummaryWriter, tmp_path / "theirs", call)
    theirs = {RUNS.get(run, run): values for run, values in theirs.items()}
    check("tensorboardX", call, theirs, written_by(tensorplex.SummaryWriter, tmp_path / "ours", call))


def check(by, call, theirs, ours):
    assert theirs.keys() == ours.keys()
    found = set()
    for run, values in theirs.items():
        values = [value for value in values if value["tag"] != "_hparams_/experiment"]
        same_order = [by_tag(values), by_tag(ours[run])] if call == "hparams" else [values, ours[run]]
        assert len(same_order[0]) == len(same_order[1])
        for theirs_, ours_ in zip(*same_order):
            found |= {name for name in theirs_.keys() | ours_.keys() if theirs_.get(name) != ours_.get(name)}
    assert found == DIFFERENCES[by].get(call, set())


def by_tag(values):
    return sorted(values, key=lambda value: value["tag"])


def test_a_histogram_has_the_same_values_in_fewer_buckets(tmp_path):
    [theirs] = TORCH["histogram"]["."]
    [ours] = written_by(tensorplex.SummaryWriter, tmp_path, "histogram")["."]
    assert sum(theirs["items"][2::3]) == sum(ours["items"][2::3]) == 31
    assert (theirs["items"][0], theirs["items"][-2]) == (ours["items"][0], ours["items"][-2]) == (-1.0, 2.0)


def test_sound_is_rounded_and_not_cut_off(tmp_path):
    [theirs] = TORCH["audio"]["."]
    [ours] = written_by(tensorplex.SummaryWriter, tmp_path, "audio")["."]
    assert theirs["items"][:3] == ours["items"][:3] == [8000, 1, 2]
    assert all(abs(a - b) <= 1 for a, b in zip(theirs["items"], ours["items"], strict=True))


def test_booleans_stay_booleans(tmp_path):
    def settings(values):
        [start] = [value for value in values if value["tag"].endswith("session_start_info")]
        return start["content"]["sessionStartInfo"]["hparams"]

    theirs, ours = settings(TORCH["hparams"]["hp"]), settings(written_by(tensorplex.SummaryWriter, tmp_path, "hparams")["hp"])
    assert theirs.pop("warm") == 1.0 and ours.pop("warm") is True
    assert theirs == ours
