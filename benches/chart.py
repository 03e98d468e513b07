"""Draws the results of `make bench`.

    .venv/bin/python benches/chart.py docs/performance.json docs/performance.svg
"""

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

GROWING = ["client ids", "tags", "worker processes", "linger, ms"]


def main() -> None:
    source, picture = sys.argv[1:]
    report = json.loads(Path(source).read_text())
    figure, (bars, lines) = pyplot.subplots(1, 2, figsize=(12, 4.5))

    rates = {
        name.removeprefix("scalars "): statistics.median(values) / 1e6
        for name, values in report["rounds"].items()
        if name.startswith("scalars")
    }
    bars.barh(list(rates), list(rates.values()), color=["C0" if "end to end" in name else "C7" for name in rates])
    bars.invert_yaxis()
    bars.set(xlabel="million scalars per second", title="One worker")

    for what in GROWING:
        points = [(n, rate / 1e6) for name, n, rate in report["cliffs"] if name == what]
        lines.plot(*zip(*points), marker="o", label=what)
    lines.set(xscale="log", ylim=(0, None), xlabel="so many", title="Is there a cliff? (through Redis)")
    lines.set_ylabel("million scalars per second")
    lines.legend()
    for axes in (bars, lines):
        axes.grid(alpha=0.3)
    machine = report["machine"]
    figure.text(0.01, 0.01, f"{machine['cores']} cores of {machine['processor']}, {machine['date']}", fontsize=8)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    figure.savefig(picture)


if __name__ == "__main__":
    main()
