"""Cost of one add_scalar to its caller, for this library and others: make bench-peers

    .venv-peers/bin/python benches/peers.py target/peers target/peers.json

The first argument is a directory with a release build of the package, the second the report. Each library runs in
a process of its own. In a round each one records a burst, one after the other, with the whole process on one core,
then on all. It flushes after a burst, outside of the measured time. The report has medians over the rounds, in
nanoseconds: of the mean over a burst, and of the median and the 99th percentile of single calls, which include one
reading of the clock ("a clock alone"). A library that cannot be installed, or fails, is reported with its error.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

ROUNDS = 7
#: Calls of a burst; fewer when that would take longer than BURST seconds.
MOST_CALLS, FEWEST_CALLS = 50_000, 20
BURST = 0.1
#: Longest time in seconds that a library may take to start, and for a burst with its flush.
PATIENCE = 90.0
TAG = "train/loss"
#: That to which the others are compared.
OURS = "TensorplexClient"


def client(url, folder):
    from tensorplex import TensorplexClient

    log = TensorplexClient("worker/1", url=url)
    return log.add_scalar, log.flush


def client_float32(url, folder):
    import numpy as np

    add, flush = client(url, folder)
    value = np.float32(0.5)
    return lambda tag, _, step: add(tag, value, step), flush


def writer_with_url(url, folder):
    from tensorplex import SummaryWriter

    log = SummaryWriter(url=url, client_id="worker/2")
    return log.add_scalar, log.flush


def writer(url, folder):
    from tensorplex import SummaryWriter

    log = SummaryWriter(folder, url="")
    return log.add_scalar, log.flush


def clock(url, folder):
    return None, lambda: None


def tensorboardx(url, folder):
    import tensorboardX

    log = tensorboardX.SummaryWriter(folder)
    return log.add_scalar, log.flush


def tensorboard(url, folder):
    from tensorboard.summary import Writer

    log = Writer(folder)
    return log.add_scalar, log.flush


def torch(url, folder):
    from torch.utils.tensorboard import SummaryWriter

    log = SummaryWriter(folder)
    return log.add_scalar, log.flush


def original(url, folder):
    """A client of the original Tensorplex; its server is another process."""
    import socket

    from tensorplex import TensorplexClient

    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    subprocess.Popen([sys.executable, __file__, "--original-server", folder, str(port)])
    log = TensorplexClient("worker/1", host="127.0.0.1", port=port)

    def flush():
        # The original has no flush; an empty queue means that its records are sent.
        while log.zmqueue._batch_buffer:
            time.sleep(0.01)

    return log.add_scalar, flush


def original_server(folder, port):
    from tensorplex import Tensorplex

    server = Tensorplex(folder, max_processes=0)
    server.register_normal_group("worker")
    server.start_server(int(port))


def wandb(url, folder):
    import wandb

    run = wandb.init(project="peers", dir=folder, mode="offline")
    return lambda tag, value, step: run.log({tag: value}, step=step), lambda: None


def mlflow(url, folder):
    import mlflow

    mlflow.set_tracking_uri(Path(folder, "store").as_uri())
    mlflow.start_run()
    return lambda tag, value, step: mlflow.log_metric(tag, value, step=step), lambda: None


def aim(url, folder):
    import aim

    run = aim.Run(repo=folder, system_tracking_interval=None, capture_terminal_logs=False)
    return lambda tag, value, step: run.track(value, name=tag, step=step), lambda: None


def trackio(url, folder):
    import trackio

    trackio.init(project="peers")
    return lambda tag, value, step: trackio.log({tag: value}, step=step), lambda: None


#: Name in the table: what is measured, and the distributions whose versions it has.
PEERS = {
    OURS: (client, ()),
    f"{OURS}, np.float32": (client_float32, ()),
    "SummaryWriter, url=": (writer_with_url, ()),
    "SummaryWriter, a directory": (writer, ()),
    "a clock alone": (clock, ()),
    "tensorboardX": (tensorboardx, ("tensorboardX",)),
    "tensorboard.summary.Writer": (tensorboard, ("tensorboard",)),
    "torch.utils.tensorboard": (torch, ("torch",)),
    "Tensorplex of PyPI": (original, ("Tensorplex", "pyzmq")),
    "wandb, offline": (wandb, ("wandb",)),
    "mlflow, file store": (mlflow, ("mlflow",)),
    "aim": (aim, ("aim",)),
    "trackio": (trackio, ("trackio",)),
}
#: Those that import our package.
WITH_OURS = (client, client_float32, writer_with_url, writer)


class Peer:
    """Process of a library, which records on request."""

    def __init__(self, name, package, url, folder):
        os.mkdir(folder)
        # A home directory of its own and no telemetry.
        environment = os.environ | {"HOME": folder, "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_SILENT": "true"}
        environment |= {"MLFLOW_ALLOW_FILE_STORE": "true", "TRACKIO_DIR": folder, "HF_HUB_OFFLINE": "1"}
        if PEERS[name][0] in WITH_OURS:
            environment["PYTHONPATH"] = package
        else:
            environment.pop("PYTHONPATH", None)
        self.log = Path(folder, "log")
        command = [sys.executable, __file__, "--peer", name, url, folder]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=folder,
                text=True,
                start_new_session=True,
            )
        self.error = None
        self.rounds = {"one core": [], "all cores": []}
        self.receive()

    def record(self, cores):
        if self.error is None:
            self.process.stdin.write(cores + "\n")
            self.process.stdin.flush()
            times = self.receive()
            if times is not None:
                self.rounds[cores].append(times)

    def receive(self):
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        if line:
            answer = json.loads(line)
        else:
            answer = {"error": self.last_words() if ready else f"no answer in {PATIENCE} s"}
        self.error = answer.get("error")
        return answer.get("times")

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the process ended"

    def summary(self, cores):
        rounds = self.rounds[cores]
        return {key: statistics.median(times[key] for times in rounds) for key in ("mean", "median", "p99", "calls")}

    def end(self):
        # The signal also ends the processes that the library started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def peer(name, url, folder):
    """Main function of the process of a library."""
    # Libraries print to standard output, which carries the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**what):
        print(json.dumps(what), file=answers, flush=True)

    try:
        add, flush = PEERS[name][0](url, folder)
        calls, step = MOST_CALLS, 0
        if add is not None:
            begin = time.perf_counter()
            for step in range(FEWEST_CALLS):
                add(TAG, 0.5, step)
            each = (time.perf_counter() - begin) / FEWEST_CALLS
            calls = int(min(max(BURST / each, FEWEST_CALLS), MOST_CALLS))
            flush()
        answer(error=None)
        for cores in sys.stdin:
            use(cores.strip())
            answer(times=clock_times(calls) if add is None else burst(add, step + 1, calls))
            step += 2 * calls
            flush()
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}".splitlines()[0])
    # Some libraries wait without a limit, or for a network.
    os._exit(0)


def use(cores):
    """Binds every thread of this process to `cores`. New threads inherit the affinity of their creator."""
    wanted = {max(ALL_CORES)} if cores == "one core" else ALL_CORES
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), wanted)


ALL_CORES = os.sched_getaffinity(0)


def burst(add, step, calls):
    values = [1.0 / (1 + n) for n in range(calls)]
    begin = time.perf_counter_ns()
    for value in values:
        add(TAG, value, step)
        step += 1
    mean = (time.perf_counter_ns() - begin) / calls
    now, times = time.perf_counter_ns, []
    for value in values:
        begin = now()
        add(TAG, value, step)
        times.append(now() - begin)
        step += 1
    return summed_up(mean, times)


def clock_times(calls):
    now, times = time.perf_counter_ns, []
    for _ in range(calls):
        begin = now()
        times.append(now() - begin)
    return summed_up(statistics.mean(times), times)


def summed_up(mean, times):
    times.sort()
    return {"mean": mean, "median": times[len(times) // 2], "p99": times[len(times) * 99 // 100], "calls": len(times)}


SERVER = """
import sys, tensorplex
with tensorplex.Tensorplex(sys.argv[1]).start(port=0) as plex:
    print(plex.url, flush=True)
    sys.stdin.read()
