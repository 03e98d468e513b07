"""ray's tune, unmodified, with the classes swapped under its callback for TensorBoard."""

import shutil
import tempfile

import pytest
from reading import points, shown

#: It takes 15 s where nothing else runs, and several minutes where ten others compute.
PATIENCE = 600

# A program of its own: ray starts daemons, and keeps them as long as its process lives.
TUNE = """
import os, sys

# No calls home, no file in the user's home directory.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}

import numpy as np
import ray
import tensorplex
from ray import tune
from ray.tune.logger import TBXLoggerCallback

home, storage = sys.argv[1:]


def train(config):
    pixels = np.zeros((3, 8, 8), np.float32)
    for step in (1, 2):
        tune.report({
            "loss": np.float32(config["lr"] / step),
            "nested": {"reward": step},
            "image": pixels,
            "images": pixels[None],
            "video": pixels[None, None],
            "weights": [1.0, 2.0],
            "odd": [[]],
            "note": "x",
        })


tensorplex.patch()
callback = TBXLoggerCallback()
assert callback._summary_writer_cls is tensorplex.SummaryWriter
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=80 << 20, _temp_dir=home)
space = {"lr": tune.grid_search([0.5]), "layers": 3, "warm": True, "model": "small"}
settings = tune.RunConfig(storage_path=storage, name="study", callbacks=[callback], verbose=0)
results = tune.Tuner(train, param_space=space, run_config=settings).fit()
ray.shutdown()
assert not results.errors, results.errors
"""


@pytest.fixture
def home():
    # A socket's path may have about 100 characters: pytest's own folders are too deep.
    home = tempfile.mkdtemp(prefix="tpx-")
    yield home
    shutil.rmtree(home)


def test_a_study_is_shown(program, home, tmp_path):
    code, _, errors = program(TUNE, home, tmp_path).end(PATIENCE)
    assert code == 0, errors
    [tags] = shown(tmp_path).values()
    assert points(tags["ray/tune/loss"]) == [[1, 0.5], [2, 0.25]]
    assert points(tags["ray/tune/nested/reward"]) == [[1, 1.0], [2, 2.0]]
    for tag in ("image", "images", "video", "weights"):
        assert [step for step, _ in points(tags[f"ray/tune/{tag}"])] == [1, 2], tag
    assert {"_hparams_/session_start_info", "_hparams_/session_end_info"} <= tags.keys()
    assert not {"ray/tune/odd", "ray/tune/note"} & tags.keys()
