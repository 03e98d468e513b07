"""Handlers that others close, and a server that is away."""

import logging
import logging.config
import socket
import time

from conftest import DEADLINE

import tensorplex
from tensorplex import LoggerplexHandler, SummaryWriter


def test_a_handler_that_others_closed_opens_again():
    with tensorplex.EmbeddedBroker(port=0) as broker:
        handler = LoggerplexHandler("worker/1", url=broker.url)
        failed = []
        handler.handleError = failed.append
        logging.config.dictConfig({"version": 1, "incremental": False, "disable_existing_loggers": False})
        handler.emit(logging.makeLogRecord({"msg": "after", "levelno": logging.INFO}))
        assert not failed and handler.client.stats()["taken"] == 1
        handler.client.close(0)


def test_flush_waits_a_second_while_the_server_is_known_to_be_away():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        w = SummaryWriter("away", url=f"redis://127.0.0.1:{free.getsockname()[1]}")
        w.add_scalar("x", 1.0, 1)
        deadline = time.monotonic() + DEADLINE
        while w.stats()["outage"] is None:
            assert time.monotonic() < deadline, "no outage in stats()"
            time.sleep(0.01)
        started = time.monotonic()
        assert not w.flush()
        assert time.monotonic() - started < 5
        w.close(0)


def test_what_a_closed_writer_loses_is_counted_and_logged(caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        w = SummaryWriter("away", url=f"redis://127.0.0.1:{port}")
        for step in range(5):
            w.add_scalar("x", 1.0, step)
        assert not w.close(0.1)
    assert w.stats()["dropped"] == 5
    (line,) = [line for line in caplog.messages if "closed" in line]
    assert "SummaryWriter away closed: 5 calls" in line and str(port) in line and "are lost" in line
