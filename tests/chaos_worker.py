"""Worker of the chaos harness in Python, with the behaviour of tests/src/bin/test-chaos-worker.rs.

chaos_worker.py ADDRESS CLIENT_ID LIFE PROGRESS_FILE [SPOOL]
"""

import random
import sys
import threading

import tensorplex

BURST, PAUSE = 10, 0.05
FLUSH_EVERY, FLUSH_TIMEOUT = 8, 0.3
DEADLINE = 60.0


def value(life: int, number: int) -> int:
    """Value of a number, as `value` in tests/src/chaos/progress.rs computes it."""
    return (((life << 32) ^ number) * 0x9E37_79B9_7F4A_7C15 % 2**64) >> 40


def main() -> None:
    address, client_id, life, progress, *spool = sys.argv[1:]
    life = int(life)
    # Unbuffered, so that a line is in the file when the call returns.
    progress = open(progress, "wb", buffering=0)
    keeping = {"spool": spool[0]} if spool else {}
    records = tensorplex.TensorplexClient(client_id, url=address, **keeping)
    lines = tensorplex.LoggerplexClient(client_id, url=address, **keeping)
    rng = random.Random(life)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

    def write(word: str, number: int) -> None:
        progress.write(f"{word} {number}\n".encode())

    following = 0
    while not stop.wait(PAUSE):
        end = following + 1 + rng.randrange(BURST)
        write("submitted", end)
        for number in range(following, end):
            records.add_scalar(str(life), float(value(life, number)), number)
            lines.info(f"{life} {number} {value(life, number)}")
        following = end
        write("accepted", following)
        if rng.randrange(FLUSH_EVERY) == 0:
            if records.flush(FLUSH_TIMEOUT):
                write("records", following)
            if lines.flush(FLUSH_TIMEOUT):
                write("lines", following)
    assert records.flush(DEADLINE), "records are outstanding"
    write("records", following)
    assert lines.flush(DEADLINE), "lines are outstanding"
    write("lines", following)


if __name__ == "__main__":
    main()
