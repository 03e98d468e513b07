"""Log lines of Python programs: those of the original, on the worker's own terminal, and under load."""

import io
import json
import logging
import pickle
import re
import time
import zlib

import pytest
from conftest import DEADLINE, ROOT

from tensorplex import Loggerplex, LoggerplexClient, LoggerplexHandler

#: Workers, and their longest line.
WORKERS, LONGEST = 50, 64 << 10

#: How the times of the fixture look, by the time format of its setups.
TIMES = {"hms": r"\d\d:\d\d:\d\d ", "dhms": r"07-14 \d\d:\d\d:\d\d ", "ydhms": r"07-14-17 \d\d:\d\d:\d\d ", None: ""}
TIMES["%Y-%m-%dT%H"] = r"<2017-07-14T\d\d> "


def an_exception():
    """As in capture_original.py."""
    try:
        exec(compile("def work():\n    return 1 / 0\n\nwork()", "train.py", "exec"), {})
    except ZeroDivisionError as error:
        error.__traceback__ = error.__traceback__.tb_next
        return error


def masked(text, time_format):
    """The lines of an entry without its time, which has to look as it should."""
    pattern = re.sub(r"07-14(-17)?|2017-07-14", lambda date: re.sub(r"\d", r"\\d", date[0]), TIMES[time_format])
    first, *further = text.removesuffix("\n").split("\n")
    found = re.match(pattern, first)
    assert found, (pattern, first)
    return [first[found.end() :], *further]


def test_the_original_log_line_by_line(broker, tmp_path):
    calls = json.loads((ROOT / "tests/fixtures/original_log.json").read_text())
    setups = [json.loads(setup) for setup in dict.fromkeys(json.dumps(call["setup"]) for call in calls)]
    assert (len(setups), len(calls)) == (5, 105)
    lines = 0
    for n, setup in enumerate(setups):
        where = {"url": broker.url} if broker.is_real else {"port": 0}
        with Loggerplex(tmp_path / str(n), **setup).start(**where) as logs:
            client = logs.proxy("group/agent")
            for call in calls:
                if call["setup"] == setup:
                    named = {name: an_exception() if name == "exc" else value for name, value in call["kwargs"].items()}
                    getattr(client, call["method"])(*call["args"], **named)
        # What follows the first line of a message is marked here, so that no message can forge another.
        text = (tmp_path / str(n) / "group/agent.log").read_text().removesuffix("\n").replace("\n    | ", "\0")
        entries = [entry.replace("\0", "\n") for entry in text.split("\n")]
        time_format = setup.get("time_format", "hms")
        expected = [call["text"] for call in calls if call["setup"] == setup and call["text"]]
        assert [masked(entry, time_format) for entry in entries] == [masked(entry, time_format) for entry in expected]
        lines += len(entries)
    assert lines == 101


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
LEVELS |= {f"{name}{n}": LEVELS[name] + n for name in ("debug", "info") for n in range(1, 10)}


@pytest.fixture
def echoed():
    """A client without a server, and what it writes here."""
    stream = io.StringIO()
    options = {"local_logger_stream": stream, "local_logger_level": 0}
    client = LoggerplexClient("agent/17", port=1, enable_local_logger=True, **options)
    yield client, stream
    client.close(0)


def test_every_level_has_its_methods(echoed):
    client, stream = echoed
    expected = []
    for name in LEVELS:
        getattr(client, name)("a", 1, sep="-")
        getattr(client, f"{name}fmt")("{} {x:.1f} {self}", "b", x=0.25, self=1)
        expected += [f"{name.upper()}> a-1", f"{name.upper()}> b 0.2 1"]
        if LEVELS[name] % 10 == 0:
            getattr(client, f"{name}section")("title", 3, sep="*", repeat=4)
            expected.append(f"{name.upper()}> ** title 3 **")
    client.log(37, "x")
    assert stream.getvalue().splitlines() == [*expected, "Level 37> x"]
    assert client.stats()["taken"] == len(expected) + 1
    assert client.info3.__name__ == "info3" and "INFO3" in client.info3.__doc__


def test_a_template_that_does_not_fit_loses_no_line(echoed):
    client, stream = echoed
    client.infofmt("{} of {all}", 1)
    client.logfmt(30, "{", 1)
    first, second = stream.getvalue().splitlines()
    assert first == "INFO> {} of {all} [not formatted: KeyError: 'all']"
    assert second.startswith("WARNING> { [not formatted: ValueError: ")


def test_bars_have_an_end(echoed):
    client, stream = echoed
    client.section(sep="é", repeat=256)
    with pytest.raises(ValueError, match="bars of 258 bytes: at most 256"):
        client.section(sep="é", repeat=258)
    with pytest.raises(ValueError, match="level is 256"):
        client.section(level=256)
    assert stream.getvalue() == "INFO> " + "é" * 256 + "\n"
    assert client.stats()["taken"] == 1


def test_a_local_line_is_that_of_the_file(broker, tmp_path, capsys):
    where = {"url": broker.url} if broker.is_real else {"port": 0}
    with Loggerplex(tmp_path, time_format=None).start(**where) as logs:
        client = LoggerplexClient("worker/1", url=logs.url, enable_local_logger=True)
        client.info("two\nlines\x1b[2J", None)
        client.debug("quiet")
        client.exception("failed", exc=ValueError("x"))
        assert client.close(DEADLINE)
    text = (tmp_path / "worker/1.log").read_text()
    assert text == "INFO> two\n    | lines\\x1b[2J None\nERROR> failed\n    | ERROR> ValueError: x\n"
    assert capsys.readouterr().out == text


