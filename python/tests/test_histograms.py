"""Arrays whose values are sorted into buckets."""

import math

import numpy as np
from conftest import DEADLINE
from test_records import points
from writers import local, place, server, server_program  # noqa: F401 (fixtures)

def test_long_arrays_are_copied_at_the_call_and_memory_is_not_shared_too_early(local):
    sizes = [20_000 + 9_000 * (step % 4) for step in range(40)]
    with local.writer("a") as w:
        for step, size in enumerate(sizes):
            values = np.full(size, step, (np.float32, np.float64)[step // 2 % 2])
            w.add_histogram("values", values, step, bins=[step - 1, step, step + 1])
            w.add_histogram("thirty", values, step)
            values[:] = -1
    run = local.readers()["a"]
    for step, buckets in points(run["values"]):
        assert buckets == [[step - 1, step, 0], [step, step + 1, sizes[step]]]
    for step, buckets in points(run["thirty"]):
        assert buckets == [[step, step, 0]] * 29 + [[step, step, sizes[step]]]


def test_an_array_of_many_parts_may_change_after_the_call_whether_its_sorting_was_shared_or_not(place):
    values = np.empty(150_000, np.float32)
    with place.writer("a") as w:
        for step in range(20):
            if step % 2:
                # The thread for encoding is busy: the caller sorts alone.
                w.add_image("busy", np.zeros((256, 256), np.uint8), step, dataformats="HW")
            values[:] = step
            values[step * 7_000] = -step - 1
            w.add_histogram("values", values, step)
        values[:] = np.nan
        assert w.flush(DEADLINE)
    found = points(place.readers()["a"]["values"])
    assert [step for step, _ in found] == list(range(20))
    for step, buckets in found:
        assert (buckets[0][0], buckets[-1][1]) == (-step - 1, step)
        assert [count for *_, count in buckets] == [1] + [0] * 28 + [149_999]


def test_numbers_may_lie_anywhere_in_memory_and_in_any_order_of_bytes(place):
    values = np.arange(3000, dtype=np.float64)
    with place.writer("a") as w:
        for step, dtype in enumerate(("<f4", ">f4", "<f8", ">f8", "<i2", ">i4")):
            odd = np.frombuffer(b"x" + values.astype(dtype).tobytes(), dtype, offset=1)
            assert not odd.flags.aligned
            w.add_histogram("values", odd, step)
            w.add_histogram("turned", np.repeat(odd, 2)[::2].reshape(30, 100).T, step)
            w.add_histogram("edges", odd, step, bins=[0, 1000, 2999])
        pixels = np.frombuffer(b"x" + bytes(4 * 4 * 4), "<f4", offset=1).reshape(4, 4)
        w.add_image("black", pixels, 0, dataformats="HW")
        w.add_audio("silence", pixels.reshape(1, 16), 0)
        w.add_audio("one sample", np.float32(0.5), 0)
    run = place.readers()["a"]
    assert len(points(run["values"])) == len(points(run["turned"])) == 6
    for _, buckets in points(run["values"]) + points(run["turned"]):
        assert [count for _, _, count in buckets] == [100] * 30
    for _, buckets in points(run["edges"]):
        assert buckets == [[0, 1000, 1000], [1000, 2999, 2000]]
    assert {"black", "silence", "one sample"} <= run.keys()


def test_rules_for_bins_are_those_of_numpy(local):
    random = np.random.default_rng(2)
    arrays = {
        "reals": random.lognormal(size=500),
        # No bucket of these is narrower than 1.
        "integers": random.integers(0, 5, 500),
        "a list": random.integers(0, 5, 500).tolist(),
        "bools": random.integers(0, 2, 500).astype(bool),
        "whole reals": random.integers(0, 5, 500).astype(np.float32),
    }
    rules = ("auto", "fd", "doane", "scott", "rice", "sturges", "sqrt", "stone")
    with local.writer("a") as w:
        for name, values in arrays.items():
            for rule in rules:
                w.add_histogram(f"{name}/{rule}", values, 1, bins=rule)
    tags = local.readers()["a"]
    for name, values in arrays.items():
        for rule in rules:
            [[_, rows]] = points(tags[f"{name}/{rule}"])
            values = values.astype(np.uint8) if name == "bools" else values
            counts, edges = np.histogram(values, rule)
            assert [count for *_, count in rows] == counts.tolist(), (name, rule)
            assert np.allclose([left for left, *_ in rows], edges[:-1]), (name, rule)


def test_edges_are_finite_for_every_value(local):
    rules = ["tensorflow", 1, 10, 4096, "auto", "fd", "doane", "scott", "rice", "sturges", "sqrt", "stone"]
    arrays = [[-1.7e308, 1.7e308], [1.6e308, 1.7e308], [-1.7e308] * 3, [5e-324, 1e-323], [0.0, 1.7e308]]
    with local.writer("a") as w:
        for bins in rules:
            for number, values in enumerate(arrays):
                w.add_histogram(f"{bins}/{number}", values, 1, bins=bins)
        assert w.flush() and w.stats()["refused"] == 0
    run = local.readers()["a"]
    for bins in rules:
        for number, values in enumerate(arrays):
            ((_, buckets),) = points(run[f"{bins}/{number}"])
            edges = [edge for left, right, _ in buckets for edge in (left, right)]
            assert all(isinstance(edge, (int, float)) and math.isfinite(edge) for edge in edges), (bins, values, buckets)
            assert edges == sorted(edges) and sum(count for *_, count in buckets) == len(values), (bins, values, buckets)
