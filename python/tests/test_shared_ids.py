"""Processes that log the same tag under one client id are told so, in their own logs and in the server's."""

import pytest

import tensorplex

#: Logs the steps that standard input names, a range per line, and acknowledges each range.
WORKER = """
import logging, sys
from tensorplex import TensorplexClient

logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
client = TensorplexClient(sys.argv[2], url=sys.argv[1])
for line in sys.stdin:
    tag, first, end = line.split()
    if tag == "resume":
        client.resume()
        continue
    for step in range(int(first), int(end)):
        client.add_scalar(tag, 0.5, step)
    print(client.flush(60), flush=True)
print("closed", client.close(60), flush=True)
"""


@pytest.fixture
def worker(program, tmp_path):
    server = tensorplex.Tensorplex(tmp_path).start(port=0)

    def start(client_id="agent/1"):
        return program(WORKER, server.url, client_id)

    yield start
    server.stop()


def log(worker, tag, first, end):
    worker.process.stdin.write(f"{tag} {first} {end}\n")
    worker.process.stdin.flush()
    if tag != "resume":
        assert worker.line() == "True"


def warnings(worker):
    code, _, err = worker.end()
    assert code == 0, err
    return [line for line in err.splitlines() if line.startswith("WARNING tensorplex ")]


def test_each_of_several_processes_is_told_once(worker):
    first, second = worker(), worker()
    for step in range(4):
        for each in (first, second):
            log(each, "loss", step, step + 1)
    texts = [warnings(first), warnings(second)]
    assert [len(found) for found in texts] == [1, 0], texts
    assert "several running processes log tag" in texts[0][0] and '"agent/1/0"' in texts[0][0]


def test_a_restart_at_an_earlier_step_names_resume(worker):
    first = worker()
    log(first, "loss", 0, 100)
    assert warnings(first) == []
    second = worker()
    log(second, "loss", 50, 150)
    log(second, "loss", 150, 200)
    (text,) = warnings(second)
    assert 'tag "loss" at step 50' in text and "up to step 99" in text and "call resume()" in text


@pytest.mark.parametrize(
    "ranges",
    [
        pytest.param([("resume", 0, 0), ("loss", 50, 150)], id="resumed"),
        pytest.param([("loss", 100, 150)], id="goes on"),
        pytest.param([("eval", 0, 10)], id="another tag"),
    ],
)
def test_a_restart_that_is_right_is_not_mentioned(worker, ranges):
    first = worker()
    log(first, "loss", 0, 100)
    assert warnings(first) == []
    second = worker()
    for each in ranges:
        log(second, *each)
    assert warnings(second) == []
