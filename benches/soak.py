"""Memory over time: 24 worker processes, half of them in Python, record into one server through a real Redis.

    .venv/bin/python benches/soak.py [SECONDS] [PICTURE.svg]

Prints the resident memory of the server, of Redis and of the workers every ten seconds, and draws it. `make soak` builds
what it needs and runs it for ten minutes.
"""

import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORKERS = 24
EVERY = 10.0
ROOT = Path(__file__).parent.parent
PROGRAMS = ROOT / "target/release"

PYTHON_WORKER = """
import itertools, sys, threading, tensorplex
address, client_id = sys.argv[1:]
host, port = address.rsplit(":", 1)
records = tensorplex.TensorplexClient(client_id, host, int(port))
lines = tensorplex.LoggerplexClient(client_id, host, int(port))
end = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), end.set()), daemon=True).start()
for step in itertools.count():
    for tag in range(5):
        records.add_scalar(f"loss/{tag}", step / 2, step)
    lines.info("step", step)
    if end.wait(0.02):
        break
    if step % 100 == 0:
        records.flush(5)
"""


def resident(pid: int) -> int:
    """Resident memory of a process, in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} has ended")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_redis(port: int, folder: str) -> subprocess.Popen:
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    redis = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True).returncode != 0:
        time.sleep(0.05)
    return redis


def start_worker(number: int, address: str, folder: str) -> subprocess.Popen:
    if number % 2:
        words = [sys.executable, "-c", PYTHON_WORKER, address, f"python/{number}"]
    else:
        progress = os.path.join(folder, str(number))
        words = [PROGRAMS / "test-chaos-worker", address, f"rust/{number}", str(number), progress]
    return subprocess.Popen(words, stdin=subprocess.PIPE)


def draw(samples: list[tuple[float, int, int, list[int]]], picture: str) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    minutes = [at / 60 for at, *_ in samples]
    figure, axes = pyplot.subplots(figsize=(8, 4))
    series = {
        "server": [server for _, server, _, _ in samples],
        "redis-server": [redis for _, _, redis, _ in samples],
        "worker in Python, mean": [sum(w[1::2]) / len(w[1::2]) for *_, w in samples],
        "worker in Rust, mean": [sum(w[::2]) / len(w[::2]) for *_, w in samples],
    }
    for name, values in series.items():
        axes.plot(minutes, [value / 1024 for value in values], label=name)
    axes.set(xlabel="minutes", ylabel="resident memory, MiB", ylim=(0, None), title=f"{WORKERS} workers, one server")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")
    figure.tight_layout()
    figure.savefig(picture)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    picture = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        address = f"127.0.0.1:{free_port()}"
        redis = start_redis(int(address.rsplit(":", 1)[1]), folder)
        runs = os.path.join(folder, "runs")
        server = subprocess.Popen(
            [PROGRAMS / "tensorplex-server", "--redis", address, "--logdir", runs],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        workers = [start_worker(number, address, folder) for number in range(WORKERS)]
        samples = []
        begin = time.monotonic()
        try:
            for turn in itertools.count(1):
                time.sleep(max(0.0, begin + turn * EVERY - time.monotonic()))
                at = time.monotonic() - begin
                each = [resident(worker.pid) for worker in workers]
                samples.append((at, resident(server.pid), resident(redis.pid), each))
                at, of_server, of_redis, _ = samples[-1]
                print(
                    f"{at:6.0f} s   server {of_server / 1024:7.1f} MiB   redis {of_redis / 1024:6.1f} MiB   "
                    f"workers {min(each) / 1024:.1f} to {max(each) / 1024:.1f} MiB",
                    flush=True,
                )
                if at >= seconds:
                    break
            for worker in workers:
                worker.stdin.close()
            codes = [worker.wait(120) for worker in workers]
            assert codes == [0] * WORKERS, f"workers ended with {codes}"
        finally:
            for process in [*workers, server]:
                process.terminate()
            server.wait()
            redis.kill()
        size = sum(path.stat().st_size for path in Path(runs).rglob("*") if path.is_file())
        print(f"{size / 2**20:.0f} MiB in the log directory")
    if picture:
        draw(samples, picture)


if __name__ == "__main__":
    main()
