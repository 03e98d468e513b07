"""The examples run, and leave what they say."""

import json
import os
import subprocess
import sys

from conftest import DEADLINE, ROOT
from reading import points, shown


def run(name, folder, **settings):
    command = [sys.executable, ROOT / "examples/python" / name, folder]
    environment = os.environ | settings
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE, env=environment
    )
    return done.stdout


def test_a_server_and_its_workers_started_twice_show_one_curve(tmp_path):
    for times in (1, 2):
        out = run("server.py", tmp_path)
        assert out == f"4 clients of records, 4 of lines\ntensorboard --logdir {tmp_path}\n"
        assert [len(points(tags["loss"])) for tags in shown(tmp_path).values()] == [100] * 4
        lines = (tmp_path / "logs/agent/3.log").read_text().splitlines()
        assert [line.split(" INFO> ")[1] for line in lines[-2:]] == ["========== training ==========", "100 steps, loss 0.010"]
        assert len(lines) == 2 * times


def test_groups_share_charts(tmp_path):
    run("groups.py", tmp_path)
    runs = shown(tmp_path)
    assert runs["learner"].keys() == {"actor/loss", "critic/loss"}
    assert runs["agent/9"].keys() == {"agent/reward/8-15"} and runs["agent/0"].keys() == {"agent/reward/0-7"}
    assert runs["player/red2"].keys() == {"player.red/score", "player.red.time/step"}
    assert runs["player/blue1"].keys() == {"player/score/others", "player.time/step/others"}
    assert len(runs) == 20 == len(list((tmp_path / "json").iterdir()))
    assert len(json.loads((tmp_path / "json/agent.9.json").read_text())["agent/reward/8-15"]) == 50


def test_text_logs_are_shown(tmp_path):
    out = run("text_logs.py", tmp_path)
    assert out.startswith("WARNING> nothing learnt yet\nERROR> a bad setting\n")
    for text in ("INFO3> loss 0.25 of step 7\n", "DEBUG> 12.5% of all steps done\n", "    | ERROR> ValueError: invalid"):
        assert text in out.split("agent/0.log:\n")[1]
    assert " WARNING> train text_logs.py:28: from any library\n" in out.split("agent/1.log:\n")[1]


def test_keras_on_jax_trains_with_the_callback(tmp_path):
    logdir = tmp_path / "runs"
    # Keras keeps its settings in the user's home directory.
    out = run("keras_callback.py", logdir, KERAS_BACKEND="jax", KERAS_HOME=str(tmp_path / "keras"))
    assert out == f"tensorboard --logdir {logdir}\n"
    [tags] = shown(logdir).values()
    assert tags.keys() == {"epoch/loss", "epoch/val_loss"} | {
        f"sequential/{layer}/{part}" for layer in ("hidden", "out") for part in ("kernel", "bias")
    }
    for series in tags.values():
        assert [step for step, _ in points(series)] == list(range(10))
    losses = [loss for _, loss in points(tags["epoch/loss"])]
    assert losses == sorted(losses, reverse=True)
    # As many weights as the layer has: four inputs, eight units.
    assert all(sum(count for *_, count in rows) == 32 for _, rows in points(tags["sequential/hidden/kernel"]))
