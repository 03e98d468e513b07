"""TLS over forks, and passwords that nobody hears of."""

import os
import pickle
import socket
import subprocess
import traceback

import pytest
from conftest import DEADLINE, Redis, wait_for
from objects import AnythingClient
from test_processes import SERVER, forked, succeeded

from tensorplex import SummaryWriter, TensorplexClient

SECRET = "s3cr3t-w/rd"
ENCODED = "s3cr3t%2Dw%2Frd"


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


class TlsRedis(Redis):
    """With a port for TLS, and a certificate for localhost."""

    def restart(self):
        openssl(self.dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=CA", "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
        openssl(self.dir, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=localhost", "-keyout", "own.key", "-out", "own.csr")  # fmt: skip
        with open(f"{self.dir}/names", "w") as names:
            names.write("subjectAltName=DNS:localhost\n")
        openssl(self.dir, "x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-extfile", "names", "-out", "own.pem")  # fmt: skip
        wait_for("a free port", self.start)
        self.url = f"rediss://localhost:{self.port}?ca={self.dir}/ca.pem"

    def start(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = ["redis-server", "--port", "0", "--tls-port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--tls-cert-file", "own.pem", "--tls-key-file", "own.key", "--tls-ca-cert-file", "ca.pem"]
        command += ["--tls-auth-clients", "no", "--unixsocket", f"{self.dir}/redis.sock"]
        self.process = subprocess.Popen(command, cwd=self.dir, stdout=subprocess.DEVNULL)
        wait_for("redis-server", lambda: self.ask("PING") == "PONG" or self.process.poll() is not None)
        return self.process.poll() is None

    def connections(self):
        return {line.split()[0] for line in self.ask("CLIENT", "LIST").splitlines() if "cmd=client" not in line}


@pytest.fixture
def tls():
    redis = TlsRedis()
    yield redis
    redis.close()


def test_a_child_leaves_the_tls_sessions_of_its_parent_alone(tls, program):
    program(SERVER, tls.url)
    client = AnythingClient("parent", url=tls.url)
    assert client.echo(0).get(DEADLINE) == 0
    before = tls.connections()
    assert len(before) >= 4, "two of the server's, two of the client's"

    def child():
        for n in range(100):
            assert client.echo(n).get(DEADLINE) == n
        assert client.close()

    pids = [forked(child) for _ in range(3)]
    assert [client.echo(n).get(DEADLINE) for n in range(100)] == list(range(100))
    for pid in pids:
        succeeded(pid)
    assert client.echo("parent").get(DEADLINE) == "parent"
    # A byte of a child's on one of them would have ended it.
    assert before <= tls.connections()
    client.close()


def test_a_ca_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORPLEX_TLS_CA", str(tmp_path / "none.pem"))
    with pytest.raises(ValueError, match="CA file .*none.pem: No such file"):
        TensorplexClient("a", url="rediss://localhost:1")


def test_passwords_are_in_no_text(tmp_path):
    file = tmp_path / "password"
    file.write_text(SECRET)
    file.chmod(0o600)
    said = []
    for url in [f"redis://me:{ENCODED}@127.0.0.1:1", f"redis://127.0.0.1:1?password_file={file}"]:
        client = TensorplexClient("agent/1", url=url)
        writer = SummaryWriter("runs/a", url=url)
        said += [repr(client), str(client), repr(writer), repr(client._native)]
        client.add_scalar("loss", 1.0, 1)
        client.close(0)
        writer.close()
    said.append(pickle.dumps(client).decode("latin-1"))
    for url in [f"redis://me:{ENCODED}@host:port", f"rediss://me:{ENCODED}@h#insecure", f"redis://:{SECRET}@h?x=1"]:
        with pytest.raises(ValueError) as raised:
            TensorplexClient("agent/1", url=url)
        said += [str(raised.value), "".join(traceback.format_exception_only(raised.value))]
    assert not [text for text in said if "s3cr3t" in text]


def test_the_password_may_come_from_a_file_that_the_environment_names(tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    redis = Redis()
    try:
        redis.ask("CONFIG", "SET", "requirepass", SECRET)
        monkeypatch.setenv("TENSORPLEX_PASSWORD_FILE", str(file))
        client = TensorplexClient("agent/1", url=redis.url)
        client.add_scalar("loss", 1.0, 1)
        ask = ["redis-cli", "-s", f"{redis.dir}/redis.sock", "--no-auth-warning", "XLEN", "rc:{tensorplex.0}:in"]
        environment = dict(os.environ, REDISCLI_AUTH=SECRET)
        wait_for("the frame", lambda: subprocess.check_output(ask, env=environment, text=True).strip() == "1")
        client.close(0)
        file.write_text("")
        with pytest.raises(ValueError, match="it is empty"):
            TensorplexClient("agent/1", url=redis.url)
    finally:
        redis.close()
