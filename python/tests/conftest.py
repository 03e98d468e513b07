"""Brokers of the tests' own: a redis-server on a socket file, or the embedded one."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import tensorplex

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.append(str(ROOT / "tests"))
from programs import built  # noqa: E402, F401
# A shell that starts something in the background has it ignore Ctrl-C, and its children with it: the tests' programs hear
# it all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)
#: Longest wait for what must come.
DEADLINE = 60.0


def wait_for(what, check):
    """Looks until it is so: no test relies on a time, only on this end of all patience."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError(f"waited {DEADLINE} s for {what}")


class Redis:
    """A redis-server without persistence."""

    is_real = True

    def __init__(self):
        # A socket's path may have about 100 characters: pytest's own folders are too deep.
        self.dir = tempfile.mkdtemp(prefix="tpx-")
        self.url = f"unix://{self.dir}/redis.sock"
        self.restart()

    def restart(self):
        command = ["redis-server", "--port", "0", "--save", "", "--appendonly", "no", "--dir", self.dir]
        command += ["--unixsocket", f"{self.dir}/redis.sock"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for("redis-server", lambda: self.ask("PING") == "PONG")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        command = ["redis-cli", "-s", f"{self.dir}/redis.sock", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    def keys(self):
        return set(self.ask("KEYS", "*").split())

    def close(self):
        self.kill()
        shutil.rmtree(self.dir)


class Embedded:
    is_real = False

    def __init__(self):
        self.broker = tensorplex.EmbeddedBroker(port=0)
        self.url = self.broker.url

    def close(self):
        self.broker.stop()


@pytest.fixture(params=[Redis, Embedded], ids=["redis", "embedded"])
def broker(request):
    broker = request.param()
    yield broker
    broker.close()


@pytest.fixture
def redis():
    redis = Redis()
    yield redis
    redis.close()


class Program:
    """A Python program in a process of its own; its lines come out as they are printed."""

    def __init__(self, source, *args):
        path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
        environment = dict(os.environ, PYTHONPATH=path, PYTHONUNBUFFERED="1")
        command = [sys.executable, "-c", source, *map(str, args)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def line(self):
        return self.process.stdout.readline().rstrip("\n")

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def terminate(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.end()

    def end(self, patience=DEADLINE):
        """Exit code, what is left of stdout, stderr."""
        out, err = self.process.communicate(timeout=patience)
        return self.process.returncode, out, err


@pytest.fixture
def program():
    programs = []

    def start(source, *args):
        programs.append(Program(source, *args))
        return programs[-1]

    yield start
    for each in programs:
        if each.process.poll() is None:
            each.kill()