"""


def main(package, path):
    package = os.path.abspath(package)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        command = [sys.executable, "-c", SERVER, f"{root}/runs"]
        environment = os.environ | {"PYTHONPATH": package}
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        url = server.stdout.readline().strip()
        peers = {}
        try:
            for n, name in enumerate(PEERS):
                peers[name] = Peer(name, package, url, f"{root}/{n}")
            for _ in range(ROUNDS):
                for cores in ("one core", "all cores"):
                    for each in peers.values():
                        each.record(cores)
        finally:
            for each in peers.values():
                each.end()
            server.communicate("")
    report = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {"cpu": cpu(), "cores": len(ALL_CORES), "python": platform.python_version(), "system": platform.platform()},
        "rounds": ROUNDS,
        "versions": {name: version(name) for _, names in PEERS.values() for name in names},
        "errors": {name: each.error for name, each in peers.items() if each.error},
        "nanoseconds": {
            cores: {name: each.summary(cores) for name, each in peers.items() if not each.error}
            for cores in ("one core", "all cores")
        },
    }
    show(report)
    Path(path).write_text(json.dumps(report, indent=2) + "\n")


def show(report):
    machine = report["machine"]
    print(f"{report['date']}, {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {ROUNDS} rounds")
    for cores, table in report["nanoseconds"].items():
        ours = table.get(OURS)
        print(f"\n{'one add_scalar, ns; ' + cores:32} {'mean':>10} {'median':>10} {'p99':>10} {'mean : ours':>12} {'median : ours':>14}")
        for name, row in table.items():
            ratios = [f"{row[key] / ours[key]:.2f}" if ours else "" for key in ("mean", "median")]
            numbers = [f"{row[key]:,.0f}" for key in ("mean", "median", "p99")]
            print(f"{name:32} {numbers[0]:>10} {numbers[1]:>10} {numbers[2]:>10} {ratios[0]:>12} {ratios[1]:>14}")
    print("\nversions:", ", ".join(f"{name} {found}" for name, found in report["versions"].items() if found))
    for name, error in report["errors"].items():
        print(f"not measured: {name}: {error}")


def cpu():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--peer", name, url, folder]:
            peer(name, url, folder)
        case ["--original-server", folder, port]:
            original_server(folder, port)
        case [package, path]:
            main(package, path)
        case _:
            sys.exit("usage: peers.py DIRECTORY-OF-OUR-PACKAGE REPORT.json")