def test_options_of_the_local_lines(capsys):
    options = {"enable_local_logger": True, "local_logger_stream": "stderr", "local_logger_level": "info3"}
    options |= {"local_logger_format": "<{asctime}> {client_id} ", "local_logger_time_format": "ydhm"}
    client = LoggerplexClient("worker/1", port=1, **options)
    client.info("quiet")
    pickle.loads(pickle.dumps(client)).info3("heard")
    out, err = capsys.readouterr()
    assert out == "" and re.fullmatch(r"<\d\d-\d\d-\d\d \d\d:\d\d> worker/1 INFO3> heard\n", err)
    client.close(0)
    with pytest.raises(ValueError, match="stream is 'file'"):
        LoggerplexClient("worker/1", port=1, enable_local_logger=True, local_logger_stream="file")
    with pytest.raises(ValueError, match="loud"):
        LoggerplexClient("worker/1", port=1, enable_local_logger=True, local_logger_level="loud")


def test_a_stream_that_is_gone_is_no_error():
    stream = io.StringIO()
    client = LoggerplexClient("worker/1", port=1, enable_local_logger=True, local_logger_stream=stream)
    stream.close()
    client.info("hello")
    assert client.stats()["taken"] == 1
    client.close(0)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"level": "loud"}, "loud"),
        ({"format": "{time} "}, "is unknown: use asctime"),
        ({"time_format": "hmm"}, "time format"),
        ({"level": 256}, "256"),
    ],
)
def test_an_option_that_cannot_be_is_refused_at_once(tmp_path, options, text):
    with pytest.raises(ValueError, match=text):
        Loggerplex(tmp_path, **options)


def test_overwrite_removes_what_others_left_and_nothing_of_its_own(tmp_path):
    (tmp_path / "a.log").write_text("of another\n")
    (tmp_path / "b.log").write_text("of another\n")
    with Loggerplex(tmp_path, True, time_format=None) as logs:
        logs.proxy("a").info("one")
    with Loggerplex(tmp_path, overwrite=True, time_format=None) as logs:
        logs.proxy("a").info("two")
    assert (tmp_path / "a.log").read_text() == "INFO> one\nINFO> two\n"
    with Loggerplex(tmp_path, time_format=None) as logs:
        logs.proxy("b").info("three")
    assert (tmp_path / "b.log").read_text() == "of another\nINFO> three\n"


def test_a_record_keeps_its_own_time(tmp_path):
    with Loggerplex(tmp_path, time_format="%Y %H:%M:%S%.3f") as logs:
        logs.start(0)
        handler = LoggerplexHandler("worker/1", url=logs.url)
        made = logging.getLogger("old").makeRecord("old", logging.INFO, "train.py", 3, "step %d", (7,), None)
        made.created = 1_500_000_000.125
        handler.handle(made)
        assert handler.flush(DEADLINE)
        handler.close()
    local = time.strftime("%Y %H:%M:%S", time.localtime(1_500_000_000))
    assert (tmp_path / "worker/1.log").read_text() == f"{local}.125 INFO> old train.py:3: step 7\n"


WORKER = """
import random, sys, zlib
from tensorplex import LoggerplexClient
name, url, lines, longest = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
dice = random.Random(name)
client = LoggerplexClient(name, url=url)
for n in range(lines):
    text = dice.choice("abcdefgh\\u20ac") * int(longest ** dice.random())
    text = text.encode()[:longest].decode(errors="ignore")
    client.info(n, zlib.crc32(text.encode()), text)
    # The window holds 64 MiB: a worker that logs faster than the disk has to wait somewhere.
    if n % 100 == 99:
        assert client.flush(600), client.stats()
assert client.close(600), client.stats()
"""


def test_many_processes_log_long_lines_whole_once_and_in_order(broker, program, tmp_path):
    """Every line carries its number and its checksum. As many are short as are long: 600 MB through Redis."""
    lines = 2000 if broker.is_real else 500
    where = {"url": broker.url} if broker.is_real else {"port": 0}
    before = time.monotonic()
    with Loggerplex(tmp_path, time_format=None).start(**where) as logs:
        workers = [program(WORKER, f"rank/{n}", logs.url, lines, LONGEST) for n in range(WORKERS)]
        for worker in workers:
            assert worker.process.wait(600) == 0, worker.process.stderr.read()
    size = sum(path.stat().st_size for path in (tmp_path / "rank").iterdir())
    took = time.monotonic() - before
    print(f"{WORKERS} processes, {lines} lines each, {size / 1e6:.0f} MB in {took:.1f} s")
    for n in range(WORKERS):
        with open(tmp_path / f"rank/{n}.log", encoding="utf-8", newline="\n") as log:
            for number, line in enumerate(log):
                found, checksum, text = line.removeprefix("INFO> ").removesuffix("\n").split(" ")
                assert (int(found), int(checksum)) == (number, zlib.crc32(text.encode())), (n, number)
        assert number == lines - 1, n
