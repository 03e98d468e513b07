"""Writers of the tests: into a directory, through Redis and through an embedded broker."""

import numpy as np
import pytest
from conftest import Redis
from test_records import Server, server, server_program  # noqa: F401 (fixtures)

from tensorplex import SummaryWriter

#: A small picture, channels first.
PIXELS = np.zeros((3, 8, 16), np.uint8)


class Directory:
    """Where a local writer writes; read as what a server wrote."""

    readers = Server.readers

    def __init__(self, logdir):
        self.logdir = logdir

    def writer(self, name, **options):
        return SummaryWriter(self.logdir / name, **options)


class Remote:
    """A writer through a server; its runs are where the server writes."""

    def __init__(self, server):
        self.readers, self.logdir, self.url = server.readers, server.logdir, server.url

    def writer(self, name, **options):
        return SummaryWriter(f"runs/{name}", url=self.url, **options)


@pytest.fixture
def local(tmp_path):
    return Directory(tmp_path / "runs")


@pytest.fixture(params=["directory", "redis", "embedded"])
def place(request, tmp_path):
    if request.param == "directory":
        yield Directory(tmp_path / "runs")
        return
    redis = Redis() if request.param == "redis" else None
    running = Server(request.getfixturevalue("server_program"), tmp_path / "runs", redis)
    yield Remote(running)
    running.stop()
    if redis:
        redis.close()
