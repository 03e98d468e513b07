"""What TensorBoard's two readers see in a log directory."""

import json
import subprocess
import sys

from conftest import DEADLINE, ROOT


def shown(logdir):
    """{run: {tag: series}}, the same in both readers: of points that are stated again, the Python loader shows each."""
    command = [sys.executable, ROOT / "tests/readers.py", "dump", logdir]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=DEADLINE).stdout)
    assert found["rust"].keys() == found["python"].keys()
    for run, tags in found["python"].items():
        for tag, series in tags.items():
            once = [point for n, point in enumerate(series["points"]) if point not in series["points"][:n]]
            assert found["rust"][run][tag]["points"] == once, (run, tag)
    return found["python"]


def points(series):
    return [point[:2] for point in series["points"]]
