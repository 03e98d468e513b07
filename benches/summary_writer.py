"""What a record costs its caller: tensorplex.SummaryWriter beside tensorboardX.SummaryWriter, in one run.

    PYO3_BUILD_EXTENSION_MODULE=1 cargo build --release -p tensorplex-python
    cp target/release/lib_native.so python/tensorplex/_native.abi3.so
    PYTHONPATH=python .venv/bin/python benches/summary_writer.py

Times are medians over calls, each after the one before it was written, so that no queue is full; for scalars the mean over
a burst. `until written` is the time from the call until the record is in the file. The last row is what the histogram cannot be
cheaper than: NumPy's own copy of the same array, between two histograms.
"""

import statistics
import tempfile
import time

import numpy as np
import tensorboardX

import tensorplex

CALLS = 15
SCALARS = 20_000


def main():
    random = np.random.default_rng(1)
    values = random.standard_normal(1_000_000).astype(np.float32)
    pixels = random.integers(0, 256, (512, 512, 3), np.uint8)
    sound = random.uniform(-1, 1, (1, 441_000)).astype(np.float32)
    cases = {
        "add_histogram, 1,000,000 float32": lambda writer, n: writer.add_histogram("h", values, n),
        "add_image, 512 x 512 x 3 noise": lambda writer, n: writer.add_image("i", pixels, n, dataformats="HWC"),
        "add_audio, 10 s": lambda writer, n: writer.add_audio("a", sound.T, n),
    }
    print(f"{'caller waits, ms':34} {'tensorplex':>11} {'tensorboardX':>13} {'ratio':>7} {'until written':>14}")
    with tempfile.TemporaryDirectory() as root:
        ours = tensorplex.SummaryWriter(f"{root}/ours")
        theirs = tensorboardX.SummaryWriter(f"{root}/theirs")
        for name, call in cases.items():
            fast, written = measured(call, ours)
            slow, _ = measured(call, theirs)
            row(name, fast, slow, written)
        row("add_scalar (mean of a burst)", burst(ours), burst(theirs))
        print(f"{'a copy by NumPy, 1,000,000 float32':34} {copied(values, ours) * 1e3:11.4f}")
        ours.close()
        theirs.close()


def measured(call, writer):
    times, written = [], []
    for n in range(CALLS):
        start = time.perf_counter()
        call(writer, n)
        times.append(time.perf_counter() - start)
        writer.flush()
        written.append(time.perf_counter() - start)
    return statistics.median(times), statistics.median(written)


def copied(values, writer):
    copy, times = np.zeros_like(values), []
    for n in range(CALLS):
        writer.add_histogram("h", values, n)
        writer.flush()
        start = time.perf_counter()
        np.copyto(copy, values)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def burst(writer):
    start = time.perf_counter()
    for n in range(SCALARS):
        writer.add_scalar("s", 0.5, n)
    return (time.perf_counter() - start) / SCALARS


def row(name, ours, theirs, written=None):
    late = "" if written is None else f"{written * 1e3:14.3f}"
    print(f"{name:34} {ours * 1e3:11.4f} {theirs * 1e3:13.4f} {theirs / ours:7.1f} {late}")


if __name__ == "__main__":
    main()
