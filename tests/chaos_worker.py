"""A worker of the chaos harness, as tests/src/bin/test-chaos-worker.rs is one, in Python.

chaos_worker.py ADDRESS CLIENT_ID LIFE LEDGER [SPOOL]
"""

import random
import sys
import threading

import tensorplex

BURST, PAUSE = 10, 0.05
FLUSH_EVERY, PATIENCE = 8, 0.3
DEADLINE = 60.0


def value(life: int, number: int) -> int:
    """Belongs to this number of this life, and a float32 holds it: `value` in tests/src/chaos/ledger.rs."""
    return (((life << 32) ^ number) * 0x9E37_79B9_7F4A_7C15 % 2**64) >> 40


def main() -> None:
    address, client_id, life, ledger, *spool = sys.argv[1:]
    life = int(life)
    # Unbuffered: a word is in the file when it is said.
    ledger = open(ledger, "wb", buffering=0)
    keeping = {"spool": spool[0]} if spool else {}
    records = tensorplex.TensorplexClient(client_id, url=address, **keeping)
    lines = tensorplex.LoggerplexClient(client_id, url=address, **keeping)
    dice = random.Random(life)
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

    def say(word: str, number: int) -> None:
        ledger.write(f"{word} {number}\n".encode())

    following = 0
    while not stop.wait(PAUSE):
        end = following + 1 + dice.randrange(BURST)
        say("submitted", end)
        for number in range(following, end):
            records.add_scalar(str(life), float(value(life, number)), number)
            lines.info(f"{life} {number} {value(life, number)}")
        following = end
        say("accepted", following)
        if dice.randrange(FLUSH_EVERY) == 0:
            if records.flush(PATIENCE):
                say("records", following)
            if lines.flush(PATIENCE):
                say("lines", following)
    assert records.flush(DEADLINE), "records are outstanding"
    say("records", following)
    assert lines.flush(DEADLINE), "lines are outstanding"
    say("lines", following)


if __name__ == "__main__":
    main()
