"""Programs and examples of the workspace, in the dev profile."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]


def built(path):
    """Builds the workspace and returns the path of a program; `path` is below the profile's directory.

    The targets are those of `make python`. Another choice would give the dependencies other features, and cargo would
    compile them once more.
    """
    choice = ["--workspace", "--exclude", "remotecall-macros", "--lib", "--bins", "--examples"]
    subprocess.run(["cargo", "build", "-q", *choice], cwd=ROOT, check=True, timeout=1800)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug", path)
