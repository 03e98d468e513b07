"""Variables of the environment mean the same for each kind of client."""

import pytest

from tensorplex import LoggerplexClient, LoggerplexHandler, TensorplexClient

CLASSES = [TensorplexClient, LoggerplexClient, lambda *args, **kwargs: LoggerplexHandler(*args, **kwargs).client]


def address(client):
    text = client._native.address() if hasattr(client._native, "address") else client._origin[1]
    client.close(timeout=0)
    return text


@pytest.mark.parametrize("make", CLASSES)
def test_the_url_of_the_environment_counts_when_no_address_is_given(monkeypatch, make):
    monkeypatch.setenv("TENSORPLEX_URL", "redis://127.0.0.1:1")
    assert "127.0.0.1:1" in address(make("agent/1"))
    assert "localhost:2" in address(make("agent/1", port=2))
    assert "127.0.0.1:3" in address(make("agent/1", url="redis://127.0.0.1:3"))
    monkeypatch.delenv("TENSORPLEX_URL")
    assert "localhost:8008" in address(make("agent/1"))


@pytest.mark.parametrize("make", CLASSES)
def test_url_and_host_together_are_refused(make):
    for other in ({"host": "h"}, {"port": 1}):
        with pytest.raises(ValueError, match="give one of the two"):
            make("agent/1", url="redis://:secret@h:1", **other)
