"""Buckets that are given by their upper limits, as old histograms have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorplex import _inputs


def from_limits(lowest: float, highest: float, bucket_limits: Any, bucket_counts: Any) -> list[list[float]]:
    """Left edge, right edge and count of each bucket between the first and the last that is not empty.

    The outermost edges are the lowest and the highest value: what TensorBoard's readers make of an old histogram.
    """
    limits = _inputs.numbers(bucket_limits, "bucket_limits", np.float64)
    counts = _inputs.numbers(bucket_counts, "bucket_counts", np.float64)
    if limits.shape != counts.shape or limits.ndim != 1:
        raise ValueError(
            f"bucket_limits has shape {limits.shape} and bucket_counts {counts.shape}: (n,) is wanted for both"
        )
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        return []
    first, last = filled[0], filled[-1]
    edges = np.array([lowest, *limits[first:last], highest])
    counts = counts[first : last + 1]
    if not np.isfinite(edges).all() or (np.diff(edges) < 0).any():
        raise ValueError(f"min, bucket_limits, max are {edges.tolist()}: finite numbers in rising order are wanted")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"bucket_counts are {counts.tolist()}: finite numbers, none below 0, are wanted")
    return np.stack([edges[:-1], edges[1:], counts], axis=1).tolist()
