"""Programs and examples of the workspace, in the dev profile."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]


def built(path):
    """Builds what is not built yet; the path is that below the profile's directory.

    Of the whole workspace, as `make python` does: with another choice, what it depends on would have other features
    and be compiled once more.
    """
    choice = ["--workspace", "--exclude", "remotecall-macros", "--lib", "--bins", "--examples"]
    subprocess.run(["cargo", "build", "-q", *choice], cwd=ROOT, check=True, timeout=1800)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug", path)
