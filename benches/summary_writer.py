"""Cost of a record to its caller: tensorplex.SummaryWriter and tensorboardX.SummaryWriter in one run.

    PYO3_BUILD_EXTENSION_MODULE=1 cargo build --release -p tensorplex-python
    cp target/release/lib_native.so python/tensorplex/_native.abi3.so
    PYTHONPATH=python .venv/bin/python benches/summary_writer.py

Times are medians over calls, each after the one before it was written, so that no queue is full; for scalars the mean over
a burst. `until written` is the time from the call until the record is in the file. Fifty histograms are those of a model: nothing
is waited for between them, and the time is the mean. The last row is a yardstick: NumPy's own copy of the same array, between two
histograms of each library.
"""

import statistics
import tempfile
import time

import numpy as np
import tensorboardX

import tensorplex

CALLS = 15
SCALARS = 20_000
TENSORS = 50


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
    with tempfile.TemporaryDirectory() as root:
        # One after the other, because the threads of one writer would slow the other down.
        ours = all_of(tensorplex.SummaryWriter(f"{root}/ours"), cases, values)
        theirs = all_of(tensorboardX.SummaryWriter(f"{root}/theirs"), cases, values)
    print(f"{'caller waits, ms':38} {'tensorplex':>11} {'tensorboardX':>13} {'ratio':>7} {'until written':>14}")
    for name, (fast, written) in ours.items():
        slow, _ = theirs[name]
        late = "" if written is None else f"{written * 1e3:14.3f}"
        print(f"{name:38} {fast * 1e3:11.4f} {slow * 1e3:13.4f} {slow / fast:7.1f} {late}")


def all_of(writer, cases, values):
    found = {name: measured(call, writer) for name, call in cases.items()}
    found[f"add_histogram, {TENSORS} in a row (mean)"] = in_a_row(values, writer), None
    found["add_scalar (mean of a burst)"] = burst(writer), None
    found["a copy by NumPy, 1,000,000 float32"] = copied(values, writer), None
    writer.close()
    return found


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


def in_a_row(values, writer):
    # Two measurements: during the first one, records of earlier rows may still be written.
    for step in range(2):
        start = time.perf_counter()
        for n in range(TENSORS):
            writer.add_histogram(f"layer/{n}", values, step)
        each = (time.perf_counter() - start) / TENSORS
        writer.flush()
    return each


def burst(writer):
    start = time.perf_counter()
    for n in range(SCALARS):
        writer.add_scalar("s", 0.5, n)
    return (time.perf_counter() - start) / SCALARS


if __name__ == "__main__":
    main()
