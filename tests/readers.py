"""Points that TensorBoard's two readers show of a log directory, as JSON for the tests.

    readers.py dump LOGDIR       every point, as one JSON document
    readers.py summary LOGDIR    count, steps and checksum of each series: for large data
    readers.py follow LOGDIR     start both readers once, then obey the lines on standard input:

        dump                                      read what is new; print one line of JSON
        summary                                   the same, without the points
        await POINTS SECONDS [dump | summary]     read until both readers show that many scalar points
                                                  over all runs, or the time is over; then print
        quit                                      or the end of standard input

The document:

    {"points": {"rust": 3, "python": 3},          scalar points over all runs
     "reached": true,                             only after await
     "rust": {RUN: {TAG: SERIES}},
     "python": {RUN: {TAG: SERIES}}}

A series of `dump`:

    {"kind": "scalar", "plugin": "scalars", "points": [[STEP, VALUE, WALL_TIME], ...]}

VALUE is for a scalar a number, or "NaN", "Infinity", "-Infinity"; for a tensor of numbers nested lists
(a histogram: [[left, right, count], ...]); for a tensor of strings (kind "tensor", a text) a flat list
of strings; for kind "blob" (an image) a list of {"bytes": LENGTH, "sha256": HEX}.

A series of `summary`, where `sha256` is taken over (step as i64, value as f32) of all points in order,
little-endian; it is there for scalars only:

    {"kind": "scalar", "plugin": "scalars", "count": 3, "first": 0, "last": 2, "increasing": true,
     "sha256": HEX}
"""

import argparse
import hashlib
import json
import math
import sys
import time

import numpy

import loaders


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["dump", "summary", "follow"])
    parser.add_argument("logdir")
    args = parser.parse_args()

    readers = loaders.both(args.logdir)
    if args.command == "follow":
        follow(readers, sys.stdin)
    else:
        refresh(readers)
        answer(document(readers, FORMS[args.command]))


def follow(readers, commands):
    for line in commands:
        match line.split():
            case ["quit"]:
                return
            case ["dump" | "summary" as form]:
                refresh(readers)
                answer(document(readers, FORMS[form]))
            case ["await", points, seconds, *rest] if rest in ([], ["dump"], ["summary"]):
                reached = await_points(readers, int(points), float(seconds))
                form = FORMS[rest[0] if rest else "dump"]
                answer({"reached": reached} | document(readers, form))
            case _:
                answer({"error": f"unknown command {line.strip()!r}"})


def refresh(readers):
    for reader in readers.values():
        reader.refresh()


def await_points(readers, points, seconds):
    """Waits until both readers show `points` scalar points; true when they do within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        refresh(readers)
        # The caller checks for too many points: the answer contains all of them.
        if all(reader.count_scalars() >= points for reader in readers.values()):
            return True
        if time.monotonic() > deadline:
            return False


def answer(value):
    # NaN is an error here, because `number` has to replace it.
    print(json.dumps(value, allow_nan=False), flush=True)


def document(readers, form):
    points = {name: reader.count_scalars() for name, reader in readers.items()}
    return {"points": points} | {name: runs(reader.provider, form) for name, reader in readers.items()}


def runs(provider, form):
    """Series of `provider`, as {run: {tag: series}}; a run without tags is present and empty."""
    where = {"experiment_id": ""}
    context = loaders.request_context()
    result = {run.run_name: {} for run in provider.list_runs(context, **where)}
    for plugin in sorted(provider.list_plugins(context, **where)):
        where = {"experiment_id": "", "plugin_name": plugin, "downsample": loaders.ALL_POINTS}
        for kind, read in (
            ("scalar", provider.read_scalars),
            ("tensor", provider.read_tensors),
            ("blob", provider.read_blob_sequences),
        ):
            for run, tags in read(context, **where).items():
                for tag, data in tags.items():
                    series = {"kind": kind, "plugin": plugin} | form(provider, kind, data)
                    result.setdefault(run, {})[tag] = series
    return result


def every_point(provider, kind, data):
    return {"points": [[point.step, VALUES[kind](provider, point), point.wall_time] for point in data]}


def steps_and_checksum(provider, kind, data):
    steps = numpy.array([point.step for point in data], dtype="<i8")
    result = {
        "count": len(data),
        "first": data[0].step if data else None,
        "last": data[-1].step if data else None,
        "increasing": bool(numpy.all(steps[1:] > steps[:-1])),
    }
    if kind == "scalar":
        packed = numpy.empty(len(data), dtype=[("step", "<i8"), ("value", "<f4")])
        packed["step"] = steps
        packed["value"] = [point.value for point in data]
        result["sha256"] = hashlib.sha256(packed.tobytes()).hexdigest()
    return result


FORMS = {"dump": every_point, "summary": steps_and_checksum}


def scalar(provider, point):
    return number(point.value)


def tensor(provider, point):
    if point.numpy.dtype == object:
        return [value.decode(errors="backslashreplace") for value in point.numpy.ravel()]
    return numbers(point.numpy.tolist())


def blobs(provider, point):
    return [blob(provider, reference) for reference in point.values]


def blob(provider, reference):
    data = provider.read_blob(loaders.request_context(), blob_key=reference.blob_key)
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


VALUES = {"scalar": scalar, "tensor": tensor, "blob": blobs}


def numbers(value):
    return [numbers(item) for item in value] if isinstance(value, list) else number(value)


def number(value):
    """A finite number as it is; others as the strings that TensorBoard uses."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


if __name__ == "__main__":
    main()
