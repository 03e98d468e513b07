"""A server in a program of yours, and workers that log to it. Run with python examples/python/server.py [LOGDIR]

Start it twice: each worker then rewinds its own run, and TensorBoard shows one clean curve.
"""

import multiprocessing
import sys

from tensorplex import Loggerplex, LoggerplexClient, Tensorplex, TensorplexClient


def work(client_id, url):
    with TensorplexClient(client_id, url=url) as records, LoggerplexClient(client_id, url=url) as lines:
        records.resume()
        lines.section("training")
        for step in range(100):
            records.add_scalar("loss", 1 / (1 + step), step)
        lines.infofmt("{steps} steps, loss {loss:.3f}", steps=100, loss=0.01)


def main():
    logdir = sys.argv[1] if len(sys.argv) > 1 else "runs/server"
    # An embedded broker on a free port; start(host=…, port=…) would use a Redis.
    with Tensorplex(logdir).start(port=0) as plex, Loggerplex(f"{logdir}/logs").start(url=plex.url) as logs:
        # Spawn, because a forked child would inherit the sockets of this server.
        spawn = multiprocessing.get_context("spawn")
        workers = [spawn.Process(target=work, args=(f"agent/{n}", plex.url)) for n in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(plex.stats()["clients"], "clients of records,", logs.stats()["clients"], "of lines")
    print("tensorboard --logdir", logdir)


if __name__ == "__main__":
    main()
